"""Filters to which no index leads: what a page looks at is bounded, and all pages together are whole."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from api.service.ports import RefusalNote
from api.service.reads import LedgerFilter, Page, RefusalFilter
from tests.api.test_committer import bought, posted
from tests.builders import OWNER
from tests.given import NOW
from tests.local import Local, Where, a_digest, run

AT_ONCE = 4
ADA, BEN = UUID(int=1), UUID(int=2)


@pytest.fixture(autouse=True)
def little_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.store.sql_reads.MAX_LOOKED_AT", AT_ONCE)


def pages(read: Callable[[int | None], Page]) -> Iterator[list[Any]]:
    after: int | None = None
    while True:
        page = read(after)
        yield page.items
        if page.last is None:
            return
        after = page.last


def test_entries_of_a_type(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            for cents in range(1_000, 1_009):
                await local.ask(bought(cents))
            await local.ask(posted())
            await local.ask(bought(1))

    run(story())
    with closing(Local(where)) as local:
        reads = local.reads

        def of_type(name: str, limit: int) -> list[list[Any]]:
            wanted = LedgerFilter(OWNER, type=name)
            found = pages(lambda after: reads.ledger(wanted, after, limit))
            return [[entry["postings"][0]["amountCents"] for entry in page] for page in found]

        assert of_type("escrow_hold", 20) == [[], [], [1_950]]
        assert of_type("chargeback", 20) == [[], [], []]
        assert of_type("credit_purchase", 20) == [
            [1_000, 1_001, 1_002, 1_003],
            [1_004, 1_005, 1_006, 1_007],
            [1_008, 1],
        ]
        assert of_type("credit_purchase", 3) == [
            [1_000, 1_001, 1_002],
            [1_003, 1_004, 1_005],
            [1_006, 1_007, 1_008],
            [1],
        ]


def note(number: int, actor: UUID) -> RefusalNote:
    at = NOW + number
    return RefusalNote(at, "owner", actor, UUID(int=9), "getJob", f"/{number}", 404, "not_found", "None.", "r-1")


def test_refusals_of_a_time(where: Where) -> None:
    with closing(Local(where)) as local:
        with closing(a_digest(where)) as digest:
            digest.keep_refusals([note(number, BEN if number % 5 == 0 else ADA) for number in range(1, 11)], 0, 0)

        def paths(**wanted: Any) -> list[list[str]]:
            found = pages(lambda before: local.audit.refusals(RefusalFilter(**wanted), before, 20))
            return [[refusal["path"] for refusal in page] for page in found]

        assert paths(to_instant=NOW + 3) == [[], [], ["/2", "/1"]]
        assert paths(from_instant=NOW + 9) == [["/10", "/9"], [], []]
        assert paths(from_instant=NOW + 6, to_instant=NOW + 8) == [["/7"], ["/6"], []]
        assert paths(actor_id=ADA, to_instant=NOW + 3) == [[], ["/2", "/1"], []]
        assert paths(actor_id=BEN) == [["/10", "/5"]]
        assert paths() == [[f"/{number}" for number in range(10, 0, -1)]]
