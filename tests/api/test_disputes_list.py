"""The list of disputes, whose items have lists of their own."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from api.store import sql_reads
from api.store.sql_reads import SQLReads
from tests.given import NOW
from tests.local import Where, database
from tests.simulation.living import live

SEED = 8
"""Of a life with some disputes about several assignments."""


def test_a_page_ends_where_it_would_show_too_many_claims(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    live(where, 400, SEED)
    with closing(SQLReads(database(where).reader(), lambda *_: None)) as reads:
        whole = reads.disputes(None, NOW, None, 100).items
        counts = [len(each["assignments"]) for each in whole]
        most = max(counts)
        assert len(whole) > 5 and most > 1
        for claims in (1, most, sum(counts) // 2):
            monkeypatch.setattr(sql_reads, "CLAIMS_ON_A_PAGE", claims)
            pages = list(_pages(reads))
            assert [each for page in pages for each in page] == whole
            assert all(len(page) == 1 or sum(len(each["assignments"]) for each in page) <= claims for page in pages)
            assert len(pages) > 1


def _pages(reads: SQLReads) -> Iterator[list[Any]]:
    after: int | None = None
    while True:
        page = reads.disputes(None, NOW, after, 100)
        yield page.items
        if page.last is None:
            return
        after = page.last
