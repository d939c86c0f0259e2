"""Every entry of a long random life is explained to the cent."""

from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from api.service.explain import explain_entry
from domain.errors import NotFound
from domain.ledger.journal import EntryType
from domain.ledger.rules import POSTING_RULES
from projections import explain
from projections.ledger import ENTRIES_PER_EVENT, entry_id, entry_number
from tests.given import NOW
from tests.local import HandClock, audit_of, new_database, query
from tests.simulation.drivers import InProcess
from tests.simulation.history import history
from tests.simulation.outside import take_in_all


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lived") / "tallyhold.sqlite"
    new_database(path)
    with closing(InProcess(path, HandClock(NOW))) as driver:
        for moment in history(Random(7), 700, NOW):
            driver.move_to(moment.at)
            driver.ask(moment.command)
        take_in_all(driver)
    return path


def test_the_last_step_is_the_entrys_amount(path: Path) -> None:
    rows = query(path, "SELECT entry, type, amount_cents FROM journal ORDER BY entry")
    with audit_of(path) as audit:
        for entry, kind, cents in rows:
            told = explain_entry(audit, entry, None)
            assert told["steps"][-1]["cents"] == cents, told
            assert (told["entry"]["type"], told["rule"]["type"]) == (kind, kind)
            assert told["entry"]["id"] == entry_id(entry)
            assert told["event"]["position"] == entry // ENTRIES_PER_EVENT
            assert told["command"]["correlationId"] == told["event"]["correlationId"]
            assert told["command"]["causationId"] is None
            assert (told["measured"] is None) is (kind not in ("settlement_payout", "settlement_fee", "dispute_refund"))
            assert (told["terms"] is None) is (told["event"]["type"].split(".")[0] != "job")
    assert {kind for _, kind, _ in rows} == {kind.value for kind in EntryType}, "the life was too poor to say anything"


def test_every_event_that_moves_money_is_explained() -> None:
    assert explain._STEPS.keys() == POSTING_RULES.keys()


def test_an_entry_that_is_not_there_is_told(path: Path) -> None:
    with audit_of(path) as audit:
        for entry in (0, 3, 10**9):
            with pytest.raises(NotFound):
                explain_entry(audit, entry, None)


def test_the_id_of_an_entry_leads_back_to_it() -> None:
    assert [entry_number(entry_id(number)) for number in (4, 7, 4_000_001)] == [4, 7, 4_000_001]
    assert [entry_number(text) for text in ("", "0-0", "1-4", "1", "x-1", "1-0 ", "01-0")] == [None] * 7
