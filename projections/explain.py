"""Why an entry of the books is what it is: from its cents back through rule, measured minutes and pinned terms."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.books import events as books
from domain.catalogue import NAMES
from domain.credits import events as credits
from domain.job import events as job
from domain.job.pay import paid_minutes_cap, payout_cents, rule_cents, slot_hold_cents
from domain.job.terms import PayKind, PaymentRule, Terms
from domain.ledger.rules import POSTING_RULES, Rule, slots_text
from domain.money import fee_cents
from domain.recorded import Recorded
from domain.tester import events as tester
from projections.terms_view import payment_rule_view
from projections.times import iso

BASIS = 10_000
"""Basis points in a whole."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a calculation, in words with its numbers, and the cents that it comes to."""

    text: str
    cents: int


@dataclass(frozen=True, slots=True)
class _Case:
    """An event that moved money, its rule, and all that had happened in its stream up to it."""

    event: Any
    rule: Rule
    before: Sequence[Recorded[Any]]

    def terms(self) -> Terms:
        terms: Terms = self.before[0].event.terms
        return terms

    def of_assignment(self, kind: type) -> Recorded[Any] | None:
        """What happened to the assignment that this is about."""
        wanted: UUID = self.event.assignment_id
        found = (one for one in self.before if isinstance(one.event, kind))
        return next((one for one in found if getattr(one.event, "assignment_id", None) == wanted), None)


def rule_of(event: Any, number: int) -> Rule:
    """The rule by which an event's entry of this number was posted; entries of zero are not posted."""
    return [rule for rule in POSTING_RULES[type(event)] if getattr(event, rule.amount)][number]


def rule_view(event: Any, rule: Rule) -> dict[str, Any]:
    """A posting rule as users see it."""
    return {
        "event": NAMES[type(event)],
        "type": rule.type.value,
        "debit": rule.debit.value,
        "credit": rule.credit.value,
        "amount": rule.amount,
    }


def steps(event: Any, rule: Rule, before: Sequence[Recorded[Any]]) -> list[Step]:
    """How the cents of an entry come about; the last step is the entry's amount. ``before`` ends with its event."""
    return list(_STEPS[type(event)](_Case(event, rule, before)))


def terms_of(before: Sequence[Recorded[Any]]) -> dict[str, Any] | None:
    """What the job's first event has pinned of all that money depends on; null where no job is concerned."""
    if not before or not isinstance(before[0].event, job.Created):
        return None
    terms = before[0].event.terms
    return {
        "paymentRules": [payment_rule_view(rule) for rule in terms.payment_rules],
        "taskPaidTimeLimitMinutes": terms.paid_limit_minutes,
        "taskHardTimeLimitMinutes": terms.hard_limit_minutes,
        "feeBasisPoints": terms.pricing.fee_basis_points,
        "feeRounding": "half up to the cent",
        "slotHoldCents": slot_hold_cents(terms),
    }


def measured(event: Any, before: Sequence[Recorded[Any]]) -> dict[str, Any] | None:
    """The time that an assignment took; null where none is concerned."""
    if not isinstance(event, job.PayoutGranted | job.Refunded):
        return None
    started, completed = _times(_Case(event, POSTING_RULES[type(event)][0], before))
    return {
        "startedAt": iso(started.started_at),
        "completedAt": iso(completed.completed_at),
        "durationMinutes": completed.duration_minutes,
    }


def _times(case: _Case) -> tuple[job.TaskStarted, job.TaskCompleted]:
    started, completed = case.of_assignment(job.TaskStarted), case.of_assignment(job.TaskCompleted)
    assert started is not None and completed is not None, "only completed work is paid"
    return started.event, completed.event


# -- money that came and went ----------------------------------------------------------------------------------------


def _bought(case: _Case) -> Iterator[Step]:
    event: credits.PurchaseCompleted = case.event
    yield Step(f"the gateway took the payment, its reference is {event.reference}", event.amount_cents)


def _withdrawn(case: _Case) -> Iterator[Step]:
    event: tester.Withdrawn = case.event
    yield Step("the tester asked for this amount, and the wallet had it", event.amount_cents)


def _reversed(case: _Case) -> Iterator[Step]:
    event: credits.ChargedBack | credits.PurchaseRefunded = case.event
    whole = event.credits_cents + event.receivable_cents
    yield Step(f"the gateway took the payment back, its reference is {event.reference}", whole)
    if case.rule.amount == "credits_cents":
        yield Step("free credits of the owner, as far as they went", event.credits_cents)
    else:
        yield Step(f"not covered by free credits: {whole} - {event.credits_cents}", event.receivable_cents)


def _told_by_gateway(case: _Case) -> Iterator[Step]:
    event: books.GatewayLineBooked = case.event
    yield Step(f"gross of the gateway's line {event.reference}", event.gross_cents)
    yield Step(f"its fee, as the statement {event.statement} tells", event.fee_cents or event.fee_returned_cents)


def _told(case: _Case) -> Iterator[Step]:
    event: books.GatewayPaidOut | books.GatewayPayoutReturned | books.PayoutSettled | books.PayoutReturned = case.event
    yield Step(f"the statement {event.statement} tells so", event.amount_cents)


def _adjusted(case: _Case) -> Iterator[Step]:
    event: books.Adjusted = case.event
    yield Step(f"break {event.number} of run {event.run_id}: what the other side has more", event.difference_cents)
    who = f"proposed by {event.proposed_by}, confirmed by {event.operator_id}"
    yield Step(who, abs(event.difference_cents))


