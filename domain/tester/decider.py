"""The rules of a tester's wallet: payable = granted payouts - withdrawals, never below zero."""

from dataclasses import dataclass
from typing import assert_never

from domain.decider import Decider
from domain.errors import InvariantBroken, NotEnoughPayable
from domain.tester.commands import TakeBack, WalletCommand, Withdraw
from domain.tester.events import TakenBack, WalletEvent, Withdrawn
from domain.times import Instant


@dataclass(frozen=True, slots=True)
class Wallet:
    withdrawn_cents: int = 0


EMPTY = Wallet()


def decide(command: WalletCommand, wallet: Wallet | None, now: Instant) -> tuple[WalletEvent, ...]:
    """The withdrawal, if the wallet covers it; what came back always goes in again."""
    match command:
        case Withdraw():
            payable = command.granted_cents - (wallet or EMPTY).withdrawn_cents
            if command.amount_cents > payable:
                raise NotEnoughPayable(command.amount_cents, payable)
            return (Withdrawn(withdrawal_id=command.withdrawal_id, amount_cents=command.amount_cents),)
        case TakeBack():
            return (TakenBack(withdrawal_id=command.withdrawal_id, amount_cents=command.amount_cents),)
        case _:
            assert_never(command)


def evolve(wallet: Wallet | None, event: WalletEvent) -> Wallet:
    """The wallet after the event. Raises InvariantBroken if more came back than was ever withdrawn."""
    withdrawn = (wallet or EMPTY).withdrawn_cents
    match event:
        case Withdrawn():
            return Wallet(withdrawn + event.amount_cents)
        case TakenBack():
            if event.amount_cents > withdrawn:
                raise InvariantBroken("More came back to a wallet than was withdrawn from it.")
            return Wallet(withdrawn - event.amount_cents)
        case _:
            assert_never(event)


WALLET: Decider[WalletCommand, Wallet, WalletEvent] = Decider(decide, evolve)
