"""`tallyhold reconcile` as the people use it who close the month."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.cli.reconciling import statement_file
from api.service.reads import BreakFilter
from api.store.event_log import EventLog
from api.store.sandbox_gateway import SQLiteGateway
from api.store.sql_reads import SQLReads
from api.store.sql_snapshot import snapshot
from api.store.sqlite_session import SQLiteReader
from projections.reconcile.gateway import Gateway
from projections.reconcile.period import Period
from projections.reconcile.reconciliation import reconcile
from projections.reconcile.statement import COLUMNS, PURCHASE, StatementLine, StatementWrong
from projections.times import iso
from tests.given import NOW
from tests.local import HandClock, database, everything, execute, master_key_of_locals, query
from tests.program import environment, failed, tallyhold, url
from tests.simulation.commands import Buy
from tests.simulation.drivers import InProcess
from tests.simulation.lives import YEAR, live_a_year
from tests.simulation.model import DAY

Json = dict[str, Any]


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database in it, and with the gateway's."""
    folder: Path = tmp_path_factory.mktemp("year")
    live_a_year(folder / "tallyhold.sqlite", 11, 300)
    return folder


@pytest.fixture
def path(year: Path, tmp_path: Path) -> Path:
    shutil.copytree(year, tmp_path, dirs_exist_ok=True)
    return tmp_path / "tallyhold.sqlite"


@pytest.fixture
def statement(path: Path) -> Path:
    """The sandbox gateway's own book of the year."""
    file = path.with_name("statement.csv")
    with closing(SQLiteGateway(path.with_name(path.name + ".gateway"))) as gateway:
        file.write_text("".join(gateway.statement(None, None)), newline="")
    return file


def told(path: Path, *options: str, code: int = 0) -> Json:
    outcome = tallyhold("reconcile", "--json", "--db", url(path), *options)
    assert outcome.returncode == code, outcome.stdout + outcome.stderr
    made: Json = json.loads(outcome.stdout)
    return made


def test_a_sound_year_agrees_with_the_gateways_book(path: Path, statement: Path) -> None:
    run = told(path, "--statement", str(statement))
    assert run["clean"]
    assert run["breaks"] == []
    assert run["log"]["position"] == query(path, "SELECT position FROM head")[0][0]
    assert len(run["log"]["treeRoot"]) == 64
    assert run["statements"][0]["sha256"] == sha256(statement.read_bytes()).hexdigest()
    purchased = query(path, "SELECT sum(amount_cents) FROM purchases WHERE status = 'completed'")[0][0]
    assert [one["grossCents"] for one in run["gateway"]] == [purchased]
    by_kind = {row["kind"]: row for row in run["rollForward"]}
    assert by_kind["gateway:clearing"]["closingCents"] == purchased
    assert sum(one["cents"] for one in run["ageing"]["openHolds"]) == by_kind["owner:escrow"]["closingCents"]


def test_people_read_it_on_a_terminal(path: Path) -> None:
    outcome = tallyhold("reconcile", "--db", url(path))
    assert outcome.returncode == 0
    assert outcome.stdout.endswith("no breaks\n")
    assert "escrow: open holds" in outcome.stdout
    _, accounts, *_ = outcome.stdout.split("\n\n")
    assert len({len(row) for row in accounts.splitlines()}) == 1, "its columns stand below each other"


