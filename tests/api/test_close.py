"""Closing a month: what statements tell is taken in, the log is held fast, and what comes later is told as such."""

import csv
import json
import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.cli.closing import close
from api.cli.reconciling import read_statements, run
from api.service.books import book
from api.service.reconciliations import confirm, keep_run, propose
from api.store.sql_snapshot import SQLReplays
from domain.books import events as books
from domain.errors import InvalidState
from domain.recorded import Actor, ActorKind
from domain.times import DAY, HOUR, Instant
from projections.ledger import entry_id
from projections.reconcile.page import run_page
from projections.reconcile.period import Period
from projections.reconcile.report import breaks_csv, summary
from projections.reconcile.statement import StatementWrong
from projections.statements.months import Month, month_of
from projections.statements.statement import statement
from tests.given import NOW
from tests.local import HandClock, Where, database, master_key_of_locals, new_database, query, url_of
from tests.program import failed, tallyhold
from tests.simulation.books import File
from tests.simulation.commands import Buy, Withdraw
from tests.simulation.drivers import TESTERS, InProcess
from tests.simulation.history import SPELL, history
from tests.simulation.outside import BankLine, GatewayLine, bank_lines, camt_053, gateway_csv, gateway_lines

Json = dict[str, Any]
JANUARY = month_of("2025-01")
FEBRUARY = month_of("2025-02")


@pytest.fixture
def lived(tmp_path: Path) -> Iterator[InProcess]:
    """Some weeks of a platform; it is the 5th of March, and nobody has looked since January."""
    with a_life(tmp_path / "tallyhold.sqlite") as driver:
        yield driver


@pytest.fixture
def lived_anywhere(where: Where) -> Iterator[InProcess]:
    """The same on each kind of database."""
    with a_life(where) as driver:
        yield driver


