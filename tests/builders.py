"""Terms, events and commands with sensible defaults, and the people that tests are about.

The usual job: 5 slots at 300 cents, so that a slot holds 390 and the job 1950.
"""

from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from domain.job import commands as c
from domain.job import events as e
from domain.job.deadlines import Deadline, DeadlineKind
from domain.job.pay import slot_hold_cents
from domain.job.state import Phase
from domain.job.terms import FeedbackQuestion, InputType, PayKind, PaymentRule, Terms, Variant
from domain.money import fee_cents
from domain.recorded import SYSTEM, Recorded
from domain.sealed import SealedText
from domain.times import DAY, MINUTE, Instant
from tests.given import NOW

OWNER = UUID(int=0xA000)
JOB_ID = UUID(int=0xB000)
RESERVATION = 10 * MINUTE
FEE_BASIS_POINTS = 3_000


class Person(NamedTuple):
    """A tester, with the id of the one assignment that the tester can get in the job at hand."""

    name: str
    id: UUID
    public_id: int
    slot: UUID


def person(number: int, name: str | None = None) -> Person:
    return Person(name or f"tester {number}", UUID(int=0xC000 + number), 100_000 + number, UUID(int=0xD000 + number))


ALICE, BOB, CAROL, DAVE = (person(n, name) for n, name in enumerate(("Alice", "Bob", "Carol", "Dave")))


def crowd(size: int) -> tuple[Person, ...]:
    """As many testers as asked for, none of them known by name."""
    return tuple(person(100 + number) for number in range(size))


# Terms


def fixed(amount_cents: int) -> PaymentRule:
    return PaymentRule(type=PayKind.FIXED, amount_cents=amount_cents)


def per_minute(rate_cents: int, cap_minutes: int | None = None) -> PaymentRule:
    return PaymentRule(type=PayKind.PER_MINUTE, rate_cents=rate_cents, cap_minutes=cap_minutes)


RATING = FeedbackQuestion(id="rating", question_markdown="Rate the design", input_type=InputType.STAR_RATING)
ANSWERS = {"rating": 4}
SEALED_ANSWERS = SealedText("sealed answers")


def variant(number: int = 0, least: int = 5, most: int | None = None, **changes: Any) -> Variant:
    plain = Variant(
        id=UUID(int=0xE000 + number),
        description="Visit the landing page and rate the design.",
        feedback_questions=(RATING,),
        target_testers_min=least,
        target_testers_max=most,
        url="https://example.com/landing",
    )
    return replace(plain, **changes)


FIRST_VARIANT, SECOND_VARIANT, THIRD_VARIANT = (variant(number).id for number in range(3))


def some_terms(
    slots: int = 5,
    pay: int | PaymentRule | tuple[PaymentRule, ...] = 300,
    variants: tuple[Variant, ...] | None = None,
    **changes: Any,
) -> Terms:
    """Terms for so many slots; ``pay`` is a fixed amount or rules."""
    rules = (fixed(pay),) if isinstance(pay, int) else pay if isinstance(pay, tuple) else (pay,)
    plain = Terms(
        title="Rate my landing page",
        target_testers=slots,
        category="web-design",
        posting_window_minutes=60,
        payment_rules=rules,
        variants=variants or (variant(least=slots),),
    )
    return replace(plain, **changes)


# What happened to a job


def created(terms: Terms, at: Instant = NOW) -> e.Created:
    begins = terms.starts_at or at
    return e.Created(
        owner_id=OWNER,
        terms=terms,
        hold_cents=terms.target_testers * slot_hold_cents(terms),
        posting_ends_at=begins + terms.posting_window_minutes * MINUTE,
    )


def an_active_job(
    slots: int = 5,
    pay: int | PaymentRule | tuple[PaymentRule, ...] = 300,
    variants: tuple[Variant, ...] | None = None,
    **changes: Any,
) -> tuple[e.JobEvent, ...]:
    """The history of a job that was just posted; arguments are those of ``some_terms``."""
    return (created(some_terms(slots, pay, variants, **changes)),)


def taken_by(who: Person, at: Instant = NOW, variant_id: UUID = FIRST_VARIANT) -> e.SlotTaken:
    return e.SlotTaken(
        assignment_id=who.slot,
        tester_id=who.id,
        tester_public_id=who.public_id,
        variant_id=variant_id,
        reserved_until=at + RESERVATION,
    )


