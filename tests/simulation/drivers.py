"""Two ways of asking the platform the same things: its service in this process, and its server over HTTP."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar
from uuid import NAMESPACE_OID, UUID, uuid5

import msgspec

from api.http.schemas.disputes import DisputeBody
from api.http.schemas.jobs import CreateJobBody
from api.service import jobs as owners
from api.service import tester as testers
from api.service.committer import Reply
from api.service.reads import JobFilter, Page
from api.service.work import Context, UseCase
from domain.errors import Refusal
from domain.job import commands as c
from domain.job.validity import terms_problems
from domain.recorded import CONSOLE
from tests.local import HandClock, Key, Local, Where, database
from tests.running import Answer, Client, RunningServer
from tests.simulation.commands import (
    AskJob,
    Buy,
    Command,
    Create,
    Dispute,
    Pay,
    Resize,
    Resolve,
    Return,
    Start,
    State,
    Submit,
    Take,
    Terms,
    Verdict,
    Withdraw,
)

T = TypeVar("T")
Json = dict[str, Any]

OWNERS = ("Olga", "Otto")
TESTERS = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus")
OPERATOR = "Pat"
ALL_AT_ONCE = 50


class Driver(Protocol):
    """What the machine needs of the platform. Answers are what users see; a refusal is its code."""

    tick: int
    """The least step of its clock, in milliseconds."""
    path: Where

    def now(self) -> int: ...
    def move_to(self, instant: int) -> None: ...
    def ask(self, command: Command) -> str | None: ...
    def id_of(self, name: str) -> str: ...
    def billing(self, owner: str) -> Json: ...
    def jobs(self, owner: str) -> list[Json]: ...
    def detail(self, job: str) -> Json: ...
    def settlement(self, job: str) -> Json: ...
    def offered(self, tester: str) -> list[Json]: ...
    def assignments(self, tester: str) -> list[Json]: ...
    def wallet(self, tester: str) -> Json: ...
    def restart(self) -> None: ...
    def close(self) -> None: ...


# What is sent

STATEMENT = "I did all of it."
ANYBODY_BUT = {"field": "country", "op": "in", "values": ["XX"]}


def job_body(title: str, terms: Terms, now: int) -> Json:
    """The contract's body of a job."""
    return {
        "title": title,
        "targetTesters": terms.slots,
        "category": "web-design",
        "jobPostingTimeLimitMinutes": terms.window,
        "paymentRules": [_rule(rule) for rule in terms.pay],
        "variants": [
            {
                "description": f"Version {number}.",
                "url": "https://example.com/landing",
                "targetTestersMin": version.least,
                "targetTestersMax": version.most,
                "feedbackQuestions": [{"id": "rating", "questionMarkdown": "Rate it", "inputType": "star_rating"}],
                "audienceFilters": [ANYBODY_BUT] if version.for_nobody else None,
            }
            for number, version in enumerate(terms.versions)
        ],
        "startsAt": _iso(now + terms.starts_in) if terms.starts_in else None,
        "taskHardTimeLimitMinutes": terms.hard_limit,
        "taskPaidTimeLimitMinutes": terms.paid_limit,
        "legalAgreements": [{"type": "nda"}] if terms.agreement else None,
        "proofOfCompletion": {"method": "password", "password": "right"} if terms.proof else None,
    }


def _rule(rule: Pay) -> Json:
    if rule.per_minute:
        return {"type": "per_minute", "rateCents": rule.cents, "capMinutes": rule.cap}
    return {"type": "fixed", "amountCents": rule.cents}


def _iso(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1_000, UTC).isoformat(timespec="milliseconds")


def dispute_body(it: Dispute, name: Callable[[str], str | int]) -> Json:
    """With testers only where some are listed, else with a flag that concerns all."""
    body: Json = {"testers": [{"testerUserId": name(tester), "category": "low_quality"} for tester in it.testers]}
    if it.platform:
        body |= {"platformIssue": True, "platformIssueDescription": "It broke."}
    if not it.testers:
        body |= {"offTopic": True}
    return body


def answers(rating: int | None) -> Json:
    return {} if rating is None else {"rating": rating}


# In this process