@contextmanager
def a_life(where: Where) -> Iterator[InProcess]:
    new_database(where)
    with closing(InProcess(where, HandClock(NOW), watched=False)) as driver:
        for moment in history(Random(3), 80, NOW, idle=45 * DAY * SPELL // 80):
            if moment.at >= FEBRUARY.ends:
                break
            driver.move_to(moment.at)
            driver.ask(moment.command)
        driver.move_to(FEBRUARY.ends + 4 * DAY)
        yield driver


def lines_of(driver: InProcess, month: Month | None = None) -> list[GatewayLine]:
    """What the gateway tells of a month, or of all time."""
    lines = gateway_lines(File(driver.path).recorded)
    return [line for line in lines if month is None or month.begins <= line.at < month.ends]


def file_of(folder: Path, lines: list[GatewayLine], name: str = "statement.csv") -> Path:
    file = folder / name
    file.write_text(gateway_csv(lines), newline="")
    return file


def nobodys_charge(driver: InProcess, month: Month) -> GatewayLine:
    """A charge for a purchase of which the log knows nothing."""
    return GatewayLine("txn_x", books.CHARGE, month.begins + DAY, 500, 7, driver.uuid_of("nobody's purchase"))


def close_it(driver: InProcess, month: Month, *files: Path) -> Json:
    look = SQLReplays(database(driver.path).reader).replay
    return driver.run(close(driver.local.service, look, month, list(files)))


def reconciled(driver: InProcess, period: Period, *files: Path, timezone: str = "UTC") -> Any:
    with SQLReplays(database(driver.path).reader).replay() as replay:
        statements = read_statements(files, timezone)
        log, now = replay.events(replay.told.position), driver.now()
        return run(log, replay.told, period, now, statements, timezone=timezone)


def position(driver: InProcess) -> int:
    found: int = query(driver.path, "SELECT position FROM head")[0][0]
    return found


def test_months_are_closed_one_after_the_other(lived_anywhere: InProcess, tmp_path: Path) -> None:
    lived = lived_anywhere
    for month in (JANUARY, FEBRUARY):
        lines = lines_of(lived, month)
        file = file_of(tmp_path, lines)
        before = reconciled(lived, Period(begins=month.begins, as_of=month.ends - 1), file).document
        assert before["counts"]["toBook"] == len(lines)
        closed = close_it(lived, month, file)
        assert closed["booked"] == len(lines) > 0
        assert closed["run"]["clean"]
        assert closed["run"]["counts"]["toBook"] == 0
        assert {one["type"] for one in closed["run"]["shifted"]} <= {"chargeback", "credit_refund"}
        position, root = query(lived.path, "SELECT position, tree_root FROM closed_months ORDER BY month DESC")[0]
        assert (closed["position"], closed["treeRoot"]) == (position, root)
        File(lived.path).check()
    fees = query(lived.path, "SELECT balance_cents FROM balances WHERE account = 'gateway:fees'")[0][0]
    assert fees == sum(line.fee for line in lines_of(lived) if line.at < FEBRUARY.ends)
    again = reconciled(lived, Period(begins=JANUARY.begins, as_of=FEBRUARY.ends - 1), *[])
    assert again.document["clean"]
    assert again.document["counts"]["priorPeriod"] == 0
    with pytest.raises(InvalidState, match="closed already"):
        close_it(lived, JANUARY)


def test_the_banks_statement_settles_withdrawals_and_payouts(lived: InProcess, tmp_path: Path) -> None:
    """All of it in one file a month, as camt.053."""
    lived.catch_up()
    for tester in TESTERS * 2:
        lived.ask(Withdraw(tester, 1))
    lived.move_to(lived.clock.at + 40 * DAY)
    lived.catch_up()
    log = File(lived.path).recorded
    gateway = gateway_lines(log)
    moved = bank_lines(log, gateway)
    assert {line.cents > 0 for line in moved if line.withdrawal_id} == {True, False}, "some came back"
    months = [month_of(name) for name in ("2025-01", "2025-02", "2025-03")]
    for month in months:
        files = [file_of(tmp_path, [line for line in gateway if month.begins <= line.at < month.ends])]
        own = [line for line in moved if month.begins <= line.at < month.ends]
        files.append(tmp_path / "bank.xml")
        files[1].write_text(camt_053(own))
        closed = close_it(lived, month, *files)
        assert closed["run"]["bank"]["lines"] == len(own)
        assert [one["category"] for one in closed["run"]["breaks"]] in ([], ["timing"])
        again = reconciled(lived, Period(begins=month.begins, as_of=month.ends - 1), *files)
        assert list(again.bookings()) == [], "what was booked is booked once"
    File(lived.path).check()
    balances: dict[str, int] = dict(query(lived.path, "SELECT account, balance_cents FROM balances"))
    assert balances["bank"] == sum(line.cents for line in moved)
    assert balances["payouts:clearing"] == 0
    came_back = sum(line.cents for line in moved if line.withdrawal_id and line.cents > 0)
    taken = query(lived.path, "SELECT sum(withdrawn_cents) FROM wallets")[0][0]
    assert taken == -sum(line.cents for line in moved if line.withdrawal_id and line.cents < 0) - came_back


def test_what_was_paid_on_its_day_is_not_paid_before_it_was_withdrawn(lived: InProcess, tmp_path: Path) -> None:
    """A bank tells the day alone, which begins before the withdrawal: as of noon the books have neither."""
    lived.catch_up()
    evening = lived.clock.at + DAY - lived.clock.at % DAY + 18 * HOUR
    lived.move_to(evening)
    for tester in TESTERS:
        lived.ask(Withdraw(tester, 1))
    paid = [line._replace(at=evening) for line in bank_lines(File(lived.path).recorded, []) if line.cents < 0]
    assert paid
    march, bank = month_of("2025-03"), tmp_path / "bank.xml"
    bank.write_text(camt_053(paid))
    lived.move_to(march.ends + DAY)
    close_it(lived, march, bank)
    for at in (evening - 6 * HOUR, evening - 1, evening):
        assert reconciled(lived, Period(as_of=at)).result.breaks == ()


def test_what_was_booked_belongs_to_the_month_of_the_statement(lived: InProcess, tmp_path: Path) -> None:
    file = file_of(tmp_path, lines_of(lived, JANUARY))
    close_it(lived, JANUARY, file)
    january = reconciled(lived, Period(begins=JANUARY.begins, as_of=JANUARY.ends - 1), file).document
    february = reconciled(lived, Period(begins=FEBRUARY.begins, as_of=FEBRUARY.ends - 1)).document
    fees = {row["kind"]: row for row in january["rollForward"]}["gateway:fees"]
    assert fees["debitCents"] - fees["creditCents"] == sum(line.fee for line in lines_of(lived, JANUARY)) > 0
    assert [row["openingCents"] for row in february["rollForward"]] == [
        row["closingCents"] for row in january["rollForward"]
    ]


def test_a_month_that_is_not_over_is_not_closed(lived: InProcess) -> None:
    lived.catch_up()
    before = position(lived)
    with pytest.raises(InvalidState, match="2025-03 is not over"):
        close_it(lived, month_of("2025-03"))
    lived.move_to(FEBRUARY.ends + 40 * DAY)
    assert position(lived) == before
    close_it(lived, month_of("2025-03"))


def test_deadlines_of_the_month_are_written_before_it_is_closed(lived: InProcess) -> None:
    close_it(lived, FEBRUARY)
    at = query(lived.path, "SELECT position FROM closed_months")[0][0]
    later = [one for one in File(lived.path).recorded if one.position > at]
    assert all(one.occurred_at >= FEBRUARY.ends for one in later)


def test_nothing_is_booked_while_anything_differs_until_two_operators_have_settled_it(
    lived_anywhere: InProcess, tmp_path: Path
) -> None:
    lived = lived_anywhere
    lived.catch_up()
    lines = lines_of(lived, JANUARY)
    nobodys = nobodys_charge(lived, JANUARY)
    file = file_of(tmp_path, [*lines, nobodys])
    entries = query(lived.path, "SELECT count(*) FROM journal")[0][0]
    with pytest.raises(InvalidState, match="one break is open") as refused:
        close_it(lived, JANUARY, file)
    assert query(lived.path, "SELECT count(*) FROM journal")[0][0] == entries
    found = re.search("reconciliation ([0-9a-f-]{36})", str(refused.value))
    assert found is not None
    run_id = UUID(found[1])
    with pytest.raises(InvalidState, match=f"a break is open, as reconciliation {run_id}"):
        close_it(lived, JANUARY)
    pat, pia = (Actor(ActorKind.OPERATOR, lived.uuid_of(name), None) for name in ("Pat", "Pia"))

    async def settle() -> None:
        await lived.local.ask(propose(run_id, 1, "a test of the gateway's"), actor=pat)
        await lived.local.ask(confirm(run_id, 1), actor=pia)

    lived.run(settle())
    closed = close_it(lived, JANUARY, file)
    assert closed["booked"] == len(lines) + 1
    clearing = {row["kind"]: row for row in closed["run"]["rollForward"]}["gateway:clearing"]
    taken_back = sum(line.gross for line in lines if line.gross < 0)
    assert clearing["closingCents"] == sum(line.gross - line.fee for line in [*lines, nobodys]) - taken_back
    assert taken_back < 0, "it changes what its owner has now, and belongs to this month"
    assert closed["run"]["counts"]["priorPeriod"] == 0


def test_what_a_statement_told_stays_open_until_another_one_is_looked_at(lived: InProcess, tmp_path: Path) -> None:
    """A run of another period, or without a statement, has not looked for it."""
    lived.catch_up()
    lines = lines_of(lived, JANUARY)
    lacking = [line for line in lines if line is not next(one for one in lines if one.category == books.CHARGE)]
    with pytest.raises(InvalidState, match="open"):
        close_it(lived, JANUARY, file_of(tmp_path, lacking, "lacking.csv"))
    bank = tmp_path / "bank.xml"
    bank.write_text(camt_053([]))
    whole = Period(begins=JANUARY.begins, as_of=JANUARY.ends - 1)

    async def keep(period: Period, files: list[Path]) -> None:
        await lived.local.ask(keep_run(uuid4(), reconciled(lived, period, *files).kept))

    for period, files in (
        (Period(begins=JANUARY.ends), [file_of(tmp_path, lines_of(lived, FEBRUARY), "february.csv")]),
        (whole, []),
        (whole, [bank]),
        (replace(whole, known_at=lived.clock.at), [file_of(tmp_path, lines)]),
    ):
        lived.run(keep(period, files))
        with pytest.raises(InvalidState, match=r"(a break is|\d+ breaks are) open, as reconciliation"):
            close_it(lived, JANUARY)
    lived.run(keep(whole, [file_of(tmp_path, lines)]))
    assert close_it(lived, JANUARY)["month"] == "2025-01"


def test_what_one_side_told_stays_open_while_only_the_other_sides_statement_is_given(
    lived_anywhere: InProcess, tmp_path: Path
) -> None:
    """Leaving out the bank's statement does not make what it told go away, nor the gateway's."""
    lived = lived_anywhere
    lived.catch_up()
    gateway, bank = file_of(tmp_path, lines_of(lived, JANUARY)), tmp_path / "bank.xml"
    bank.write_text(camt_053([BankLine("B-nobodys", JANUARY.begins + 9 * DAY, -4_242)]))
    with pytest.raises(InvalidState, match="one break is open"):
        close_it(lived, JANUARY, bank)
    with pytest.raises(InvalidState, match=r"a break is open, as reconciliation [0-9a-f-]{36} has found"):
        close_it(lived, JANUARY, gateway)
    bank.write_text(camt_053([]))
    assert close_it(lived, JANUARY, gateway, bank)["month"] == "2025-01"
    lacking = file_of(tmp_path, [*lines_of(lived, FEBRUARY), nobodys_charge(lived, FEBRUARY)], "february.csv")
    with pytest.raises(InvalidState, match="one break is open"):
        close_it(lived, FEBRUARY, lacking)
    with pytest.raises(InvalidState, match="a break is open, as reconciliation"):
        close_it(lived, FEBRUARY, bank)


def test_what_is_missing_grows_old_also_where_nothing_else_happens(tmp_path: Path) -> None:
    """A purchase of the 5th that the gateway never charged is not on its way at the end of the month."""
    where = tmp_path / "tallyhold.sqlite"
    new_database(where, JANUARY.begins)
    with closing(InProcess(where, HandClock(JANUARY.begins + 4 * DAY), watched=False)) as driver:
        driver.ask(Buy("Olga", 5_000))
        nothing = file_of(tmp_path, [])
        driver.move_to(JANUARY.begins + 5 * DAY)
        now = reconciled(driver, Period(), nothing)
        assert [(one.category, one.since) for one in now.result.breaks] == [("timing", JANUARY.begins + 4 * DAY)]
        assert now.document["log"]["endsAt"] == "2025-01-06T00:00:00Z"
        driver.move_to(JANUARY.ends + 3 * DAY)
        with pytest.raises(InvalidState, match="one break is open"):
            close_it(driver, JANUARY, nothing)
        ((item,),) = query(where, "SELECT item FROM reconciliations")
        assert json.loads(item)["endsAt"] == "2025-01-31T23:59:59.999Z"
        made = reconciled(driver, Period(as_of=JANUARY.ends - 1), nothing)
        page = run_page(made.document)
        assert '<p class="lead">1 break. ' in page
        assert '<td class="n">-50.00</td><td>26 d</td><td>adjust</td><td>purchase ' in page
        (row,) = csv.DictReader(breaks_csv(made.result))
        assert (row["age_seconds"], row["remedy"], row["account"]) == ("2332799", "adjust", "gateway:clearing")


def test_a_statement_is_read_once(lived: InProcess, tmp_path: Path) -> None:
    """It may be a pipe."""
    lines, pipe = lines_of(lived, JANUARY), tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_text, args=(gateway_csv(lines),), daemon=True)
    writer.start()
    assert close_it(lived, JANUARY, pipe)["booked"] == len(lines)
    writer.join(10)


