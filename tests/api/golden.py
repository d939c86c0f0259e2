"""One example of every stored event form, kept as a file for ever: what is in `tests/golden` was released once.

`python -m tests.api.golden` writes the forms that have no file yet; it never changes one that is there. A file is
`NAME.NUMBER.json` and holds exactly the stored bytes. A field that is added with a default makes a further number.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from api.store.mapper import to_recorded, to_state
from domain.access import events as access
from domain.access.events import Role
from domain.books import events as books
from domain.catalogue import EVENTS, NAMES
from domain.credits import events as credits
from domain.job import events as job
from domain.job import terms as t
from domain.recorded import Actor, ActorKind, Recorded
from domain.sealed import SealedText
from domain.tester import events as wallet
from domain.times import DAY, HOUR, MINUTE
from tests.given import NOW

FOLDER = Path(__file__).parents[1] / "golden"

OWNER, TESTER, OTHER_TESTER, JOB = UUID(int=0xA1), UUID(int=0xC1), UUID(int=0xC2), UUID(int=0xB1)
ASSIGNMENT, OTHER_ASSIGNMENT = UUID(int=0xD1), UUID(int=0xD2)
VARIANT, OTHER_VARIANT = UUID(int=0xE1), UUID(int=0xE2)
PURCHASE, KEY, STREAM = UUID(int=0xF1), UUID(int=0xF2), UUID(int=0xF3)

FILE = "ab" * 32

QUESTIONS = (
    t.FeedbackQuestion(id="rating", question_markdown="Rate it", input_type=t.InputType.STAR_RATING),
    t.FeedbackQuestion(
        id="why",
        question_markdown="Why?",
        input_type=t.InputType.MULTIPLE_CHOICE,
        required=False,
        options=(t.Option(label="Ugly", value="ugly"), t.Option(label="None", value="none", exclusive=True)),
        multi_select=True,
        display_condition=t.DisplayCondition(question_id="rating", op="not_in", values=("4", "5")),
    ),
    t.FeedbackQuestion(id="side", question_markdown="Side", input_type=t.InputType.SWITCH, labels=("left", "right")),
    t.FeedbackQuestion(id="cost", question_markdown="Worth?", input_type=t.InputType.DECIMAL, min=0, max=99.5),
)

VARIANTS = (
    t.Variant(id=VARIANT, description="Visit it.", feedback_questions=QUESTIONS, target_testers_min=2),
    t.Variant(
        id=OTHER_VARIANT,
        description="# Visit *it*",
        description_mime_type="text/markdown",
        feedback_questions=(),
        target_testers_min=0,
        target_testers_max=3,
        url="https://example.com/ä",
        placement=t.Placement(element="iframe", position="top", reveal_questions_during_test=True),
        screen_capture=(
            t.ScreenCaptureRule(type="scheduled", interval_seconds=5),
            t.ScreenCaptureRule(type="testerTriggered", min=1, max=2),
        ),
        audience_filters=(
            t.AudienceFilter(field="country", op="in", values=("DE", 7)),
            t.AudienceFilter(field="age", op="between", min=18, max=99),
        ),
        tech_constraints=(t.TechConstraint(category="os", rule="only", values=("linux",)),),
    ),
)

TERMS = t.Terms(
    title="Rate my “landing” page",
    target_testers=5,
    category="web-design",
    posting_window_minutes=60,
    payment_rules=(
        t.PaymentRule(type=t.PayKind.FIXED, amount_cents=300),
        t.PaymentRule(type=t.PayKind.PER_MINUTE, rate_cents=10, cap_minutes=20),
    ),
    variants=VARIANTS,
    pricing=t.Pricing(fee_basis_points=3_000, review_window_seconds=86_400, reservation_seconds=600),
    description="All of it.",
    description_mime_type="text/markdown",
    project_id=UUID(int=0x99),
    project_testers_only=True,
    starts_at=NOW + HOUR,
    hard_limit_minutes=45,
    paid_limit_minutes=30,
    legal_agreements=(t.LegalAgreement(type="nda", version="2", agreement_id="x"), t.LegalAgreement(type="terms")),
    proof_hash="$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
)

EXAMPLES: tuple[Any, ...] = (
    job.Created(owner_id=OWNER, terms=TERMS, hold_cents=3_250, posting_ends_at=NOW + 2 * HOUR),
    job.Paused(),
    job.Resumed(),
    job.Stopped(cause=job.StopCause.POSTING_ENDED),
    job.Resized(
        owner_id=OWNER,
        previous_target=5,
        target=8,
        held_cents=1_950,
        released_cents=0,
        maxima={VARIANT: 5, OTHER_VARIANT: 3},
    ),
    job.Cancelled(owner_id=OWNER, released_cents=1_950, reason=job.ClosedReason.ALL_TIMED_OUT),
    job.Settled(
        owner_id=OWNER,
        hold_cents=780,
        released_cents=1_170,
        reason=job.ClosedReason.NO_ACTIVE_TESTERS,
        deadline=NOW + DAY,
    ),
    job.Approved(),
    job.Disputed(
        owner_id=OWNER,
        flags=job.Flags(low_quality=True, billing_discrepancy=True),
        platform_issue_description=None,
        billing_discrepancy_description=SealedText("VG9vIG11Y2gu"),
        claims=(
            job.Claim(
                assignment_id=ASSIGNMENT,
                tester_id=TESTER,
                category="off_topic",
                description=SealedText("Tm90IGFib3V0IGl0Lg=="),
            ),
            job.Claim(assignment_id=OTHER_ASSIGNMENT, tester_id=OTHER_TESTER, category=None, description=None),
        ),
    ),
    job.StatementGiven(
        assignment_id=ASSIGNMENT, tester_id=TESTER, number=2, text=SealedText("SSBkaWQgYWxsIG9mIGl0Lg==")
    ),
    job.Resolved(
        verdicts=(
            job.Verdict(assignment_id=ASSIGNMENT, tester_id=TESTER, note=SealedText("aGFsZiBkb25l")),
            job.Verdict(assignment_id=OTHER_ASSIGNMENT, tester_id=OTHER_TESTER, note=None),
        ),
        remaining=1,
    ),
    job.SlotTaken(
        assignment_id=ASSIGNMENT,
        tester_id=TESTER,
        tester_public_id=100_001,
        variant_id=VARIANT,
        reserved_until=NOW + 10 * MINUTE,
    ),
    job.TaskStarted(assignment_id=ASSIGNMENT, tester_id=TESTER, started_at=NOW, hard_deadline=NOW + 45 * MINUTE),
    job.ProofRejected(assignment_id=ASSIGNMENT, tester_id=TESTER),
    job.TaskCompleted(
        assignment_id=ASSIGNMENT,
        tester_id=TESTER,
        completed_at=NOW + 8 * MINUTE,
        answers=SealedText("eyJyYXRpbmciOjR9"),
        duration_minutes=8,
        payout_cents=380,
        fee_cents=114,
    ),
    job.SlotReturned(assignment_id=ASSIGNMENT, tester_id=TESTER),
    job.ReservationExpired(assignment_id=ASSIGNMENT, tester_id=TESTER),
    job.TaskTimedOut(assignment_id=ASSIGNMENT, tester_id=TESTER),
    job.AssignmentCancelled(assignment_id=ASSIGNMENT, tester_id=TESTER),
    job.PayoutGranted(assignment_id=ASSIGNMENT, tester_id=TESTER, owner_id=OWNER, payout_cents=380, fee_cents=114),
    job.Refunded(assignment_id=ASSIGNMENT, tester_id=TESTER, owner_id=OWNER, payout_cents=80, fee_cents=24),
    credits.PurchaseStarted(purchase_id=PURCHASE, amount_cents=2_500),
    credits.PurchaseCompleted(purchase_id=PURCHASE, amount_cents=2_500, reference="sandbox-1"),
    credits.PurchaseFailed(purchase_id=PURCHASE, reason="the card was declined"),
    credits.Held(job_id=JOB, amount_cents=1_950),
    credits.Released(job_id=JOB, amount_cents=1_170),
    credits.ChargedBack(
        purchase_id=PURCHASE, reference="txn_2", credits_cents=500, receivable_cents=2_000, dated_at=NOW - DAY
    ),
    credits.PurchaseRefunded(
        purchase_id=PURCHASE, reference="txn_3", credits_cents=500, receivable_cents=0, dated_at=NOW - DAY
    ),
    wallet.Withdrawn(withdrawal_id=PURCHASE, amount_cents=200),
    wallet.TakenBack(withdrawal_id=PURCHASE, amount_cents=200),
    access.Registered(principal_id=TESTER, role=Role.TESTER, name="Ada", public_id=100_001),
    access.KeyIssued(key_id=KEY, key_hash="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    access.KeyRevoked(key_id=KEY),
    access.Forgotten(principal_id=TESTER),
    books.GatewayLineBooked(
        reference="txn_1",
        category="charge",
        gross_cents=2_500,
        fee_cents=103,
        fee_returned_cents=0,
        reversed_cents=0,
        purchase_id=PURCHASE,
        owner_id=OWNER,
        payout_id="po_1",
        dated_at=NOW - DAY,
        statement=FILE,
    ),
    books.GatewayPaidOut(payout_id="po_1", reference="txn_2", amount_cents=2_397, dated_at=NOW - DAY, statement=FILE),
    books.GatewayPayoutReturned(
        payout_id="po_1", reference="txn_3", amount_cents=2_397, dated_at=NOW - DAY, statement=FILE
    ),
    books.GatewayPayoutArrived(
        payout_id="po_1", amount_cents=2_397, bank_reference="B1", dated_at=NOW - DAY, statement=FILE
    ),
    books.PayoutSettled(
        withdrawal_id=PURCHASE,
        tester_id=TESTER,
        amount_cents=200,
        bank_reference="B2",
        dated_at=NOW - DAY,
        statement=FILE,
    ),
    books.PayoutReturned(
        withdrawal_id=PURCHASE,
        tester_id=TESTER,
        amount_cents=200,
        bank_reference="B3",
        dated_at=NOW - DAY,
        statement=FILE,
    ),
    books.Reconciled(
        begins=NOW - DAY,
        as_of=NOW,
        known_at=None,
        timezone="Europe/Berlin",
        statements=(books.StatementFile(name="bank.xml", sha256=FILE, lines=40, of_bank=True),),
        position=6,
        tree_root="00" * 32,
        ends_at=NOW,
        is_clean=False,
        breaks=(
            books.FoundBreak(
                category="unknown_at_bank",
                remedy=books.Remedy.ADJUST,
                key="bank:B7",
                ordinal=0,
                subject="B7 (bank.xml, line 40)",
                detail="a movement that names neither a withdrawal nor a payout",
                difference_cents=-12,
                account=books.AdjustedAccount.BANK,
                positions=(3, 4),
                since=NOW - HOUR,
            ),
            books.FoundBreak(
                category="version_gap",
                remedy=books.Remedy.ADJUST,
                key="version_gap:log:5",
                ordinal=1,
                subject="log",
                detail="there is no event at this position",
                difference_cents=0,
                account=None,
                positions=(),
                since=None,
            ),
        ),
        breaks_total=2,
        evidence='{"counts":{"events":6}}',
    ),
    books.AdjustmentProposed(
        run_id=STREAM,
        number=1,
        operator_id=OTHER_TESTER,
        reason="the bank's own fee",
        key="bank:B7",
        account=books.AdjustedAccount.BANK,
        difference_cents=-12,
    ),
    books.Adjusted(
        run_id=STREAM,
        number=1,
        operator_id=TESTER,
        proposed_by=OTHER_TESTER,
        key="bank:B7",
        account=books.AdjustedAccount.BANK,
        difference_cents=-12,
        dated_at=NOW - DAY,
    ),
    books.MonthClosed(
        month="2024-12",
        timezone="UTC",
        begins_at=NOW - 45 * DAY,
        ends_at=NOW - 14 * DAY,
        position=6,
        tree_root="00" * 32,
    ),
)
"""What the newest file of each name says."""


def recorded(event: Any) -> Recorded[Any]:
    """An example in its envelope."""
    return Recorded(
        stream=STREAM,
        version=3,
        position=7,
        event_id=UUID(int=0x1),
        occurred_at=NOW,
        recorded_at=NOW + 250,
        actor=Actor(ActorKind.OWNER, OWNER, KEY),
        request_id="a-request",
        correlation_id=UUID(int=0x2),
        causation_id=UUID(int=0x3),
        event=event,
    )


def read(file: Path) -> Recorded[Any]:
    """A golden file as the program reads what is stored."""
    return to_recorded(STREAM, 3, 7, name_of(file), stored(file))


def stored(file: Path) -> bytes:
    return file.read_bytes().removesuffix(b"\n")


def name_of(file: Path) -> str:
    """`job.created` of `job.created.1.json`."""
    return file.name.rsplit(".", 2)[0]


def files() -> Mapping[str, list[Path]]:
    """The files of each event's name, the oldest form first."""
    found: dict[str, list[Path]] = {name: [] for name in EVENTS}
    for file in sorted(FOLDER.glob("*.json"), key=lambda file: int(file.name.rsplit(".", 2)[1])):
        found[name_of(file)].append(file)
    return found


def missing() -> Iterator[tuple[Path, bytes]]:
    """Forms that the program writes and that no file has, with where they belong."""
    for example in EXAMPLES:
        name, state = NAMES[type(example)], to_state(recorded(example))
        kept = files()[name]
        if state not in map(stored, kept):
            yield FOLDER / f"{name}.{len(kept) + 1}.json", state


def main() -> None:
    """Write what is missing."""
    FOLDER.mkdir(exist_ok=True)
    for file, state in list(missing()):
        file.write_bytes(state + b"\n")
        print(f"wrote {file}")


if __name__ == "__main__":
    main()
