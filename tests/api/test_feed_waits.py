"""Who waits for events of the own is woken by these, and rests while others have theirs."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from api.service.credits import rehearse_purchase
from api.service.jobs import command_job, create_job, status_body
from api.service.ports import StoreFailed
from domain.access.events import Role
from domain.job.commands import PauseJob
from tests.api.asker import Asker, bearer
from tests.builders import some_terms
from tests.local import Key, Local, Where, issue_keys, run

OTHERS = 10
"""Jobs of others that are posted meanwhile."""
LOOKS = 3
"""At most: at the beginning, when the time is up, and once for what nobody could tell."""
PATIENCE_SECONDS = 4
"""Less than who waits rests before looking again all the same."""


async def feed(local: Local, who: Key, milliseconds: int) -> dict[str, Any]:
    """What somebody gets who waits so long for events after the last one that there is."""
    asker = Asker(local, bearer(who.key))
    await asker.ask("GET", "/events", f"after={local.service.reads.position()}&wait={milliseconds}")
    answer: dict[str, Any] = msgspec.json.decode(asker.sent[1]["body"])
    return answer


async def buy(local: Local, owner_id: UUID) -> None:
    await local.ask(rehearse_purchase(owner_id, uuid4(), 1_000_000))


async def post(local: Local, owner_id: UUID) -> UUID:
    job_id = uuid4()
    await local.ask(create_job(job_id, owner_id, some_terms(1)))
    return job_id


async def pause(local: Local, job_id: UUID) -> None:
    await local.ask(command_job(job_id, PauseJob(), status_body))


async def heard(local: Local, who: Key, happens: Coroutine[Any, Any, None]) -> list[str]:
    """The types of the events of which somebody who waits hears at once when something happens."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        waiting = asyncio.create_task(feed(local, who, 60_000))
        await asyncio.sleep(0.1)
        await happens
        return [event["type"] for event in (await waiting)["data"]]


@pytest.fixture
def people(where: Where) -> dict[str, Key]:
    return issue_keys(where, {"Olga": Role.OWNER, "Otto": Role.OWNER})


def test_who_waits_rests_while_others_have_events(
    where: Where, people: dict[str, Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with Local(where) as local:
            await local.service.start()
            await buy(local, people["Otto"].id)
            looks = 0
            events = local.audit.events

            def counted(*asked: Any) -> Any:
                nonlocal looks
                looks += 1
                return events(*asked)

            monkeypatch.setattr(local.audit, "events", counted)
            waiting = asyncio.create_task(feed(local, people["Olga"], 1_000))
            for _ in range(OTHERS):
                await asyncio.sleep(0.02)
                await post(local, people["Otto"].id)
            end = local.service.reads.position()
            assert await waiting == {"data": [], "next": end}
            await local.service.close()
            assert 1 < looks <= LOOKS

    run(story())


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize(
    ("of_job", "types"),
    [(False, ["credits.purchase_started", "credits.purchase_completed"]), (True, ["job.paused"])],
)
def test_who_waits_hears_at_once_of_the_own(
    where: Where, people: dict[str, Key], elsewhere: bool, of_job: bool, types: list[str]
) -> None:
    """Whichever process writes it."""

    async def story() -> None:
        async with Local(where) as local, Local(where) as other:
            await local.service.start()
            owner, writes = people["Olga"], other if elsewhere else local
            await buy(local, owner.id)
            job_id = await post(local, owner.id)
            happens = pause(writes, job_id) if of_job else buy(writes, owner.id)
            assert await heard(local, owner, happens) == types
            await local.service.close()

    run(story())


def hears_of_a_pause(
    where: Where, owner: Key, monkeypatch: pytest.MonkeyPatch, owners_of: Callable[[object], None]
) -> None:
    """Though owners are looked up in another way."""

    async def story() -> None:
        async with Local(where) as local:
            await local.service.start()
            await buy(local, owner.id)
            job_id = await post(local, owner.id)
            monkeypatch.setattr(local.reads, "owners_of", owners_of)
            assert await heard(local, owner, pause(local, job_id)) == ["job.paused"]
            await local.service.close()

    run(story())


def test_who_waits_looks_when_nobody_can_tell_whose_it_was(
    where: Where, people: dict[str, Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> None:
        raise StoreFailed("It was there a moment ago.")

    hears_of_a_pause(where, people["Olga"], monkeypatch, fails)


def test_who_waits_looks_after_more_than_are_looked_up(
    where: Where, people: dict[str, Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.service.service.MAX_LOOKED_UP", 0)
    looked_up: list[object] = []
    hears_of_a_pause(where, people["Olga"], monkeypatch, looked_up.append)
    assert looked_up == []


def test_so_many_are_asked_whose_they_are_as_a_statement_takes(where: Where, people: dict[str, Key]) -> None:
    async def story() -> None:
        async with Local(where) as local:
            await buy(local, people["Olga"].id)
            many = {await post(local, people["Olga"].id), *(uuid4() for _ in range(999))}
            for _ in range(2):
                assert local.reads.owners_of(many) == {people["Olga"].id}

    run(story())