def take_in_a_late_chargeback(driver: InProcess, dated_at: Instant) -> UUID:
    """Of a cent of January's first purchase, with a fee of 15.00; the owner's id."""
    first = next(line for line in lines_of(driver, JANUARY) if line.purchase_id is not None)
    told = books.GatewayLineBooked(
        reference="txn_late",
        category=books.DISPUTE,
        gross_cents=-1,
        fee_cents=1_500,
        fee_returned_cents=0,
        reversed_cents=1,
        purchase_id=first.purchase_id,
        owner_id=first.owner_id,
        payout_id="",
        dated_at=dated_at,
        statement="aa" * 32,
    )

    async def take_in() -> None:
        await driver.local.ask(book([told]))

    driver.run(take_in())
    assert first.owner_id is not None
    return first.owner_id


def test_what_comes_into_a_closed_month_later_is_told_as_such(lived: InProcess, tmp_path: Path) -> None:
    close_it(lived, JANUARY, file_of(tmp_path, lines_of(lived, JANUARY)))
    owner_id = take_in_a_late_chargeback(lived, JANUARY.ends - DAY)
    january = reconciled(lived, Period(begins=JANUARY.begins, as_of=JANUARY.ends - 1)).document
    assert [(one["type"], one["amountCents"], one["month"]) for one in january["priorPeriod"]] == [
        ("gateway_fee", 1_500, "2025-01")
    ]
    (shifted,) = (one for one in january["shifted"] if "txn_late" in one["description"])
    assert (shifted["type"], shifted["amountCents"], shifted["countsHere"]) == ("chargeback", 1, False)
    between = reconciled(lived, Period(begins=FEBRUARY.begins, as_of=FEBRUARY.ends - 1)).document
    assert between["priorPeriod"] == january["priorPeriod"], "February does not begin with what January ended with"
    later = reconciled(lived, Period(begins=FEBRUARY.begins + DAY, as_of=FEBRUARY.ends - 1)).document
    assert later["counts"]["priorPeriod"] == 0, "neither dated nor written in it, nor is it the next month"
    close_it(lived, FEBRUARY)
    ((evidence,),) = query(lived.path, "SELECT evidence FROM reconciliations ORDER BY position DESC LIMIT 1")
    assert json.loads(evidence)["priorPeriod"] == january["priorPeriod"], "the run that is kept lists them as well"
    march = reconciled(lived, Period(begins=FEBRUARY.ends, as_of=FEBRUARY.ends)).document
    assert march["counts"]["priorPeriod"] == 0, "February was closed with it"
    now = reconciled(lived, Period(begins=FEBRUARY.ends)).document
    assert sorted(one["type"] for one in now["priorPeriod"]) == ["chargeback", "gateway_fee"]
    theirs = statement(File(lived.path).recorded, owner_id, month_of("2025-03"), lived.now(), is_owner=True)
    flagged = [one for one in theirs.movements if one.is_prior_period]
    assert [one.type for one in flagged] in ([], ["chargeback"])
    assert all(one.dated_at == JANUARY.ends - DAY for one in flagged)


