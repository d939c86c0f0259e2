"""The demo's story: who asks what over HTTP, and what must be answered, to the cent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from domain.access.events import Role
from domain.times import DAY, MINUTE, Instant
from projections.times import iso

OLGA, OMAR = "Olga", "Omar"
ADA, BEN, CLEO, DAN, EVE = TESTERS = ("Ada", "Ben", "Cleo", "Dan", "Eve")
CAST: Sequence[tuple[Role, str]] = (
    (Role.OWNER, OLGA),
    *((Role.TESTER, name) for name in TESTERS),
    (Role.OPERATOR, OMAR),
)

CONTRACT_EXAMPLE: Mapping[str, Any] = {
    "title": "Rate my landing page",
    "targetTesters": 5,
    "category": "web-design",
    "jobPostingTimeLimitMinutes": 60,
    "paymentRules": [{"type": "fixed", "amountCents": 300}],
    "variants": [
        {
            "description": "Visit the landing page and rate the design.",
            "url": "https://example.com/landing",
            "targetTestersMin": 5,
            "feedbackQuestions": [
                {"id": "rating", "questionMarkdown": "Rate the overall design", "inputType": "star_rating"}
            ],
        }
    ],
}
DEARER = {**CONTRACT_EXAMPLE, "paymentRules": [{"type": "fixed", "amountCents": 500}]}

BOUGHT_CENTS = 20_000
WORK = {DAN: (2, 1), EVE: (3, 5), ADA: (5, 5), BEN: (6, 3), CLEO: (8, 4)}
"""Each tester's minutes and rating in the first job, in the order of handing in."""


