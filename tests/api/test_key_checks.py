"""A command's key has to be good when the command is decided: whatever happened to it since it was looked up counts."""

import asyncio
from collections.abc import AsyncIterator
from sys import getrefcount
from typing import Any
from uuid import UUID

import msgspec
import pytest
from starlette.types import Message

from api.http.routes import events
from api.service import committer as module
from api.service.access import register, register_with_key, revoke_key
from api.service.committer import Reply
from api.service.credits import rehearse_purchase
from api.service.ids import new_id
from api.service.jobs import create_job
from api.service.ports import Charged
from api.service.refusals import NotAuthenticated
from api.service.work import Context, UseCase
from api.store.sql_store import SQLStore
from domain.access.events import Role
from domain.ids import access_stream
from domain.recorded import Actor, ActorKind
from tests.api.asker import Asker, a_request, bearer, endpoint_of
from tests.api.test_committer import key, kinds, outcomes
from tests.builders import some_terms
from tests.local import Local, Where, issue_keys, query, run

EVENTS = 10
ON_ITS_WAY = 2
STREAM = access_stream(Role.OWNER, "Olga")


class Caller:
    """An owner with a key that was good as of a position."""

    def __init__(self, issued: Reply) -> None:
        told = msgspec.json.decode(issued.body)
        self.id, self.key_id = UUID(told["principalId"]), UUID(told["keyId"])
        self.shows: dict[str, Any] = {
            "actor": Actor(ActorKind.OWNER, self.id, self.key_id),
            "key_good_at": issued.position,
        }

    def buys(self) -> UseCase:
        return rehearse_purchase(self.id, new_id(), 100)

    def revoked(self) -> UseCase:
        return revoke_key(STREAM, self.key_id)


async def a_caller(local: Local) -> Caller:
    return Caller(await local.ask(register_with_key(Role.OWNER, "Olga")))


def bought(where: Where) -> list[Any]:
    return query(where, "SELECT balance_cents FROM billing")