class InProcess:
    """The service over a file, with a clock that is moved by the millisecond. Ids follow from names."""

    tick: int = 1

    def __init__(self, path: Where, clock: HandClock, *, watched: bool = True) -> None:
        """``watched``: the service's own scheduler runs as well."""
        self.path = path
        self.clock = clock
        self._watched = watched
        self._runner = asyncio.Runner()
        self._withdrawals = 0
        self._open()

    def _open(self) -> None:
        self._gateway = database(self.path).gateway()
        self.local = Local(self.path, self.clock, self._gateway)
        self._gateway.now = self.local.committer.now
        self.run(self._start())

    async def _start(self) -> None:
        if self._watched:
            await self.local.service.start()
        else:
            self.local.committer.start()
        await self.local.committer.catch_up()

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(story)

    def restart(self) -> None:
        self.run(self.local.service.close())
        self.local.close()
        self._gateway.close()
        self._open()

    def close(self) -> None:
        self.run(self.local.service.close())
        self.local.close()
        self._gateway.close()
        self._runner.close()

    def now(self) -> int:
        return self.local.committer.now()

    def move_to(self, instant: int) -> None:
        self.clock.at = instant

    def catch_up(self) -> None:
        self.run(self.local.service.catch_up())

    # Names

    def uuid_of(self, name: str) -> UUID:
        return uuid5(NAMESPACE_OID, name)

    def id_of(self, name: str) -> str:
        return str(self.uuid_of(name))

    def assignment_of(self, tester: str, job: str) -> UUID:
        return self.uuid_of(f"{tester} in {job}")

    @staticmethod
    def number_of(tester: str) -> int:
        return 100_000 + TESTERS.index(tester)

    # Commands

    def ask(self, command: Command) -> str | None:
        try:
            self.run(self._asked(command))
        except Refusal as refusal:
            return refusal.code
        return None

    async def _asked(self, command: Command) -> Reply:
        service = self.local.service
        if isinstance(command, Buy):
            return await service.purchases.buy(self.uuid_of(command.owner), command.cents, Context(CONSOLE))
        return await service.command(self._use_case(command), Context(CONSOLE))

    def _use_case(self, command: Command) -> UseCase:
        match command:
            case Create():
                return self._create(command)
            case AskJob(verb, job):
                return owners.command_job(self.uuid_of(job), _VERBS[verb](), owners.status_body)
            case Resize(job, slots):
                return owners.resize_job(self.uuid_of(job), slots)
            case Dispute():
                return self._dispute(command)
            case Resolve(job, verdicts):
                resolutions = tuple(self._resolution(job, verdict) for verdict in verdicts)
                asked = c.ResolveDispute(resolutions=resolutions)
                return owners.resolve_dispute(self.uuid_of(job), asked, [None] * len(resolutions))
            case Withdraw(tester, cents):
                self._withdrawals += 1
                return testers.withdraw(self.uuid_of(tester), self.uuid_of(f"withdrawal {self._withdrawals}"), cents)
            case Take() | Start() | Return() | Submit() | State():
                return self._work(command)
            case Buy():
                raise AssertionError("a purchase is no single use case")

    def _create(self, it: Create) -> UseCase:
        body = CreateJobBody.model_validate_json(json.dumps(job_body(it.job, it.terms, self.now())))
        variant_ids = [self.uuid_of(f"{it.job} version {number}") for number in range(len(body.variants))]
        terms = replace(body.to_terms(variant_ids), proof_hash="$argon2id$" if it.terms.proof else None)
        assert not terms_problems(terms)
        return owners.create_job(self.uuid_of(it.job), self.uuid_of(it.owner), terms)

    def _work(self, it: Take | Start | Return | Submit | State) -> UseCase:
        job_id, assignment_id = self.uuid_of(it.job), self.assignment_of(it.tester, it.job)
        match it:
            case Take(tester, _, accepts):
                taking = c.TakeSlot(
                    assignment_id=assignment_id,
                    tester_id=self.uuid_of(tester),
                    tester_public_id=self.number_of(tester),
                    accepts_legal_agreements=accepts,
                )
                return testers.take_slot(job_id, taking)
            case Start():
                return testers.command_assignment(job_id, c.StartTask(assignment_id=assignment_id))
            case Return():
                return testers.command_assignment(job_id, c.ReturnSlot(assignment_id=assignment_id))
            case Submit(rating=rating, proof=proof):
                return testers.submit_task(job_id, assignment_id, answers(rating), proof)
            case State():
                return testers.give_statement(job_id, assignment_id, STATEMENT)

    def _dispute(self, it: Dispute) -> UseCase:
        said = dispute_body(it, self.number_of if it.by_number else self.id_of)
        body = DisputeBody.model_validate_json(json.dumps(said))
        return owners.dispute_job(self.uuid_of(it.job), body.to_command(), body.words())

    def _resolution(self, job: str, verdict: Verdict) -> c.Resolution:
        assignment_id = self.assignment_of(verdict.tester, job)
        return c.Resolution(assignment_id=assignment_id, payout_cents=verdict.payout, fee_cents=verdict.fee)

    # Reads

    def _read(self, show: Callable[[], T]) -> T:
        self.catch_up()
        return show()

    def billing(self, owner: str) -> Json:
        balance, held = self._read(lambda: self.local.reads.billing(self.uuid_of(owner)))
        return {"balanceCents": balance, "heldCents": held}

    def jobs(self, owner: str) -> list[Json]:
        page = self._read(lambda: self.local.reads.jobs(self.uuid_of(owner), JobFilter(), None, ALL_AT_ONCE))
        return _items(page)

    def detail(self, job: str) -> Json:
        _, pieces = self._read(lambda: self.local.reads.job_detail(self.uuid_of(job)))
        detail: Json = json.loads(b"".join(pieces))
        return detail

    def settlement(self, job: str) -> Json:
        settlement: Json = _plain(self._read(lambda: self.local.reads.settlement(self.uuid_of(job)))[1])
        return settlement

    def offered(self, tester: str) -> list[Json]:
        reads, tester_id = self.local.reads, self.uuid_of(tester)
        page = self._read(lambda: reads.offered_jobs(tester_id, self.now(), None, ALL_AT_ONCE))
        return _items(page)

    def assignments(self, tester: str) -> list[Json]:
        page = self._read(lambda: self.local.reads.tester_assignments(self.uuid_of(tester), None, ALL_AT_ONCE))
        return _items(page)

    def wallet(self, tester: str) -> Json:
        return self._read(lambda: self.local.reads.wallet(self.uuid_of(tester)))