class DemoFailed(Exception):
    """The story can't be told, or did not go as it must; the sentence says what and where."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody's id, and the key to ask with."""

    id: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was asked, what there is to say of it, and the part of the answer that was checked."""

    who: str
    method: str
    path: str
    remark: str
    status: int
    answered: Mapping[str, Any]


Send = Callable[[str, str, str, Any], tuple[int, Any]]
"""Key, method, path and body to status and body."""


class Audience(Protocol):
    """Who is told how the story goes."""

    def heading(self, title: str) -> None: ...
    def exchange(self, exchange: Exchange) -> None: ...


class Stage:
    """Asks in somebody's name, holds each answer against what it must be, and tells both.

    ``names`` gets a name for each id that turns up.
    """

    def __init__(self, send: Send, people: Mapping[str, Person], names: dict[str, str], audience: Audience) -> None:
        self._send = send
        self._people = people
        self.names = names
        self.audience = audience

    def ask(
        self,
        who: str,
        request: str,
        body: Any = None,
        *,
        remark: str = "",
        status: int = 200,
        must: Mapping[str, Any],
    ) -> Any:
        """The answer, which must have that status and those fields; one within another is named by its path.

        Raises DemoFailed for any other answer.
        """
        method, path = request.split(" ", 1)
        got, answer = self._send(self._people[who].key, method, path, body)
        if got != status:
            raise DemoFailed(f"{who} asked {request} and got {got} where {status} is right: {_at(answer, 'detail')}")
        values = {name: _at(answer, name) for name in must}
        for name, right in must.items():
            if values[name] != right:
                raise DemoFailed(f"{who} asked {request} and got {name} {values[name]!r} where {right!r} is right.")
        self.audience.exchange(Exchange(who, method, path, remark, got, values))
        return answer

    def id_of(self, name: str) -> str:
        return self._people[name].id


def _at(answer: Any, path: str) -> Any:
    """A value within an answer; null where there is none."""
    for step in path.split("/"):
        try:
            answer = answer[int(step) if isinstance(answer, list) else step]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return answer


def perform(stage: Stage) -> None:
    """The whole story. Raises DemoFailed at the first answer that is not as it must be."""
    stage.audience.heading("1. Five testers rate a landing page; the owner disputes two of them")
    _buy_credits(stage)
    _play_the_disputed_job(stage)
    stage.audience.heading("2. A job is made larger, stopped early, and approved by the clock")
    _play_the_stopped_job(stage)
    stage.audience.heading("3. A tester is paid out, and the owner looks at the bill")
    _play_the_end(stage)


def _buy_credits(stage: Stage) -> None:
    stage.ask(
        OLGA,
        "POST /owner/billing/add-credits",
        {"amountCents": BOUGHT_CENTS},
        remark=f"buys {BOUGHT_CENTS}",
        status=201,
        must={"balanceCents": BOUGHT_CENTS, "heldCents": 0},
    )


def _play_the_disputed_job(stage: Stage) -> None:
    job, now = _create(stage, "job-1", CONTRACT_EXAMPLE, "the contract's example: 5 x (300 + 30 % fee)", 1_950)
    assignments = {tester: _take(stage, job, tester) for tester in TESTERS}
    now = start = _pass_time(stage, now, 1)
    for tester in TESTERS:
        _start(stage, tester, assignments[tester])
    for tester, (minutes, rating) in WORK.items():
        now = _pass_time(stage, now, minutes - (now - start) // MINUTE)
        _submit(stage, tester, assignments[tester], rating, minutes=minutes, payout_cents=300)
    _see_that_settlement_began(stage, job, now)
    _dispute(stage, job)
    _resolve(stage, job, assignments)


def _see_that_settlement_began(stage: Stage, job: str, now: Instant) -> None:
    stage.ask(
        OLGA,
        f"GET /jobs/{job}",
        remark="all handed in: settlement began by itself",
        must={
            "status": "completed",
            "settlementStatus": "pending_approval",
            "settlementDeadline": iso(now + DAY),
            "targetTesters": 5,
            "escrowHoldCents": 1_950,
            "variants/0/assignmentCount": 5,
            "variants/0/completedCount": 5,
        },
    )


def _dispute(stage: Stage, job: str) -> None:
    claims = (DAN, "low_quality", "Single-word answers"), (EVE, "off_topic", "Rates another page")
    stage.ask(
        OLGA,
        f"POST /owner/jobs/{job}/dispute",
        {
            "lowQuality": True,
            "offTopic": True,
            "testers": [
                {"testerUserId": stage.id_of(tester), "category": category, "description": description}
                for tester, category, description in claims
            ],
        },
        remark="; ".join(f'{tester} {category} "{description}"' for tester, category, description in claims),
        must={"ok": True, "settlementStatus": "disputed"},
    )
    stage.ask(
        OLGA,
        f"GET /owner/jobs/{job}/settlement",
        remark="the other three are paid; 2 x 390 wait",
        must={"escrowHoldCents": 1_950, "escrowBalanceCents": 780},
    )


def _resolve(stage: Stage, job: str, assignments: Mapping[str, str]) -> None:
    """Of Dan's 390, 195 go back; of Eve's all."""
    stage.ask(
        OMAR,
        "GET /operator/disputes?status=open",
        remark="the first claim of the first dispute",
        must={
            "data/0/jobId": job,
            "data/0/assignments/0/assignmentId": assignments[DAN],
            "data/0/assignments/0/earnedCents": 300,
            "data/0/assignments/0/earnedFeeCents": 90,
        },
    )
    stage.ask(
        OMAR,
        f"POST /operator/jobs/{job}/resolve",
        {
            "resolutions": [
                {"assignmentId": assignments[DAN], "payoutCents": 150, "note": "half done"},
                {"assignmentId": assignments[EVE], "payoutCents": 0, "note": "wrong page"},
            ]
        },
        remark="half for Dan, 150; nothing for Eve",
        must={"ok": True, "settlementStatus": "resolved", "remaining": 0},
    )
    stage.ask(
        OLGA,
        f"GET /jobs/{job}",
        remark="1950 - 195 - 390 refunded",
        must={"settlementStatus": "resolved", "escrowHoldCents": 1_365, "escrowBalanceCents": 0},
    )


def _play_the_stopped_job(stage: Stage) -> None:
    job, now = _create(stage, "job-2", DEARER, "the same for 500: 5 x (500 + 30 % fee)", 3_250)
    _resize(stage, job)
    assignment = _take(stage, job, BEN)
    _start(stage, BEN, assignment)
    now = _pass_time(stage, now, 4)
    _submit(stage, BEN, assignment, rating=2, minutes=4, payout_cents=500)
    _stop(stage, job)
    _pass_time(stage, now, DAY // MINUTE)
    stage.ask(
        OLGA,
        f"GET /jobs/{job}",
        remark="nobody objected: approved by the clock",
        must={"settlementStatus": "approved", "escrowHoldCents": 650, "escrowBalanceCents": 0},
    )


def _resize(stage: Stage, job: str) -> None:
    stage.ask(
        OLGA,
        f"POST /owner/jobs/{job}/resize",
        {"targetTesters": 10},
        remark="from 5 testers to 10",
        must={
            "previousTargetTesters": 5,
            "newTargetTesters": 10,
            "previousEscrowHoldCents": 3_250,
            "newEscrowHoldCents": 6_500,
            "escrowDeltaCents": 3_250,
        },
    )


def _stop(stage: Stage, job: str) -> None:
    stage.ask(OLGA, f"POST /owner/jobs/{job}/stop", remark="nobody is at work", must={"status": "completed"})
    stage.ask(
        OLGA,
        f"GET /owner/jobs/{job}/settlement",
        remark="1 x 650 waits, 9 x 650 are free again",
        must={"settlementStatus": "pending_approval", "escrowHoldCents": 650, "escrowBalanceCents": 650},
    )


def _play_the_end(stage: Stage) -> None:
    stage.ask(
        BEN,
        "GET /tester/wallet",
        remark="300 of job-1 and 500 of job-2",
        must={"payableCents": 800, "pendingCents": 0, "paidOutCents": 0},
    )
    withdrawn = stage.ask(
        BEN,
        "POST /tester/wallet/withdrawals",
        {"amountCents": 500},
        remark="takes out 500",
        status=201,
        must={"amountCents": 500, "payableCents": 300},
    )
    stage.names[withdrawn["id"]] = "no. 1"
    stage.ask(
        OLGA,
        "GET /owner/billing",
        remark=f"{BOUGHT_CENTS} - 1365 of job-1 - 650 of job-2",
        must={"balanceCents": 17_985, "heldCents": 0},
    )


def _create(stage: Stage, name: str, body: Mapping[str, Any], remark: str, hold_cents: int) -> tuple[str, Instant]:
    """The id of a new job, which gets a name, and when that was."""
    must = {"status": "active", "escrowHoldCents": hold_cents}
    created = stage.ask(OLGA, "POST /jobs", body, remark=remark, status=201, must=must)
    stage.names[created["id"]] = name
    return created["id"], round(datetime.fromisoformat(created["createdAt"]).timestamp() * 1_000)


def _take(stage: Stage, job: str, tester: str) -> str:
    """The id of a new assignment, which gets a name: Ada-1 is Ada's in job-1."""
    must = {"status": "pending"}
    taken: str = stage.ask(tester, f"POST /tester/jobs/{job}/assignments", status=201, must=must)["id"]
    stage.names[taken] = f"{tester}-{stage.names[job].removeprefix('job-')}"
    return taken


def _start(stage: Stage, tester: str, assignment: str) -> None:
    stage.ask(tester, f"POST /tester/assignments/{assignment}/start", must={"status": "started"})


def _submit(stage: Stage, tester: str, assignment: str, rating: int, *, minutes: int, payout_cents: int) -> None:
    stage.ask(
        tester,
        f"POST /tester/assignments/{assignment}/submit",
        {"answers": {"rating": rating}},
        remark=f"rating {rating}",
        must={"status": "completed", "durationMinutes": minutes, "payoutCents": payout_cents},
    )


def _pass_time(stage: Stage, now: Instant, minutes: int) -> Instant:
    """Move the sandbox's clock, which stands still otherwise; where it stands then."""
    remark = f"{minutes} min pass" if minutes < 60 else f"{minutes // 60} h pass"
    now += minutes * MINUTE
    stage.ask(OMAR, "POST /sandbox/clock", {"advanceSeconds": minutes * 60}, remark=remark, must={"now": iso(now)})
    return now