@pytest.mark.parametrize("options", [(), ("--csv",), ("--json",)])
def test_who_reads_it_may_stop_reading(path: Path, options: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "api.main", "reconcile", "--db", url(path), *options]
    with os.fdopen(writing, "wb") as nobody:
        done = subprocess.run(command, env=environment(), stdout=nobody, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_was_changed_behind_the_programs_back_is_named_by_its_event(path: Path) -> None:
    entry = query(path, "SELECT entry FROM journal WHERE type = 'escrow_hold' LIMIT 1")[0][0]
    execute(path, "UPDATE journal SET amount_cents = amount_cents + 1 WHERE entry = ?", entry)
    execute(path, "UPDATE balances SET balance_cents = balance_cents - 5 WHERE account = 'platform:fees'")
    run = told(path, code=1)
    assert not run["clean"]
    assert run["counts"]["byCategory"] == {"read_model_drift": 2}
    assert {one["amountCents"] for one in run["breaks"]} == {1, -5}
    assert [entry // 4] in [one["positions"] for one in run["breaks"]]
    outcome = tallyhold("reconcile", "--csv", "--db", url(path))
    assert outcome.returncode == 1
    rows = list(csv.DictReader(io.StringIO(outcome.stdout)))
    assert sorted(row["amount"] for row in rows) == ["-0.05", "0.01"]


def test_a_run_is_left_behind_as_evidence(path: Path, statement: Path, tmp_path: Path) -> None:
    folder, page = tmp_path / "evidence" / "october", tmp_path / "run.html"
    asked = (
        "--fee-basis-points",
        "2500",
        "--statement",
        str(statement),
        "--out",
        str(folder),
        "--html",
        str(page),
        "--from",
        "2025-01-16",
    )
    run = told(path, *asked)
    assert {one.name for one in folder.iterdir()} == {"run.json", "breaks.csv", "roll_forward.csv", "run.html"}
    assert json.loads((folder / "run.json").read_text()) == run
    assert page.read_text() == (folder / "run.html").read_text()
    assert "<script" not in page.read_text()
    assert "What if the fee were 2500 basis points" in page.read_text()
    rows = list(csv.DictReader(io.StringIO((folder / "roll_forward.csv").read_text())))
    assert sum(int(r["debit_cents"]) for r in rows) == sum(int(r["credit_cents"]) for r in rows) > 0
    closing_of = {r["account"]: int(r["closing_cents"]) for r in rows}
    assert (
        closing_of["gateway:clearing"]
        == query(path, "SELECT balance_cents FROM balances WHERE account = 'gateway:clearing'")[0][0]
    )
    failed(tallyhold("reconcile", "--out", str(folder), "--db", url(path)), 1, "new folder")


def test_a_part_of_the_year_counts_what_had_occurred_by_then(path: Path) -> None:
    ends = NOW + YEAR // 2
    begins = NOW + YEAR // 4
    part = told(path, "--from", iso(begins), "--as-of", iso(ends))
    entries = query(path, "SELECT count(*) FROM journal WHERE occurred_at <= ?", ends)[0][0]
    assert part["counts"]["entries"] == entries
    assert part["log"]["endsAt"] == iso(ends)
    before = told(path, "--as-of", iso(begins - 1))
    assert [row["openingCents"] for row in part["rollForward"]] == [
        row["closingCents"] for row in before["rollForward"]
    ]
    assert told(path, "--known-at", iso(ends))["counts"]["entries"] <= entries


def test_a_run_can_be_kept_for_operators(path: Path, statement: Path) -> None:
    lines = statement.read_text().splitlines(keepends=True)
    statement.write_text("".join([lines[0], *lines[2:]]), newline="")
    key = str(master_key_of_locals(path.parent))
    asked = ("reconcile", "--keep", "--statement", str(statement), "--db", url(path))
    outcome = tallyhold(*asked, TALLYHOLD_MASTER_KEY_FILE=key)
    assert outcome.returncode == 1, outcome.stderr
    run_id = outcome.stderr.strip().removeprefix("kept as reconciliation ")
    with closing(SQLReads(database(path).reader(), lambda *_: None)) as reads:
        run = reads.reconciliation(UUID(run_id))
        breaks = reads.reconciliation_breaks(UUID(run_id), BreakFilter(), None, 10).items
    assert (run["breaks"], run["createdBy"]["kind"]) == (1, "console")
    assert (breaks[0]["category"], breaks[0]["account"]) == ("missing_at_gateway", "gateway:clearing")


@pytest.mark.parametrize("option", ["--out", "--html"])
def test_a_run_whose_files_have_no_place_is_not_kept(path: Path, option: str) -> None:
    before = everything(path)
    key = str(master_key_of_locals(path.parent))
    asked = ("reconcile", "--keep", option, str(path), "--db", url(path))
    failed(tallyhold(*asked, TALLYHOLD_MASTER_KEY_FILE=key), 1, "There is already a")
    assert everything(path) == before


def test_what_if_tells_and_changes_nothing(path: Path) -> None:
    before = everything(path)
    run = told(path, "--fee-basis-points", "6000")
    assert everything(path) == before
    fees = query(path, "SELECT sum(amount_cents) FROM journal WHERE type = 'settlement_fee'")[0][0]
    what_if = run["whatIf"]
    assert what_if["feeCents"] == fees
    assert what_if["wouldBeFeeCents"] > fees
    assert what_if["feeDifferenceCents"] == sum(one["feeDifferenceCents"] for one in what_if["owners"])
    same = told(path, "--fee-basis-points", "3000")["whatIf"]
    assert (same["feeDifferenceCents"], same["holdCents"]) == (0, same["wouldBeHoldCents"])
    assert told(path)["whatIf"] is None
    nothing_posted = ("--fee-basis-points", "0", "--from", iso(NOW + YEAR + 40 * DAY))
    none = told(path, *nothing_posted)["whatIf"]
    assert none.pop("owners") == []
    assert set(none.values()) == {0}
    outcome = tallyhold("reconcile", "--db", url(path), *nothing_posted)
    assert "at 0 basis points 0 jobs would have paid fees of 0.00 in place of 0.00" in outcome.stdout


def test_a_log_that_grows_meanwhile_is_compared_as_it_was(path: Path) -> None:
    with closing(InProcess(path, HandClock(NOW + YEAR + 40 * DAY))) as driver, snapshot(SQLiteReader.of(path)) as began:
        log = EventLog(driver.local.log).events(began.position, lambda done, total: None)

        def growing() -> Iterator[Any]:
            for number, one in enumerate(log):
                if number % 50 == 0:
                    assert driver.ask(Buy("Olga", 5_000)) is None
                yield one

        result = reconcile(growing(), began, Period(), driver.now())
        assert result.breaks == ()
        assert result.events == began.position < driver.local.reads.position()


# Statements that are wrong

LINE = ["po_1", "", "txn_1", "2025-03-01 00:00:00", "", "usd", "10.00", "0.59", "9.41", "charge", "ch_1", "", ""]


def written(folder: Path, *lines: list[str], header: list[str] | None = None) -> str:
    file = folder / "bad.csv"
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([header or list(COLUMNS), *lines])
    return str(file)


def charges(file: Path) -> Iterator[StatementLine]:
    for line in statement_file(file).lines():
        assert isinstance(line, StatementLine)
        yield line


def with_(column: str, value: str) -> list[str]:
    return [value if name == column else cell for name, cell in zip(COLUMNS, LINE, strict=True)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (with_("currency", "eur"), "line 3: currency is 'eur'"),
        (with_("gross", "1000"), "line 3: gross is '1000'; it must be in units of USD with two decimals"),
        (with_("fee", "0.595"), "line 3: fee is '0.595'"),
        (with_("net", "9,41"), "line 3: net is '9,41'"),
        (with_("net", "NaN"), "line 3: net is 'NaN'"),
        (with_("created_utc", "01.03.2025"), "line 3: created_utc is"),
        (with_("created_utc", "2024-11-30 00:00:00"), "line 3: created_utc is 2024-11-30T00:00:00Z, outside"),
        (with_(PURCHASE, "7"), f"line 3: {PURCHASE} is '7'"),
        (with_("balance_transaction_id", ""), "line 3: balance_transaction_id is empty"),
        (LINE, "line 3: txn_1 stands in the statements twice"),
        (LINE[:-1], "line 3: has 12 cells; the header has 13"),
        (with_("description", "x" * 140_000), "line 3: is longer than"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_by_file_and_line(tmp_path: Path, line: list[str], words: str) -> None:
    file = Path(written(tmp_path, LINE, line))
    with pytest.raises(StatementWrong, match=re.escape("bad.csv, " + words)):
        Gateway(charges(file), Period(begins=NOW))


def test_a_wrong_statement_ends_the_run_before_it_begins(path: Path, tmp_path: Path) -> None:
    file = written(tmp_path, LINE, LINE)
    outcome = tallyhold("reconcile", "--statement", file, "--db", url(path))
    failed(outcome, 1, "bad.csv, line 3")
    assert not outcome.stdout


def test_more_lines_than_a_run_takes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.reconcile.statement.MAX_LINES", 2)
    file = written(tmp_path, *([*LINE[:2], f"txn_{n}", *LINE[3:]] for n in range(3)))
    with pytest.raises(StatementWrong, match="line 4: a run takes 2 lines at most"):
        Gateway(charges(Path(file)), Period())


def test_two_gigabytes_are_refused_by_file_and_line_in_the_memory_of_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.reconcile.files.MAX_BYTES", 1_000_000)
    file = tmp_path / "huge.csv"
    with file.open("wb") as stream:
        stream.write(",".join(COLUMNS).encode() + b"\r\n" + b"\r\n" * 600_000)
        stream.truncate(2 * 1024**3)
    tracemalloc.start()
    try:
        with pytest.raises(StatementWrong, match=r"huge.csv, line \d+: the file is longer than 1,000,000 bytes"):
            list(statement_file(file).lines())
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bank.csv", b"Date,Amount\r\n", "line 1: the column balance_transaction_id is missing"),
        ("empty.csv", b"", "line 1: the column"),
        ("statement.xlsx", b"PK\x03\x04\xff\xfe" * 100, "line 1: this is no CSV"),
        ("nul.csv", ",".join(COLUMNS).encode() + b"\r\n\0", "line 2: has the character"),
        ("wide.csv", ",".join(COLUMNS).encode("utf-16-le"), r"line 1: has the character U\+0000"),
    ],
)
def test_other_files_are_no_statements(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StatementWrong, match=f"{name}, {words}"):
        list(statement_file(tmp_path / name).lines())


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StatementWrong, match="No such file"):
        list(statement_file(tmp_path / "none.csv").lines())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--from", "yesterday"), "--from must be"),
        (("--as-of", "2025-13-01"), "--as-of must be"),
        (("--from", "0001-01-01", "--timezone", "Asia/Tokyo"), "--from must be a time in the years 1 to 9999"),
        (("--json", "--csv"), "one of"),
    ],
)  # fmt: skip
def test_wrong_usage_is_told(path: Path, options: tuple[str, ...], words: str) -> None:
    failed(tallyhold("reconcile", "--db", url(path), *options), 2, words)


def test_no_database_no_run(tmp_path: Path) -> None:
    failed(tallyhold("reconcile", "--db", url(tmp_path / "typo.sqlite")), 1, "There is no database")
