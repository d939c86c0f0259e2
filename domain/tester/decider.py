"""The rules of a tester's wallet: payable = granted payouts - withdrawals, never below zero."""

from dataclasses import dataclass

from domain.decider import Decider
from domain.errors import NotEnoughPayable
from domain.tester.commands import WalletCommand
from domain.tester.events import WalletEvent, Withdrawn
from domain.times import Instant


@dataclass(frozen=True, slots=True)
class Wallet:
    withdrawn_cents: int = 0


EMPTY = Wallet()


def decide(command: WalletCommand, wallet: Wallet | None, now: Instant) -> tuple[WalletEvent, ...]:
    """The withdrawal, if the wallet covers it."""
    payable = command.granted_cents - (wallet or EMPTY).withdrawn_cents
    if command.amount_cents > payable:
        raise NotEnoughPayable(command.amount_cents, payable)
    return (Withdrawn(withdrawal_id=command.withdrawal_id, amount_cents=command.amount_cents),)


def evolve(wallet: Wallet | None, event: WalletEvent) -> Wallet:
    """The wallet after the withdrawal."""
    return Wallet((wallet or EMPTY).withdrawn_cents + event.amount_cents)


WALLET: Decider[WalletCommand, Wallet, WalletEvent] = Decider(decide, evolve)
