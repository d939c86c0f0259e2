"""A purchase is seen through to its end, once, whatever breaks in between."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api.service import credits as module
from api.service.committer import Reply
from api.service.ports import Charged, Declined
from api.service.refusals import GatewayNotConfigured, IdempotencyInProgress, Unavailable
from api.service.work import Context
from domain.errors import PaymentFailed
from domain.recorded import SYSTEM
from tests.builders import OWNER
from tests.given import NOW
from tests.local import Local, Where, query, run
from tests.simulation.books import File

CENTS = 2_500
KEY = Context(SYSTEM, scope=b"a key, 16 bytes.", fingerprint=b"the request")
PATIENCE_SECONDS = 5


class Gateway:
    """Answers as it is told to; counts how often each purchase was asked, and what it took, once each."""

    def __init__(self, *says: Charged | Declined | Exception | None) -> None:
        """Null: it never answers. The last one goes on."""
        self._says = list(says)
        self.asked: Counter[UUID] = Counter()
        self.was_asked = asyncio.Event()
        self.taken: dict[UUID, int] = {}

    async def charge(self, purchase_id: UUID, owner_id: UUID, amount_cents: int) -> Charged | Declined:
        self.asked[purchase_id] += 1
        self.was_asked.set()
        answer = self._says.pop(0) if len(self._says) > 1 else self._says[0]
        if isinstance(answer, Charged) or answer is None:
            self.taken[purchase_id] = amount_cents
        if answer is None:
            await asyncio.Event().wait()
            raise AssertionError("nobody wakes it")
        if isinstance(answer, Exception):
            raise answer
        return answer


TAKEN = Charged("ch_1")
DECLINED = Declined("the card was declined")


async def buy(local: Local, context: Context = KEY) -> Reply:
    return await local.service.purchases.buy(OWNER, CENTS, context)


async def nothing_open(local: Local) -> None:
    committed = asyncio.Event()
    local.committer.on_written.append(lambda *_: committed.set())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while local.reads.open_purchases(0, 1)[0]:
            await committed.wait()
            committed.clear()


def statuses(path: Where) -> list[Any]:
    return [status for (status,) in query(path, "SELECT status FROM purchases ORDER BY position")]


@pytest.fixture
def path(where: Where) -> Where:
    return where


def interrupted(path: Where) -> Gateway:
    """A process that ended between the start of a purchase and its end: the gateway took it, and nobody heard."""

    async def story() -> Gateway:
        gateway = Gateway(None)
        async with Local(path, gateway=gateway) as local:
            purchase = asyncio.create_task(buy(local))
            await gateway.was_asked.wait()
            assert not purchase.done()
            assert statuses(path) == ["open"]
            purchase.cancel()
        return gateway

    return run(story())


def test_a_purchase_is_answered_when_it_is_paid(path: Where) -> None:
    async def story() -> None:
        async with Local(path, gateway=Gateway(TAKEN)) as local:
            reply = await buy(local)
            assert (reply.status, reply.location) == (201, "/owner/billing")
            assert msgspec.json.decode(reply.body)["balanceCents"] == CENTS

    run(story())
    assert statuses(path) == ["completed"]
    File(path).check()


def test_an_interrupted_purchase_is_completed_once_after_a_restart(path: Where) -> None:
    before = interrupted(path)

    async def story() -> tuple[Gateway, Reply]:
        gateway = Gateway(TAKEN)
        async with Local(path, gateway=gateway) as local:
            await local.service.start()
            await nothing_open(local)
            reply = await buy(local)
            await local.service.close()
            return gateway, reply

    gateway, reply = run(story())
    assert gateway.asked == before.asked, "one purchase, asked for under one id"
    assert (reply.replayed, reply.status) == (True, 201)
    assert msgspec.json.decode(reply.body)["balanceCents"] == CENTS
    assert statuses(path) == ["completed"]
    assert query(path, "SELECT balance_cents FROM billing") == [(CENTS,)]
    File(path).check()


def test_after_a_restart_the_gateway_is_asked_once_the_platform_has_its_time(path: Where) -> None:
    """The sandbox's gateway goes by the platform's clock."""
    interrupted(path)

    class OnTime(Gateway):
        async def charge(self, purchase_id: UUID, owner_id: UUID, amount_cents: int) -> Charged | Declined:
            times.append(local.committer.now())
            return await super().charge(purchase_id, owner_id, amount_cents)

    times = list[int]()
    local = Local(path, gateway=OnTime(TAKEN))

    async def story() -> None:
        await local.service.start()
        await nothing_open(local)
        await local.service.close()

    run(story())
    local.close()
    assert times == [NOW]


def test_until_then_its_key_says_that_it_is_at_work(path: Where) -> None:
    interrupted(path)

    async def story() -> None:
        async with Local(path, gateway=Gateway(TAKEN)) as local:
            with pytest.raises(IdempotencyInProgress):
                await buy(local)

    run(story())
    assert statuses(path) == ["open"]


def test_an_interrupted_purchase_that_is_declined_frees_its_key(path: Where) -> None:
    interrupted(path)

    async def story() -> None:
        async with Local(path, gateway=Gateway(DECLINED, TAKEN)) as local:
            await local.service.start()
            await nothing_open(local)
            assert statuses(path) == ["failed"]
            assert not (await buy(local)).replayed
            await local.service.close()

    run(story())
    assert statuses(path) == ["failed", "completed"]
    File(path).check()


def test_a_declined_payment_is_refused_and_moves_nothing(path: Where) -> None:
    async def story() -> None:
        async with Local(path, gateway=Gateway(DECLINED)) as local:
            with pytest.raises(PaymentFailed):
                await buy(local)

    run(story())
    assert statuses(path) == ["failed"]
    assert query(path, "SELECT * FROM journal") == []


def test_a_gateway_that_does_not_answer_is_asked_again(path: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHARGE_SECONDS", 0.02)
    monkeypatch.setattr("api.service.service.ASK_AGAIN_SECONDS", 0.02)

    async def story() -> Gateway:
        gateway = Gateway(None, ConnectionError("no route"), TAKEN)
        async with Local(path, gateway=gateway) as local:
            with pytest.raises(Unavailable):
                await buy(local)
            with pytest.raises(IdempotencyInProgress):
                await buy(local)
            await local.service.start()
            await nothing_open(local)
            assert (await buy(local)).replayed
            await local.service.close()
        return gateway

    gateway = run(story())
    assert list(gateway.asked.values()) == [3]
    assert query(path, "SELECT balance_cents FROM billing") == [(CENTS,)]


def test_a_purchase_that_is_under_way_is_not_asked_about_beside_that(path: Where) -> None:
    async def story() -> None:
        gateway = Gateway(None)
        async with Local(path, gateway=gateway) as local:
            purchase = asyncio.create_task(buy(local))
            await gateway.was_asked.wait()
            ((owner_id, purchase_id, cents),) = local.reads.open_purchases(0, 2)[0]
            assert (owner_id, cents) == (OWNER, CENTS)
            gateway.was_asked.clear()
            local.service.purchases.ask_again(owner_id, purchase_id, cents)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await gateway.was_asked.wait()
            purchase.cancel()

    run(story())


def test_a_caller_who_goes_away_does_not_stop_the_purchase(path: Where) -> None:
    """Nor the question to the gateway, which has not answered by then."""
    answers = asyncio.Event()

    class Slow(Gateway):
        async def charge(self, purchase_id: UUID, owner_id: UUID, amount_cents: int) -> Charged | Declined:
            outcome = await super().charge(purchase_id, owner_id, amount_cents)
            await answers.wait()
            return outcome

    async def story() -> None:
        gateway = Slow(TAKEN)
        async with Local(path, gateway=gateway) as local:
            asked = asyncio.create_task(buy(local))
            await gateway.was_asked.wait()
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            answers.set()
            await nothing_open(local)

    run(story())
    assert statuses(path) == ["completed"]


def test_a_dry_run_asks_no_gateway(path: Where) -> None:
    async def story() -> None:
        gateway = Gateway(TAKEN)
        async with Local(path, gateway=gateway) as local:
            reply = await buy(local, Context(SYSTEM, dry_run=True))
            told = msgspec.json.decode(reply.body)
            assert told["answer"]["balanceCents"] == CENTS
            assert not gateway.asked

    run(story())
    assert query(path, "SELECT * FROM stored_events") == []


def test_without_a_gateway_nothing_is_started(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            with pytest.raises(GatewayNotConfigured):
                await buy(local)

    run(story())
    assert query(path, "SELECT * FROM stored_events") == []