def test_a_key_that_was_revoked_before_in_the_same_batch_is_refused(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            caller = await a_caller(local)
            asks = (local.ask(caller.revoked()), local.ask(caller.buys(), **caller.shows))
            assert kinds(await outcomes(*asks)) == [Reply, NotAuthenticated]

    run(story())
    assert bought(where) == []


def test_one_that_is_revoked_later_in_the_batch_was_still_good(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            caller = await a_caller(local)
            asks = (local.ask(caller.buys(), **caller.shows), local.ask(caller.revoked()))
            assert kinds(await outcomes(*asks)) == [Reply, Reply]

    run(story())
    assert bought(where) == [(100,)]


@pytest.mark.parametrize("learnt", [0, 10_000])
@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_key_that_was_revoked_meanwhile_is_refused_whoever_did_it(
    where: Where, is_elsewhere: bool, learnt: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LEARNT", learnt)

    async def story() -> None:
        async with Local(where) as local, Local(where) as other:
            caller = await a_caller(local)
            await local.ask(caller.buys(), **caller.shows, **key("one"))
            await (other if is_elsewhere else local).ask(caller.revoked())
            for kept in ({}, key("one")):  # nor does it get the answer that is kept for it
                asked = local.ask(caller.buys(), **caller.shows, **kept)
                assert kinds(await outcomes(asked)) == [NotAuthenticated]

    run(story())
    assert bought(where) == [(100,)]


@pytest.mark.parametrize(("path", "status"), [("/jobs", 400), ("/operator/keys", 403)])
def test_why_a_command_is_refused_nobody_hears_with_a_key_that_was_revoked(
    where: Where, path: str, status: int
) -> None:
    """A wrong body, or a role that it is not for: both are looked at before the log is."""

    async def story() -> None:
        async with Local(where) as local, Local(where) as other:
            issued = await local.ask(register_with_key(Role.OWNER, "Olga"))
            headers = bearer(msgspec.json.decode(issued.body)["key"]), (b"content-type", b"application/json")
            before, after = Asker(local, *headers), Asker(local, *headers)
            await before.ask("POST", path, body=b'{"title": 1}')
            await other.ask(Caller(issued).revoked())
            await after.ask("POST", path, body=b'{"title": 1}')
            assert [asker.sent[0]["status"] for asker in (before, after)] == [status, 401]

    run(story())


def test_a_process_that_has_just_begun_knows_of_no_key_that_it_is_good(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            caller = await a_caller(local)
            await local.ask(caller.revoked())
        async with Local(where) as begun:
            assert kinds(await outcomes(begun.ask(caller.buys(), **caller.shows))) == [NotAuthenticated]

    run(story())


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_what_happens_to_others_takes_nobodys_key(where: Where, is_elsewhere: bool) -> None:
    async def story() -> None:
        async with Local(where) as local, Local(where) as other:
            caller = await a_caller(local)
            await (other if is_elsewhere else local).ask(register(Role.TESTER, "Tom"))
            await local.ask(caller.buys(), **caller.shows)

    run(story())
    assert bought(where) == [(100,)]


def test_a_key_is_looked_up_again_only_after_something_happened_to_one(where: Where) -> None:
    """Else every command would cost a query."""

    class Asked(SQLStore):
        def is_key_good(self, key_id: UUID) -> bool:
            raise AssertionError("Nothing has happened to any key.")

    async def story() -> None:
        async with Local(where, make_store=Asked) as local, Local(where) as other:
            caller = await a_caller(local)
            await other.ask(caller.buys())
            await local.ask(caller.buys(), **caller.shows)

    run(story())


def test_no_header_is_kept_that_a_caller_has_made_longer_than_it_need_be(where: Where) -> None:
    """Each of them would be another one, as long as a request's head may be."""
    shown = issue_keys(where, {"Olga": Role.OWNER})["Olga"].key.encode()

    async def story() -> None:
        async with Local(where) as local:
            for header, keeps in ((b"Bearer " + shown, 1), (b"Bearer " + 50_000 * b" " + shown, 0)):
                before = getrefcount(header)
                for _ in range(2):
                    assert local.service.key_ring.principal(header) is not None
                assert getrefcount(header) == before + keeps

    run(story())


# -- reads that wait, and streams --------------------------------------------------------------------------------------


class Request:
    """One that is answered in this process, to somebody who takes in one message after the other."""

    def __init__(self, local: Local, key: str, path: str, query: str = "") -> None:
        self._endpoint = endpoint_of(local)
        self._scope = a_request("GET", path, query, [bearer(key)])
        self.sent: asyncio.Queue[Message | None] = asyncio.Queue(1)
        self._task = asyncio.create_task(self._answer())

    async def _answer(self) -> None:
        async def receive() -> Message:
            await asyncio.sleep(60)
            raise AssertionError("waited for too long")

        await self._endpoint.handle(self._scope, receive, self.sent.put)
        await self.sent.put(None)

    async def left(self) -> list[Message]:
        """All messages that were not taken in yet."""
        return [message async for message in self._messages()]

    async def _messages(self) -> AsyncIterator[Message]:
        while (message := await self.sent.get()) is not None:
            yield message


@pytest.mark.parametrize("is_elsewhere", [False, True])
@pytest.mark.parametrize(("path", "query"), [("/jobs/{}/wait", "timeoutMs=1000"), ("/events", "after={}&wait=1000")])
def test_a_read_that_waits_shows_nothing_once_the_key_is_revoked(
    where: Where, path: str, query: str, is_elsewhere: bool
) -> None:
    async def story() -> None:
        async with Local(where) as local, Local(where) as other:
            issued = await local.ask(register_with_key(Role.OWNER, "Olga"))
            caller = Caller(issued)
            await local.ask(rehearse_purchase(caller.id, new_id(), 100_000))
            job_id = new_id()
            end = (await local.ask(create_job(job_id, caller.id, some_terms()))).position
            request = Request(local, msgspec.json.decode(issued.body)["key"], path.format(job_id), query.format(end))
            await asyncio.sleep(0.1)
            assert request.sent.empty()
            await (other if is_elsewhere else local).ask(caller.revoked())
            start, _ = await request.left()
            assert start["status"] == 401
            assert local.service.evidence.refusals.taken() == ([], 0), (
                "whose key it was says nothing of who has shown it"
            )

    run(story())


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_stream_ends_unfinished_once_the_key_is_revoked(
    where: Where, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "AT_ONCE", 1)

    issue_keys(where, {f"Olga {number}": Role.OWNER for number in range(EVENTS)})

    async def story(name: str, *, is_revoked: bool) -> list[bool]:
        """Of each piece after the first, whether more was said to follow."""
        async with Local(where) as local, Local(where) as other:
            issued = msgspec.json.decode((await local.ask(register_with_key(Role.AUDITOR, name))).body)
            request = Request(local, issued["key"], "/audit/events", f"format={form}")
            start, first = [await request.sent.get() for _ in range(2)]
            assert start is not None and first is not None and start["status"] == 200
            if is_revoked:
                await other.ask(revoke_key(access_stream(Role.AUDITOR, name), UUID(issued["keyId"])))
            return [message.get("more_body", False) for message in await request.left()]

    whole = run(story("Otto", is_revoked=False))
    assert len(whole) >= EVENTS and whole == [*[True] * (len(whole) - 1), False]
    cut = run(story("Anna", is_revoked=True))
    assert all(cut) and len(cut) <= ON_ITS_WAY


class SlowGateway:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.was_asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def charge(self, purchase_id: UUID, owner_id: UUID, amount_cents: int) -> Charged:
        self.was_asked.set()
        await self.may_answer.wait()
        return Charged("ch_1")


def test_a_purchase_that_was_charged_is_completed_although_the_key_was_revoked_meanwhile(where: Where) -> None:
    async def story() -> None:
        gateway = SlowGateway()
        async with Local(where, gateway=gateway) as local:
            caller = await a_caller(local)
            buying = asyncio.ensure_future(local.service.purchases.buy(caller.id, 100, Context(**caller.shows)))
            await gateway.was_asked.wait()
            await local.ask(caller.revoked())
            gateway.may_answer.set()
            assert (await buying).status == 201

    run(story())
    assert bought(where) == [(100,)]