def started_by(who: Person, at: Instant = NOW, limit_minutes: int = 30) -> e.TaskStarted:
    return e.TaskStarted(
        assignment_id=who.slot, tester_id=who.id, started_at=at, hard_deadline=at + limit_minutes * MINUTE
    )


def completed_by(who: Person, payout: int = 300, minutes: int = 8, at: Instant | None = None) -> e.TaskCompleted:
    """Handed in after so many minutes from now on, unless told when."""
    return e.TaskCompleted(
        assignment_id=who.slot,
        tester_id=who.id,
        completed_at=NOW + minutes * MINUTE if at is None else at,
        answers=SEALED_ANSWERS,
        duration_minutes=minutes,
        payout_cents=payout,
        fee_cents=fee_cents(payout, FEE_BASIS_POINTS),
    )


def done_by(*people: Person, payout: int = 300) -> tuple[e.JobEvent, ...]:
    """Each of them took a slot, started and handed in."""
    return tuple(
        event for who in people for event in (taken_by(who), started_by(who), completed_by(who, payout=payout))
    )


def returned_by(who: Person) -> e.SlotReturned:
    return e.SlotReturned(assignment_id=who.slot, tester_id=who.id)


def expired_for(who: Person) -> e.ReservationExpired:
    return e.ReservationExpired(assignment_id=who.slot, tester_id=who.id)


def timed_out_for(who: Person) -> e.TaskTimedOut:
    return e.TaskTimedOut(assignment_id=who.slot, tester_id=who.id)


def cancelled_under(who: Person) -> e.AssignmentCancelled:
    return e.AssignmentCancelled(assignment_id=who.slot, tester_id=who.id)


def proof_rejected_for(who: Person) -> e.ProofRejected:
    return e.ProofRejected(assignment_id=who.slot, tester_id=who.id)


def stopped(cause: e.StopCause = e.StopCause.OWNER) -> e.Stopped:
    return e.Stopped(cause=cause)


def resized(previous: int, target: int, slot_hold: int = 390, maxima: dict[UUID, int] | None = None) -> e.Resized:
    change = (target - previous) * slot_hold
    return e.Resized(
        owner_id=OWNER,
        previous_target=previous,
        target=target,
        held_cents=max(change, 0),
        released_cents=max(-change, 0),
        maxima=maxima or {},
    )


def cancelled(released: int, reason: e.ClosedReason = e.ClosedReason.NO_ACTIVE_TESTERS) -> e.Cancelled:
    return e.Cancelled(owner_id=OWNER, released_cents=released, reason=reason)


def settled(
    cost: int,
    released: int,
    reason: e.ClosedReason = e.ClosedReason.NO_ACTIVE_TESTERS,
    at: Instant = NOW,
) -> e.Settled:
    return e.Settled(owner_id=OWNER, hold_cents=cost, released_cents=released, reason=reason, deadline=at + DAY)


def granted_to(who: Person, payout: int = 300, fee: int | None = None) -> e.PayoutGranted:
    return e.PayoutGranted(
        assignment_id=who.slot,
        tester_id=who.id,
        owner_id=OWNER,
        payout_cents=payout,
        fee_cents=fee_cents(payout, FEE_BASIS_POINTS) if fee is None else fee,
    )


def refunded_for(who: Person, payout: int = 300, fee: int = 90) -> e.Refunded:
    return e.Refunded(assignment_id=who.slot, tester_id=who.id, owner_id=OWNER, payout_cents=payout, fee_cents=fee)


def sealed(text: str | None) -> SealedText | None:
    """The domain takes any text for a sealed one."""
    return None if text is None else SealedText(text)


def claim_on(who: Person, category: str | None = None, description: str | None = None) -> e.Claim:
    return e.Claim(assignment_id=who.slot, tester_id=who.id, category=category, description=sealed(description))


def disputed(*claims: e.Claim, **flags: bool) -> e.Disputed:
    return e.Disputed(
        owner_id=OWNER,
        flags=e.Flags(**flags),
        platform_issue_description=None,
        billing_discrepancy_description=None,
        claims=claims,
    )


def statement_by(who: Person, number: int = 1, text: str = "I did all of it.") -> e.StatementGiven:
    return e.StatementGiven(assignment_id=who.slot, tester_id=who.id, number=number, text=SealedText(text))


def resolved(*people: Person, remaining: int = 0, note: str | None = None) -> e.Resolved:
    verdicts = tuple(e.Verdict(assignment_id=who.slot, tester_id=who.id, note=sealed(note)) for who in people)
    return e.Resolved(verdicts=verdicts, remaining=remaining)