def test_a_statement_that_comes_after_its_month_was_closed_is_taken_in(
    lived_anywhere: InProcess, tmp_path: Path
) -> None:
    """Else the gateway's fees and payouts of a month that was closed without it would never be in the books."""
    lived = lived_anywhere
    closed = close_it(lived, JANUARY)
    assert (closed["booked"], closed["closedBefore"]) == (0, False)
    lines = lines_of(lived, JANUARY)
    file = file_of(tmp_path, lines)
    wrong = file_of(tmp_path, [*lines, nobodys_charge(lived, JANUARY)], "wrong.csv")
    with pytest.raises(InvalidState, match="Nothing is taken in: one break is open"):
        close_it(lived, JANUARY, wrong)
    late = close_it(lived, JANUARY, file)
    assert (late["booked"], late["closedBefore"]) == (len(lines), True)
    assert late["position"] > closed["position"]
    assert query(lived.path, "SELECT month, position FROM closed_months") == [("2025-01", closed["position"])]
    january = late["run"]
    assert (january["clean"], january["counts"]["toBook"]) == (True, 0)
    assert {one["type"] for one in january["priorPeriod"]} == {"gateway_fee"}
    fees = query(lived.path, "SELECT balance_cents FROM balances WHERE account = 'gateway:fees'")[0][0]
    assert fees == sum(line.fee for line in lines) > 0
    for files in ([file], []):
        with pytest.raises(InvalidState, match="2025-01 is closed already"):
            close_it(lived, JANUARY, *files)
    assert close_it(lived, FEBRUARY, file_of(tmp_path, lines_of(lived, FEBRUARY), "february.csv"))["booked"]
    File(lived.path).check()


