"""A command's key has to be good when the command is decided: whatever happened to it since it was looked up counts."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api.service import committer as module
from api.service.access import register, register_with_key, revoke_key
from api.service.committer import Reply
from api.service.credits import rehearse_purchase
from api.service.ids import new_id
from api.service.ports import Charged
from api.service.refusals import NotAuthenticated
from api.service.work import Context, UseCase
from api.store.sql_store import SQLStore
from domain.access.events import Role
from domain.ids import access_stream
from domain.recorded import Actor, ActorKind
from tests.api.test_committer import key, kinds, outcomes
from tests.local import Local, Where, query, run

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
