"""What is asked for together is read together, and everybody gets what is theirs."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from api.service import gathered as module
from api.service.gathered import Gathered
from api.service.ports import StoreFailed
from tests.local import run


class Table:
    """Even numbers have a square."""

    def __init__(self) -> None:
        self.reads: list[tuple[int, ...]] = []
        self.fails = False

    def read(self, keys: Sequence[int]) -> dict[int, int]:
        self.reads.append(tuple(keys))
        if self.fails:
            raise StoreFailed("the connection is lost")
        return {key: key * key for key in keys if key % 2 == 0}


async def asked(gathered: Gathered[int, int], *keys: int) -> list[Any]:
    return await asyncio.gather(*map(gathered.get, keys), return_exceptions=True)


def test_a_turns_questions_are_one_read() -> None:
    async def story() -> None:
        table = Table()
        gathered = Gathered(table.read)
        assert await asked(gathered, 2, 3, 4, 2) == [4, None, 16, 4]
        assert await asked(gathered, 6) == [36]
        assert table.reads == [(2, 3, 4), (6,)]

    run(story())


def test_a_read_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)

    async def story() -> None:
        table = Table()
        gathered = Gathered(table.read)
        for count in (2, 5):  # the second time one is left for the end of the turn
            table.reads.clear()
            assert await asked(gathered, *range(0, 2 * count, 2)) == [(2 * n) ** 2 for n in range(count)]
            assert max(map(len, table.reads)) == 2
            assert sum(map(len, table.reads)) == count

    run(story())


def test_a_failure_is_everybodys_and_the_next_turn_asks_again() -> None:
    async def story() -> None:
        table = Table()
        gathered = Gathered(table.read)
        table.fails = True
        assert [type(each) for each in await asked(gathered, 2, 4)] == [StoreFailed] * 2
        table.fails = False
        assert await asked(gathered, 2) == [4]

    run(story())


def test_who_goes_away_takes_nobody_along() -> None:
    async def story() -> None:
        gathered = Gathered(Table().read)
        gone, stays = (asyncio.ensure_future(gathered.get(2)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == 4
        assert gone.cancelled()

    run(story())