def test_a_wrong_statement_closes_nothing(lived: InProcess, tmp_path: Path) -> None:
    lived.catch_up()
    before = position(lived)
    file = file_of(tmp_path, lines_of(lived, JANUARY))
    file.write_text(file.read_text().replace("usd", "eur"))
    with pytest.raises(StatementWrong, match="line 2: currency is 'eur'"):
        close_it(lived, JANUARY, file)
    another = file_of(tmp_path, lines_of(lived, FEBRUARY), "february.csv")
    with pytest.raises(StatementWrong, match=r"february.csv, line 2: created_utc is .*outside of the period"):
        close_it(lived, JANUARY, another)
    assert position(lived) == before


def test_a_month_is_one_of_its_time_zone(lived: InProcess) -> None:
    berlin = month_of("2025-01", "Europe/Berlin")
    assert JANUARY.begins - berlin.begins == JANUARY.ends - berlin.ends == DAY // 24
    assert close_it(lived, berlin)["timezone"] == "Europe/Berlin"
    assert len(month_of("2025-03", "Europe/Berlin").days()) == 31, "its last Sunday has 23 hours"
    with pytest.raises(ValueError, match="time zone"):
        month_of("2025-01", "Mars/Olympus")


def test_a_late_statement_is_read_in_the_time_zone_in_which_its_month_was_closed(
    lived: InProcess, tmp_path: Path
) -> None:
    close_it(lived, month_of("2025-01", "America/New_York"))
    late, before = file_of(tmp_path, lines_of(lived, JANUARY)), position(lived)
    with pytest.raises(InvalidState, match=r"was closed in America/New_York; .* --timezone America/New_York"):
        close_it(lived, JANUARY, late)
    assert position(lived) == before
    lines = [line for line in lines_of(lived) if line.at < JANUARY.ends]
    assert close_it(lived, month_of("2025-01", "America/New_York"), file_of(tmp_path, lines, "own.csv"))["booked"]


