"""The rules of an owner's account of credits. It can never be overdrawn."""

from dataclasses import replace
from typing import assert_never
from uuid import UUID

from domain.credits import commands as c
from domain.credits import events as e
from domain.credits.state import Account
from domain.decider import Decider
from domain.errors import InvariantBroken, NotEnoughCredits
from domain.times import Instant

EMPTY = Account()


def decide(command: c.CreditsCommand, account: Account | None, now: Instant) -> tuple[e.CreditsEvent, ...]:
    """The events that follow; none for the answer to a purchase that was answered before."""
    account = account or EMPTY
    match command:
        case c.HoldCredits(job_id=job_id, amount_cents=amount):
            if amount > account.balance_cents:
                raise NotEnoughCredits(amount, account.balance_cents)
            return (e.Held(job_id=job_id, amount_cents=amount),)
        case c.ReleaseCredits(job_id=job_id, amount_cents=amount):
            return (e.Released(job_id=job_id, amount_cents=amount),)
        case c.StartPurchase(purchase_id=purchase_id, amount_cents=amount):
            return (e.PurchaseStarted(purchase_id=purchase_id, amount_cents=amount),)
        case c.CompletePurchase(purchase_id=purchase_id, reference=reference):
            amount = account.open_purchases.get(purchase_id, 0)
            completed = e.PurchaseCompleted(purchase_id=purchase_id, amount_cents=amount, reference=reference)
            return (completed,) if amount else ()
        case c.FailPurchase(purchase_id=purchase_id, reason=reason):
            failed = e.PurchaseFailed(purchase_id=purchase_id, reason=reason)
            return (failed,) if purchase_id in account.open_purchases else ()
        case c.ReversePurchase():
            return (_reversed(command, account),)
        case _:
            assert_never(command)


def _reversed(command: c.ReversePurchase, account: Account) -> e.CreditsEvent:
    """From the free credits as far as they go; the owner owes the rest."""
    event = e.ChargedBack if command.kind is c.Reversal.CHARGEBACK else e.PurchaseRefunded
    free = min(command.amount_cents, account.balance_cents)
    return event(
        purchase_id=command.purchase_id,
        reference=command.reference,
        credits_cents=free,
        receivable_cents=command.amount_cents - free,
        dated_at=command.dated_at,
    )


def evolve(account: Account | None, event: e.CreditsEvent) -> Account:
    """The account after the event. Raises InvariantBroken if it would be overdrawn."""
    account = account or EMPTY
    match event:
        case e.Held(amount_cents=cents) | e.ChargedBack(credits_cents=cents) | e.PurchaseRefunded(credits_cents=cents):
            if cents > account.balance_cents:
                raise InvariantBroken(f"{type(event).__name__} would overdraw the account.")
            return Account(account.balance_cents - cents, account.open_purchases)
        case e.Released():
            return Account(account.balance_cents + event.amount_cents, account.open_purchases)
        case e.PurchaseStarted():
            opened = {**account.open_purchases, event.purchase_id: event.amount_cents}
            return replace(account, open_purchases=opened)
        case e.PurchaseCompleted():
            return Account(account.balance_cents + event.amount_cents, _without(account, event.purchase_id))
        case e.PurchaseFailed():
            return replace(account, open_purchases=_without(account, event.purchase_id))
        case _:
            assert_never(event)


def _without(account: Account, purchase_id: UUID) -> dict[UUID, int]:
    return {key: amount for key, amount in account.open_purchases.items() if key != purchase_id}


CREDITS: Decider[c.CreditsCommand, Account, e.CreditsEvent] = Decider(decide, evolve)