_VERBS: Mapping[str, Callable[[], c.JobCommand]] = {
    "pause": c.PauseJob,
    "resume": c.ResumeJob,
    "stop": c.StopJob,
    "cancel": c.CancelJob,
    "settle": c.SettleJob,
    "approve": c.ApproveJob,
}


def _items(page: Page) -> list[Json]:
    items: list[Json] = _plain(page.items)
    return items


def _plain(answer: object) -> Any:
    """As it is on the wire."""
    return json.loads(msgspec.json.encode(answer))


# Over HTTP


class OverHttp:
    """A real server with its sandbox's clock, which moves by the second."""

    tick: int = 1_000
    _SAID: ClassVar[Mapping[bool, str]] = {True: "right", False: "wrong"}

    def __init__(self, path: Where, folder: Path, keys: Mapping[str, Key]) -> None:
        self.path = path
        self._keys = keys
        self._ids = {name: str(key.id) for name, key in keys.items()}
        self._owner_of: dict[str, str] = {}
        self._server = RunningServer(path, folder)
        self._clients: dict[str, Client] = {}
        self._server.start()

    def restart(self) -> None:
        """Not even told that it ends."""
        self._forget_clients()
        self._server.kill()
        self._server.start()

    def close(self) -> None:
        self._forget_clients()
        self._server.stop()

    def _forget_clients(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients = {}

    def _as(self, name: str) -> Client:
        if name not in self._clients:
            self._clients[name] = self._server.client(self._keys[name].key)
        return self._clients[name]

    def now(self) -> int:
        moved = self._as(OPERATOR).ask("POST", "/sandbox/clock", {"advanceSeconds": 0})
        return round(datetime.fromisoformat(moved.body["now"]).timestamp() * 1_000)

    def move_to(self, instant: int) -> None:
        seconds, rest = divmod(instant - self.now(), self.tick)
        assert not rest
        moved = self._as(OPERATOR).ask("POST", "/sandbox/clock", {"advanceSeconds": seconds})
        assert moved.status == 200, moved.body

    def id_of(self, name: str) -> str:
        return self._ids[name]

    # Commands

    def ask(self, command: Command) -> str | None:
        answer = self._asked(command)
        if answer.status >= 400:
            code: str = answer.body["code"]
            return code
        self._remember(command, answer)
        return None

    def _remember(self, command: Command, answer: Answer) -> None:
        if isinstance(command, Create):
            self._ids[command.job] = answer.body["id"]
            self._owner_of[command.job] = command.owner
        if isinstance(command, Take):
            self._ids[f"{command.tester} in {command.job}"] = answer.body["id"]

    def _asked(self, command: Command) -> Answer:
        match command:
            case Buy(owner, cents):
                return self._as(owner).ask("POST", "/owner/billing/add-credits", {"amountCents": cents})
            case Create(owner, job, terms):
                return self._as(owner).ask("POST", "/jobs", job_body(job, terms, self.now()))
            case AskJob(verb, job):
                return self._ask_job(job, verb)
            case Resize(job, slots):
                return self._ask_job(job, "resize", {"targetTesters": slots})
            case Dispute():
                body = dispute_body(command, self._number_of if command.by_number else self.id_of)
                return self._ask_job(command.job, "dispute", body)
            case Resolve(job, verdicts):
                said = [
                    {"assignmentId": self._assignment(v.tester, job), "payoutCents": v.payout, "feeCents": v.fee}
                    for v in verdicts
                ]
                path = f"/operator/jobs/{self.id_of(job)}/resolve"
                return self._as(OPERATOR).ask("POST", path, {"resolutions": said})
            case Withdraw(tester, cents):
                return self._as(tester).ask("POST", "/tester/wallet/withdrawals", {"amountCents": cents})
            case Take(tester, job, accepts):
                path = f"/tester/jobs/{self.id_of(job)}/assignments"
                return self._as(tester).ask("POST", path, {"acceptLegalAgreements": accepts})
            case Start(tester, job):
                return self._ask_assignment(tester, job, "start")
            case Return(tester, job):
                return self._ask_assignment(tester, job, "return")
            case Submit(tester, job, rating, proof):
                handed_in = {"answers": answers(rating), "proofValue": None if proof is None else self._SAID[proof]}
                return self._ask_assignment(tester, job, "submit", handed_in)
            case State(tester, job):
                return self._ask_assignment(tester, job, "statement", {"text": STATEMENT})

    def _ask_job(self, job: str, verb: str, body: Json | None = None) -> Answer:
        return self._as(self._owner_of[job]).ask("POST", f"/owner/jobs/{self.id_of(job)}/{verb}", body)

    def _ask_assignment(self, tester: str, job: str, verb: str, body: Json | None = None) -> Answer:
        return self._as(tester).ask("POST", f"/tester/assignments/{self._assignment(tester, job)}/{verb}", body)

    def _assignment(self, tester: str, job: str) -> str:
        return self._ids.get(f"{tester} in {job}", self.id_of(job))

    def _number_of(self, tester: str) -> int:
        number = self._keys[tester].public_id
        assert number is not None
        return number

    # Reads

    def _read(self, name: str, path: str) -> Any:
        answer = self._as(name).ask("GET", path)
        assert answer.status == 200, answer.body
        return answer.body

    def billing(self, owner: str) -> Json:
        billing: Json = self._read(owner, "/owner/billing")
        assert billing["totalCents"] == billing["balanceCents"] + billing["heldCents"]
        return {name: billing[name] for name in ("balanceCents", "heldCents")}

    def jobs(self, owner: str) -> list[Json]:
        return self._items(owner, f"/jobs?limit={ALL_AT_ONCE}")

    def detail(self, job: str) -> Json:
        detail: Json = self._read(self._owner_of[job], f"/jobs/{self.id_of(job)}")
        return detail

    def settlement(self, job: str) -> Json:
        settlement: Json = self._read(self._owner_of[job], f"/owner/jobs/{self.id_of(job)}/settlement")
        return settlement

    def offered(self, tester: str) -> list[Json]:
        return self._items(tester, f"/tester/jobs?limit={ALL_AT_ONCE}")

    def assignments(self, tester: str) -> list[Json]:
        return self._items(tester, f"/tester/assignments?limit={ALL_AT_ONCE}")

    def _items(self, name: str, path: str) -> list[Json]:
        page: Json = self._read(name, path)
        assert page["next"] is None
        items: list[Json] = page["data"]
        return items

    def wallet(self, tester: str) -> Json:
        wallet: Json = self._read(tester, "/tester/wallet")
        return wallet