def test_a_month_is_closed_from_the_command_line(lived: InProcess, tmp_path: Path) -> None:
    lived.move_to(FEBRUARY.ends + 5 * DAY)
    file = file_of(tmp_path, lines_of(lived, JANUARY))
    key, db = str(master_key_of_locals(tmp_path)), url_of(lived.path)
    asked = ("close", "--month", "2025-01", "--statement", str(file), "--db", db)
    outcome = tallyhold(*asked, "--json", TALLYHOLD_MASTER_KEY_FILE=key)
    assert outcome.returncode == 0, outcome.stderr
    closed = json.loads(outcome.stdout)
    assert (closed["month"], len(closed["treeRoot"])) == ("2025-01", 64)
    failed(tallyhold(*asked, TALLYHOLD_MASTER_KEY_FILE=key), 1, "closed already")
    late = file_of(tmp_path, [GatewayLine("txn_late", "fee", JANUARY.ends - DAY, -100, 0)], "late.csv")
    outcome = tallyhold(*asked, "--statement", str(late), TALLYHOLD_MASTER_KEY_FILE=key)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith("2025-01 (UTC) was closed before; looked again at position ")
    assert "\n1 line of statements taken into the books\n" in outcome.stdout
    ((entry,),) = query(lived.path, "SELECT max(entry) FROM journal")
    outcome = tallyhold("explain", entry_id(entry), "--db", db, TALLYHOLD_MASTER_KEY_FILE=key)
    assert "the gateway's fee on fee txn_late" in outcome.stdout
    assert "request" not in outcome.stdout, "nobody asked over HTTP"
    outcome = tallyhold(
        "close", "--month", "2025-02", "--timezone", "Europe/Berlin", "--db", db, TALLYHOLD_MASTER_KEY_FILE=key
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith("closed 2025-02 (Europe/Berlin) at position ")
    failed(tallyhold("close", "--month", "February", "--db", db), 2, "--month must be a month")
    failed(tallyhold("close", "--month", "2025-02", "--timezone", "X", "--db", db), 2, "--timezone must be")


def test_a_shifted_entry_has_the_days_of_the_runs_zone(lived: InProcess) -> None:
    take_in_a_late_chargeback(lived, JANUARY.ends - HOUR // 2)
    for timezone, dated, counted in (("UTC", "2025-01-31", "2025-03-05"), ("Asia/Tokyo", "2025-02-01", "2025-03-05")):
        made = reconciled(lived, Period(as_of=lived.now() - 1), timezone=timezone).document
        told = next(line for line in summary(made) if "txn_late" in line and line.startswith("dated"))
        assert told.startswith(f"dated {dated} and counted {counted}, ")
        assert f"<td>{dated}</td><td>{counted}</td>" in run_page(made)


def test_the_evidence_of_two_people_agrees_wherever_their_files_lie(lived: InProcess, tmp_path: Path) -> None:
    found = []
    for folder in (tmp_path / "ann", tmp_path / "ben" / "of the bank"):
        folder.mkdir(parents=True)
        nobodys = BankLine("B-x", JANUARY.begins + DAY, 900)
        (folder / "bank.xml").write_text(camt_053([nobodys]))
        gateway = file_of(folder, [nobodys_charge(lived, JANUARY)], "gateway.csv")
        period = Period(begins=JANUARY.begins, as_of=JANUARY.ends - 1)
        made = reconciled(lived, period, gateway, folder / "bank.xml")
        found.append("".join(breaks_csv(made.result)))
    assert found[0] == found[1]
    assert "txn_x (gateway.csv, line 2)" in found[0]
    assert "B-x (bank.xml, line" in found[0]
    told = list(summary(made.document))
    assert any(line.startswith("gateway, charge: 1 line, ") for line in told)
    assert "bank: 1 movement, in 9.00, out 0.00" in told