# -- holds -----------------------------------------------------------------------------------------------------------


def _slot_hold(terms: Terms) -> Iterator[Step]:
    minutes = terms.hard_limit_minutes
    yield from _pay(terms, minutes, f"the hard limit of {minutes} minutes, the most that can be measured")
    greatest = payout_cents(terms, minutes)
    yield _fee(greatest, terms)
    yield Step("hold of one slot: greatest payout and fee", slot_hold_cents(terms))


def _created(case: _Case) -> Iterator[Step]:
    terms = case.terms()
    slots, each = terms.target_testers, slot_hold_cents(terms)
    yield from _slot_hold(terms)
    yield Step(f"{slots_text(slots)} x {each}", slots * each)


def _resized(case: _Case) -> Iterator[Step]:
    event: job.Resized = case.event
    terms, slots = case.terms(), abs(event.target - event.previous_target)
    yield from _slot_hold(terms)
    change = f"{slots_text(event.previous_target)} became {event.target}"
    yield Step(f"{change}: {slots} x {slot_hold_cents(terms)}", slots * slot_hold_cents(terms))


def _in_escrow(case: _Case) -> Iterator[Step]:
    """What lay in escrow before the event: all that was held and not yet released."""
    held = 0
    for one in case.before[:-1]:
        if isinstance(one.event, job.Created):
            held += one.event.hold_cents
        elif isinstance(one.event, job.Resized):
            held += one.event.held_cents - one.event.released_cents
        elif isinstance(one.event, job.Cancelled):
            held -= one.event.released_cents
    yield Step("in escrow until then", held)


def _costs(case: _Case) -> Iterator[Step]:
    done = [one.event for one in case.before if isinstance(one.event, job.TaskCompleted)]
    cost = sum(event.payout_cents + event.fee_cents for event in done)
    yield Step(f"{len(done)} completed assignments cost payout and fee", cost)


def _released(case: _Case) -> Iterator[Step]:
    (held,), (cost,) = list(_in_escrow(case)), list(_costs(case))
    yield held
    yield cost
    yield Step(f"unused: {held.cents} - {cost.cents}", held.cents - cost.cents)


# -- an assignment's money -------------------------------------------------------------------------------------------


def _pay(terms: Terms, minutes: int, what: str) -> Iterator[Step]:
    for rule in terms.payment_rules:
        yield Step(_rule_text(rule, terms, minutes, what), rule_cents(rule, terms, minutes))
    if len(terms.payment_rules) > 1:
        yield Step("all payment rules together", payout_cents(terms, minutes))


def _rule_text(rule: PaymentRule, terms: Terms, minutes: int, what: str) -> str:
    if rule.type is PayKind.FIXED:
        return "fixed pay"
    cap = paid_minutes_cap(rule, terms)
    return f"{rule.rate_cents} a minute x min({what}, cap {cap}) = {rule.rate_cents} x {min(minutes, cap)}"


def _fee(payout: int, terms: Terms) -> Step:
    points = terms.pricing.fee_basis_points
    whole, rest = divmod(payout * points, BASIS)
    text = f"fee: {payout} x {points} / {BASIS} = {whole}.{rest:04d}, rounded half up to the cent"
    return Step(text, fee_cents(payout, points))


def _earned(case: _Case) -> Iterator[Step]:
    _, completed = _times(case)
    yield from _pay(case.terms(), completed.duration_minutes, f"{completed.duration_minutes} measured minutes")


def _was_disputed(case: _Case) -> bool:
    claims = (one.event.claims for one in case.before if isinstance(one.event, job.Disputed))
    return any(claim.assignment_id == case.event.assignment_id for every in claims for claim in every)


def _granted(case: _Case) -> Iterator[Step]:
    event: job.PayoutGranted = case.event
    is_fee = case.rule.amount == "fee_cents"
    yield from _earned(case)
    if _was_disputed(case):
        yield Step("granted by the operator who decided the dispute", event.payout_cents)
    if is_fee:
        yield (by_rule := _fee(event.payout_cents, case.terms()))
        if by_rule.cents != event.fee_cents:
            yield Step("fee lowered by the operator", event.fee_cents)


def _refunded(case: _Case) -> Iterator[Step]:
    event: job.Refunded = case.event
    _, completed = _times(case)
    yield from _earned(case)
    yield _fee(completed.payout_cents, case.terms())
    yield Step(f"payout not granted: of {completed.payout_cents}", event.payout_cents)
    yield Step(f"fee not taken: of {completed.fee_cents}", event.fee_cents)
    yield Step(f"refund: {event.payout_cents} + {event.fee_cents}", event.refund_cents)


_STEPS: Mapping[type, Callable[[_Case], Iterator[Step]]] = {
    credits.PurchaseCompleted: _bought,
    tester.Withdrawn: _withdrawn,
    credits.ChargedBack: _reversed,
    credits.PurchaseRefunded: _reversed,
    books.GatewayLineBooked: _told_by_gateway,
    books.GatewayPaidOut: _told,
    books.GatewayPayoutReturned: _told,
    books.PayoutSettled: _told,
    books.PayoutReturned: _told,
    books.Adjusted: _adjusted,
    job.Created: _created,
    job.Resized: _resized,
    job.Cancelled: _released,
    job.Settled: _released,
    job.PayoutGranted: _granted,
    job.Refunded: _refunded,
}
"""One for each event that moves money; a test holds that it is complete."""
