"""Reconciliations over HTTP: run beside the commands, kept as evidence, and settled by two operators."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from api.service import reconciliations
from api.service.access import register_with_key
from api.service.credits import rehearse_purchase
from api.service.reconciliations import Reconciliations, StatementText, confirm, keep_run, propose
from api.service.refusals import Overloaded, Unavailable
from api.store.sql_snapshot import SQLReplays
from domain.access.events import Role
from domain.errors import InvalidState
from domain.recorded import Actor, ActorKind
from projections.reconcile.period import Period
from projections.reconcile.statement import COLUMNS
from tests.api.asker import Asker, bearer
from tests.api.server import Client, Json, Platform, Unchanged, a_key, done, refused, wrong_fields
from tests.local import Local, Where, database, query, run
from tests.simulation.outside import BankLine, camt_053

HEADER = ",".join(COLUMNS) + "\r\n"


def unknown_charge(platform: Platform, cents: str = "12.34") -> tuple[str, Json]:
    """A charge of which nobody knows, as a request that compares it alone."""
    now = platform.pass_time(seconds=1)
    created = datetime.fromisoformat(now).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    name = f"txn_{uuid4().hex}"
    line = f",,{name},{created},{created},usd,{cents},0.30,{_less(cents)},charge,ch_1,,{uuid4()}\r\n"
    return name, {"from": now, "statements": [{"name": "october.csv", "content": HEADER + line}]}


def _less(cents: str) -> str:
    rest = int(cents.replace(".", "")) - 30
    return f"{rest // 100}.{rest % 100:02d}"


def found(operator: Client, run: Json, name: str) -> Json:
    page = done(operator.get(f"/operator/reconciliations/{run['id']}/breaks", limit=50))
    one: Json = next(one for one in page["data"] if name in one["subject"])
    return one


@pytest.fixture
def second(platform: Platform) -> Client:
    return platform.somebody("operator")


def test_a_run_is_kept_with_its_evidence(platform: Platform, operator: Client) -> None:
    name, asked = unknown_charge(platform)
    made = operator.post("/operator/reconciliations", asked)
    run = done(made, 201)
    assert made.headers["location"] == f"/operator/reconciliations/{run['id']}"
    assert run["createdBy"] == {"kind": "operator", "id": operator.id}
    assert (run["clean"], run["from"], run["asOf"], run["timezone"]) == (False, asked["from"], None, "UTC")
    assert [(one["name"], one["lines"]) for one in run["statements"]] == [("october.csv", 2)]
    assert run["evidence"]["counts"]["breaks"] == run["breaks"] > 0
    assert {row["kind"] for row in run["evidence"]["rollForward"]} >= {"bank", "platform:adjustments"}
    assert done(operator.get(f"/operator/reconciliations/{run['id']}")) == run
    listed = done(operator.get("/operator/reconciliations", limit=1))
    assert listed["data"] == [{key: value for key, value in run.items() if key != "evidence"}]
    assert found(operator, run, name) == found(operator, run, name) | {
        "category": "unknown_at_gateway",
        "remedy": "adjust",
        "account": "gateway:clearing",
        "amountCents": 1234,
        "status": "open",
    }


def test_one_operator_proposes_another_confirms_and_the_break_is_gone(
    platform: Platform, operator: Client, second: Client
) -> None:
    name, asked = unknown_charge(platform)
    run = done(operator.post("/operator/reconciliations", asked), 201)
    at = f"/operator/reconciliations/{run['id']}/breaks/{found(operator, run, name)['number']}"
    refused(second.post(f"{at}/confirm"), 409, "invalid_state")
    proposed = done(operator.post(f"{at}/propose", {"reason": " a test payment of the gateway's "}))
    assert proposed == proposed | {
        "status": "proposed",
        "amountCents": 1234,
        "reason": "a test payment of the gateway's",
    }
    with Unchanged(operator):
        done(operator.post(f"{at}/propose", {"reason": "a test payment of the gateway's"}))
        refused(second.post(f"{at}/propose", {"reason": "mine"}), 409, "invalid_state")
        refused(operator.post(f"{at}/confirm"), 403, "forbidden")
    confirmed = done(second.post(f"{at}/confirm"))
    assert confirmed == proposed | {"status": "adjusted"}
    with Unchanged(operator):
        assert done(second.post(f"{at}/confirm")) == confirmed
        refused(operator.post(f"{at}/propose", {"reason": "again"}), 409, "already_resolved")
    told = found(operator, run, name)
    assert told == told | {"status": "adjusted", "proposedBy": operator.id, "confirmedBy": second.id}
    entry = query(
        platform.where,
        "SELECT type, debit_account, credit_account, amount_cents FROM journal ORDER BY entry DESC LIMIT 1",
    )[0]
    assert entry == ("adjustment", "gateway:clearing", "platform:adjustments", 1234)
    again = done(operator.post("/operator/reconciliations", asked), 201)
    assert name not in str(done(operator.get(f"/operator/reconciliations/{again['id']}/breaks", limit=50)))
    assert again["evidence"]["counts"]["settled"] >= 1
    events = done(operator.get("/audit/events", actor=second.id))["data"]
    assert [one["type"] for one in events] == ["books.adjusted"]
    assert events[0]["payload"]["proposedBy"] == operator.id


def test_what_is_left_of_a_break_is_a_break_of_its_own(platform: Platform, operator: Client, second: Client) -> None:
    name, asked = unknown_charge(platform)
    run = done(operator.post("/operator/reconciliations", asked), 201)
    at = f"/operator/reconciliations/{run['id']}/breaks/{found(operator, run, name)['number']}"
    done(operator.post(f"{at}/propose", {"reason": "so it is"}))
    done(second.post(f"{at}/confirm"))
    content = asked["statements"][0]["content"].replace("12.34", "12.84").replace("12.04", "12.54")
    more = done(
        operator.post(
            "/operator/reconciliations", {**asked, "statements": [{"name": "corrected.csv", "content": content}]}
        ),
        201,
    )
    left = found(operator, more, name)
    assert (left["amountCents"], left["status"]) == (50, "open")
    at = f"/operator/reconciliations/{more['id']}/breaks/{left['number']}"
    done(second.post(f"{at}/propose", {"reason": "the gateway has corrected it"}))
    assert done(operator.post(f"{at}/confirm"))["amountCents"] == 50


def test_breaks_are_pages_and_can_be_chosen(platform: Platform, operator: Client) -> None:
    name, asked = unknown_charge(platform)
    lines = asked["statements"][0]["content"].removeprefix(HEADER)
    content = HEADER + "".join(lines.replace(name, f"{name}{n}") for n in range(5))
    statements = [{"name": "a", "content": content}]
    run = done(operator.post("/operator/reconciliations", {**asked, "statements": statements}), 201)
    path = f"/operator/reconciliations/{run['id']}/breaks"
    wanted: Json = {"category": "duplicate", "status": "open", "limit": 3}
    first = done(operator.get(path, **wanted))
    rest = done(operator.get(path, **wanted, cursor=first["next"]))
    numbers = [one["number"] for page in (first, rest) for one in page["data"]]
    assert rest["next"] is None
    assert len(numbers) == 4
    assert numbers == sorted({*numbers})
    unknown = done(operator.get(path, category="unknown_at_gateway"))["data"]
    assert len(unknown) == 1, "of one purchase that nobody knows the others are duplicates"
    assert done(operator.get(path, status="adjusted"))["data"] == []
    assert wrong_fields(operator.get(path, status="lost")) == ["?status"]


def test_what_is_not_there_is_told(platform: Platform, operator: Client) -> None:
    _, asked = unknown_charge(platform)
    run = done(operator.post("/operator/reconciliations", asked), 201)
    here = f"/operator/reconciliations/{run['id']}"
    for path in (
        f"/operator/reconciliations/{uuid4()}/breaks/1",
        f"{here}/breaks/0",
        f"{here}/breaks/x",
        f"{here}/breaks/{run['breaks'] + 1}",
    ):
        refused(operator.post(f"{path}/propose", {"reason": "why"}), 404, "not_found")
    refused(operator.get(f"/operator/reconciliations/{uuid4()}"), 404, "not_found")
    assert wrong_fields(operator.post(f"{here}/breaks/1/propose", {"reason": " "})) == ["/reason"]


def test_a_wrong_statement_is_named_and_nothing_is_kept(platform: Platform, operator: Client) -> None:
    _, asked = unknown_charge(platform)
    wrong = {"name": "september.csv", "content": asked["statements"][0]["content"].replace("usd", "eur")}
    with Unchanged(operator):
        problem = operator.post("/operator/reconciliations", {**asked, "statements": [*asked["statements"], wrong]})
        assert wrong_fields(problem) == ["/statements/1/content"]
        assert "september.csv, line 2: currency is 'eur'" in problem.text
        same_name = {**wrong, "name": asked["statements"][0]["name"]}
        problem = operator.post("/operator/reconciliations", {**asked, "statements": [*asked["statements"], same_name]})
        assert wrong_fields(problem) == ["/statements/1/content"]
        unreadable = {"name": "bank.xml", "content": camt_053([]).replace("UTF-8", "shift_jis")}
        problem = operator.post("/operator/reconciliations", {"statements": [unreadable]})
        assert wrong_fields(problem) == ["/statements/0/content"]
        twice = operator.post("/operator/reconciliations", {**asked, "statements": asked["statements"] * 2})
        assert wrong_fields(twice) == ["/statements"]


def test_a_banks_statement_is_compared_as_well(platform: Platform, operator: Client) -> None:
    _, asked = unknown_charge(platform)
    at = int(datetime.fromisoformat(asked["from"]).timestamp()) * 1_000
    name = f"B-{uuid4().hex}"
    bank = {"name": "bank.xml", "content": camt_053([BankLine(name, at, -12)])}
    run = done(
        operator.post("/operator/reconciliations", {**asked, "statements": [bank], "timezone": "Asia/Tokyo"}), 201
    )
    assert (run["timezone"], run["statements"][0]["name"]) == ("Asia/Tokyo", "bank.xml")
    assert run["evidence"]["bank"] == {"lines": 1, "inCents": 0, "outCents": 12}
    assert run["evidence"]["gateway"] is None
    one = found(operator, run, name)
    assert (one["category"], one["account"], one["amountCents"]) == ("unknown_at_bank", "bank", -12)
    assert wrong_fields(operator.post("/operator/reconciliations", {"timezone": "Mars/Olympus"})) == ["/timezone"]


def test_a_rehearsal_keeps_nothing_and_a_repeat_is_the_same_run(platform: Platform, operator: Client) -> None:
    _, asked = unknown_charge(platform)
    with Unchanged(operator):
        rehearsed = done(operator.post("/operator/reconciliations", asked, dryRun="true"))
    assert rehearsed["events"][0]["type"] == "books.reconciled"
    key = a_key()
    first = done(operator.post("/operator/reconciliations", asked, headers=key), 201)
    again = operator.post("/operator/reconciliations", asked, headers=key)
    assert done(again, 201) == first
    assert again.headers["idempotent-replayed"] == "true"


# Beside the commands


class Held:
    """Replays that go on when they are told to."""

    def __init__(self, where: Where) -> None:
        self._replays = SQLReplays(database(where).reader)
        self.began, self.may_go_on = threading.Event(), threading.Event()

    @contextmanager
    def replay(self) -> Iterator[Any]:
        with self._replays.replay() as replay:
            self.began.set()
            assert self.may_go_on.wait(30)
            yield replay


def test_commands_go_on_while_a_replay_is_under_way_and_no_second_one_begins(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            held = Held(where)
            runs = Reconciliations(held, local.service.committer.now, lambda: False)
            under_way = asyncio.create_task(runs.run(Period(), []))
            await asyncio.to_thread(held.began.wait, 30)
            assert (await local.ask(rehearse_purchase(uuid4(), uuid4(), 500))).position == 2
            with pytest.raises(Overloaded):
                await runs.run(Period(), [])
            held.may_go_on.set()
            kept = await under_way
            assert (kept.is_clean, kept.position) == (True, 0), "as of when it began"

    run(story())


def test_a_repeat_waits_for_the_first_and_nothing_is_replayed_for_it(where: Where) -> None:
    held = Held(where)

    async def story() -> None:
        async with Local(where) as local:
            issued = msgspec.json.decode((await local.ask(register_with_key(Role.OPERATOR, "Pat"))).body)
            local.service.reconciliations = Reconciliations(held, local.service.committer.now, lambda: False)

            def asked(key: bytes, body: bytes = b"{}") -> tuple[Asker, asyncio.Task[None]]:
                headers = (b"content-type", b"application/json"), (b"idempotency-key", key)
                asker = Asker(local, bearer(issued["key"]), *headers)
                return asker, asyncio.create_task(asker.ask("POST", "/operator/reconciliations", body=body))

            first, under_way = asked(b"once")
            assert await asyncio.to_thread(held.began.wait, 30)
            for key, status, code in ((b"once", 409, "idempotency_in_progress"), (b"another", 503, "overloaded")):
                refused_one, ended = asked(key)
                await ended
                assert (refused_one.status, refused_one.body["code"]) == (status, code)
            held.may_go_on.set()
            await under_way
            held.began.clear()
            for key, body, status in ((b"once", b"{}", 201), (b"once", b'{"timezone":"Asia/Tokyo"}', 422)):
                again, ended = asked(key, body)
                await ended
                assert again.status == status
                assert status != 201 or again.body == first.body
            assert not held.began.is_set()

    run(story())


def test_a_run_and_its_breaks_survive_in_the_log_alone(where: Where) -> None:
    """Kept by one process, settled by another; the read models follow from the events."""
    content = HEADER + f",,txn_1,2025-01-15 09:00:00,,usd,10.00,0.00,10.00,charge,,,{uuid4()}\r\n"
    operators = [Actor(ActorKind.OPERATOR, uuid4(), uuid4()) for _ in range(2)]
    run_id = uuid4()

    async def keep() -> None:
        async with Local(where) as local:
            kept = await local.service.reconciliations.run(Period(), [StatementText("a.csv", content)])
            await local.ask(keep_run(run_id, kept), actor=operators[0])

    async def settle() -> Json:
        async with Local(where) as local:
            await local.ask(propose(run_id, 1, "so it is"), actor=operators[0])
            reply = await local.ask(confirm(run_id, 1), actor=operators[1])
            assert local.reads.breaks_of_run(run_id) == 1
            body: Json = msgspec.json.decode(reply.body)
            return body

    run(keep())
    assert run(settle())["status"] == "adjusted"


def test_a_log_that_is_too_long_and_a_service_that_ends_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = tmp_path / "tallyhold.sqlite"

    async def story() -> None:
        async with Local(where) as local:
            await local.ask(rehearse_purchase(uuid4(), uuid4(), 500))
            with pytest.raises(Unavailable):
                replays = SQLReplays(database(where).reader)
                await Reconciliations(replays, local.service.committer.now, lambda: True).run(Period(), [])
            monkeypatch.setattr(reconciliations, "MAX_EVENTS", 1)
            with pytest.raises(InvalidState, match="tallyhold reconcile --keep"):
                await local.service.reconciliations.run(Period(), [])

    run(story())