def a_settled_job(*people: Person, pay: int = 300) -> tuple[e.JobEvent, ...]:
    """As many slots as people, all of them completed, waiting for approval."""
    slots = len(people)
    cost = slots * (pay + fee_cents(pay, FEE_BASIS_POINTS))
    return (
        *an_active_job(slots, pay),
        *done_by(*people, payout=pay),
        settled(cost, 0, e.ClosedReason.ALL_COMPLETED),
    )


def a_disputed_job(*people: Person, pay: int = 300) -> tuple[e.JobEvent, ...]:
    """The same, with every tester disputed."""
    return (*a_settled_job(*people, pay=pay), disputed(*(claim_on(who) for who in people), low_quality=True))


def a_job_that_is(phase: Phase) -> tuple[e.JobEvent, ...]:
    """A job in each phase of its life: nobody at work but Alice in a closing one; Alice and Bob done when settling."""
    posted, over = an_active_job(), a_settled_job(ALICE, BOB)
    everybody = a_disputed_job(ALICE, BOB)
    verdict = (resolved(ALICE, BOB), granted_to(ALICE), granted_to(BOB))
    return {
        Phase.ACTIVE: posted,
        Phase.PAUSED: (*posted, e.Paused()),
        Phase.CLOSING: (*posted, taken_by(ALICE), stopped()),
        Phase.CANCELLED: (*posted, cancelled(1950)),
        Phase.PENDING_APPROVAL: over,
        Phase.APPROVED: (*over, e.Approved(), granted_to(ALICE), granted_to(BOB)),
        Phase.DISPUTED: everybody,
        Phase.RESOLVED: (*everybody, *verdict),
    }[phase]


# What may be asked


def take_by(who: Person, accepts_legal_agreements: bool = False) -> c.TakeSlot:
    return c.TakeSlot(
        assignment_id=who.slot,
        tester_id=who.id,
        tester_public_id=who.public_id,
        accepts_legal_agreements=accepts_legal_agreements,
    )


def start_by(who: Person) -> c.StartTask:
    return c.StartTask(assignment_id=who.slot)


def submit_by(who: Person, answers: dict[str, Any] | None = None, proof_matches: bool | None = None) -> c.SubmitTask:
    return c.SubmitTask(
        assignment_id=who.slot,
        answers=ANSWERS if answers is None else answers,
        sealed_answers=SEALED_ANSWERS,
        proof_matches=proof_matches,
    )


def return_by(who: Person) -> c.ReturnSlot:
    return c.ReturnSlot(assignment_id=who.slot)


def grant(who: Person, payout: int, fee: int | None = None, note: str | None = None) -> c.Resolution:
    return c.Resolution(assignment_id=who.slot, payout_cents=payout, fee_cents=fee, note=sealed(note))


def state_by(who: Person, text: str = "I did all of it.") -> c.GiveStatement:
    return c.GiveStatement(assignment_id=who.slot, text=SealedText(text))


def resolve(*resolutions: c.Resolution) -> c.ResolveDispute:
    return c.ResolveDispute(resolutions=resolutions)


def reservation_of(who: Person, due_at: Instant = NOW + RESERVATION) -> c.PassDeadline:
    return c.PassDeadline(deadline=Deadline(due_at, DeadlineKind.RESERVATION, who.slot))


def hard_limit_of(who: Person, due_at: Instant = NOW + 30 * MINUTE) -> c.PassDeadline:
    return c.PassDeadline(deadline=Deadline(due_at, DeadlineKind.HARD_LIMIT, who.slot))


def posting_end(due_at: Instant = NOW + 60 * MINUTE) -> c.PassDeadline:
    return c.PassDeadline(deadline=Deadline(due_at, DeadlineKind.POSTING_END))


def auto_approval(due_at: Instant = NOW + DAY) -> c.PassDeadline:
    return c.PassDeadline(deadline=Deadline(due_at, DeadlineKind.AUTO_APPROVAL))


# As it lies in the log


def recorded(event: Any, stream: UUID = JOB_ID, version: int = 1, at: Instant = NOW) -> Recorded[Any]:
    return Recorded(
        stream=stream,
        version=version,
        position=version,
        event_id=UUID(int=0xF000 + version),
        occurred_at=at,
        recorded_at=at,
        actor=SYSTEM,
        request_id=None,
        correlation_id=UUID(int=0xF000),
        causation_id=None,
        event=event,
    )
