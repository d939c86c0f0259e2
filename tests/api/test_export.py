"""The journal for other programs: two independent ones find a simulated year right, and one changed cent wrong."""

import csv
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from api.store.sqlite import open_log
from domain.ledger.journal import EntryType
from projections.export.amounts import decimal
from projections.export.csv_text import csv_line
from tests.local import execute, query
from tests.program import failed, tallyhold, url
from tests.simulation.lives import live_a_year

JOURNAL_ROWS = "SELECT type, debit_account, credit_account, amount_cents, stream, version FROM journal ORDER BY entry"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("year") / "tallyhold.sqlite"
    live_a_year(path, 7, 900, told_by_others=True)
    return path


def exported(path: Path, form: str) -> str:
    outcome = tallyhold("export", "journal", "--format", form, "--db", url(path))
    assert outcome.returncode == 0, outcome.stderr
    assert not outcome.stderr, "a bar is for terminals"
    return outcome.stdout


def check(journal: str, folder: Path, form: str) -> subprocess.CompletedProcess[str]:
    """Ask the program whose form it is."""
    assert shutil.which("hledger"), "The program hledger is missing: apt-get install hledger, as .ci/run does."
    file = folder / f"journal.{form}"
    file.write_text(journal)
    commands = {
        "hledger": ["hledger", "-f", str(file), "check", "--strict"],
        "beancount": [sys.executable, "-c", "from beancount.scripts.check import main; main()", str(file)],
    }
    return subprocess.run(commands[form], capture_output=True, text=True, check=False, timeout=120)


def test_a_year_has_every_type_of_entry(path: Path) -> None:
    types = {kind for (kind,) in query(path, "SELECT DISTINCT type FROM journal")}
    assert types == set(EntryType)


@pytest.mark.parametrize("form", ["hledger", "beancount"])
def test_another_program_finds_a_year_right(path: Path, tmp_path: Path, form: str) -> None:
    journal = exported(path, form)
    checked = check(journal, tmp_path, form)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    balances = {"hledger": r"balances at the end of the day", "beancount": r" balance "}
    entries = query(path, "SELECT count(*) FROM journal")[0][0]
    assert len(re.findall(r"event: ?\"?[0-9a-f-]{36}/", journal)) == entries
    assert len(re.findall(balances[form], journal)) >= 20


@pytest.mark.parametrize("form", ["hledger", "beancount"])
@pytest.mark.parametrize("place", ["one half", "both halves", "a balance"])
def test_one_changed_cent_is_found(path: Path, tmp_path: Path, form: str, place: str) -> None:
    journal = exported(path, form)
    if place == "a balance":
        signs = {"hledger": r"= (-?\d+\.\d\d) USD", "beancount": r" (-?\d+\.\d\d) ~"}
        found = list(re.finditer(signs[form], journal))[40]
        changed = _put(journal, found.span(1), _a_cent_more(found[1]))
    else:
        entry = list(re.finditer(r"  (\d+\.\d\d) USD\n.*  -(\d+\.\d\d) USD\n", journal))[60]
        changed = _put(journal, entry.span(1), _a_cent_more(entry[1]))
        if place == "both halves":
            second = entry.start(2) + len(_a_cent_more(entry[1])) - len(entry[1])
            changed = _put(changed, (second, second + len(entry[2])), _a_cent_more(entry[2]))
    checked = check(changed, tmp_path, form)
    assert checked.returncode != 0


def _a_cent_more(amount: str) -> str:
    return decimal(int(amount.replace(".", "")) + 1)


def _put(text: str, place: tuple[int, int], new: str) -> str:
    return text[: place[0]] + new + text[place[1] :]


def test_rows_are_the_journal_in_csv_and_in_parquet(path: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(path, "csv"))))
    assert [
        (r["type"], r["debit_account"], r["credit_account"], int(r["amount_cents"]), r["stream"], int(r["version"]))
        for r in rows
    ] == query(path, JOURNAL_ROWS)
    for each in rows:
        assert each["amount"] == decimal(int(each["amount_cents"]))
        assert each["occurred_at"].startswith(each["date"])
        assert each["entry"].startswith(each["position"] + "-")
    file = tmp_path / "journal.parquet"
    outcome = tallyhold("export", "journal", "--format", "parquet", "--out", str(file), "--db", url(path))
    assert outcome.returncode == 0, outcome.stderr
    table = pq.read_table(file).to_pylist()
    assert [{k: "" if v is None else str(v) for k, v in one.items()} for one in table] == [
        {k: v for k, v in one.items() if k != "amount"} for one in rows
    ]


def test_a_file_that_is_there_is_left_as_it_is(path: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text("mine")
    outcome = tallyhold("export", "journal", "--format", "csv", "--out", str(mine), "--db", url(path))
    failed(outcome, 1, "already a file")
    assert mine.read_text() == "mine"
    outcome = tallyhold("export", "journal", "--format", "csv", "--out", str(tmp_path / "no" / "x"), "--db", url(path))
    failed(outcome, 1, "cannot be written")
    assert [one.name for one in tmp_path.iterdir()] == ["mine.csv"]


def test_an_event_that_cannot_be_read_ends_an_export_and_leaves_no_file(tmp_path: Path) -> None:
    path, out = tmp_path / "tallyhold.sqlite", tmp_path / "journal.csv"
    live_a_year(path, 3, 40)
    execute(path, "UPDATE stored_events SET state = substr(state, 1, 50) WHERE position = 12")
    failed(tallyhold("export", "journal", "--format", "csv", "--out", str(out), "--db", url(path)), 1, "position 12")
    assert not out.exists()


def test_an_unknown_form_is_wrong_usage(path: Path) -> None:
    assert tallyhold("export", "journal", "--format", "excel", "--db", url(path)).returncode == 2


def test_an_empty_log_has_an_empty_journal(tmp_path: Path) -> None:
    path = tmp_path / "tallyhold.sqlite"
    open_log(path).close()
    assert len(exported(path, "csv").splitlines()) == 1
    for form in ("hledger", "beancount"):
        assert check(exported(path, form), tmp_path, form).returncode == 0


def test_who_stops_reading_is_no_error(path: Path) -> None:
    command = f"{sys.executable} -m api.main export journal --format csv --db {url(path)} | head -n 1"
    outcome = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stderr) == (0, "")


def test_no_text_is_a_formula_and_every_text_stays_in_its_cell() -> None:
    texts = ["=1+1", "=1", "@x", 'a "b"', "a,b", "a\nb", "-1.50", "+1", "-x"]
    assert next(csv.reader([csv_line(texts)])) == ["'=1+1", "'=1", "'@x", 'a "b"', "a,b", "a\nb", "-1.50", "+1", "'-x"]
    begun = [f"{character}=1" for character in "\t\r\n"]
    assert list(csv.reader(io.StringIO(csv_line(begun), newline=""))) == [[f"'{text}" for text in begun]]
