"""The benchmarks' generator writes what the platform would have written, and the platform goes on from it."""

from pathlib import Path

from api.service.ids import new_id
from api.service.jobs import create_job
from api.service.tester import take_slot
from api.store.verify import verify
from domain.access.events import Role
from domain.job.commands import TakeSlot
from projections.disputes import DISPUTE_LIST
from projections.months import MONTH_LIST
from projections.reconciliations import RECONCILIATION_LIST
from projections.replay import TABLES
from tests.bench.histories import PAGE, History, grow, now_milliseconds, some_terms
from tests.local import HandClock, Local, database, query, run, tables
from tests.simulation.books import File

SOME = PAGE + 100
"""More events than one transaction has."""
NO_EVENTS_OF = {table.name for model in (DISPUTE_LIST, MONTH_LIST, RECONCILIATION_LIST) for table in model.tables}


def test_a_grown_log_verifies_and_its_books_balance(tmp_path: Path) -> None:
    path = tmp_path / "tallyhold.sqlite"
    grow(database(path), SOME)
    verdict = verify(database(path), [], lambda done, total: None)
    assert verdict.findings == []
    assert verdict.events >= SOME
    File(path).check()
    kept = tables(path)
    assert {table.name for table in TABLES if not kept[table.name]} == NO_EVENTS_OF
    assert query(path, "SELECT DISTINCT status, settlement_status FROM jobs ORDER BY 1") == [
        ("active", None),
        ("completed", "approved"),
    ]


def test_the_platform_goes_on_where_a_history_ends(tmp_path: Path) -> None:
    path = tmp_path / "tallyhold.sqlite"
    with History(database(path), now_milliseconds()) as history:
        (owner,), (first, second) = history.people(Role.OWNER, 1), history.people(Role.TESTER, 2)
        job_id = history.job(owner, some_terms(2))
        assignment = history.take(job_id, first)
        history.start(job_id, assignment, first)
        history.submit(job_id, assignment, first)

    async def story() -> None:
        async with Local(path, HandClock(now_milliseconds())) as local:
            assert second.public_id is not None
            taking = TakeSlot(assignment_id=new_id(), tester_id=second.id, tester_public_id=second.public_id)
            assert (await local.ask(take_slot(job_id, taking))).status == 201
            assert (await local.ask(create_job(new_id(), owner.id, some_terms(3)))).status == 201

    run(story())
    assert verify(database(path), [], lambda done, total: None).findings == []
    File(path).check()
