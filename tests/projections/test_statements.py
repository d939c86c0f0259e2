"""Statements: every month opens where the last one closed, and all of them together are the ledger."""

import csv
import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.service.credits import rehearse_purchase
from api.service.jobs import create_job
from domain.access.events import Role
from domain.credits.events import ChargedBack
from domain.times import DAY, HOUR
from projections.statements.forms import as_csv, as_html, as_json
from projections.statements.months import Month, month_of
from projections.statements.statement import Figures, Statement, statement
from projections.times import iso
from tests.builders import OWNER, recorded, some_terms
from tests.given import NOW
from tests.local import HandClock, Local, issue_keys, query, run
from tests.program import failed, tallyhold, url
from tests.simulation.books import File
from tests.simulation.lives import live_a_year

OVER = month_of("2027-01").begins
YEAR = [f"2025-{month:02d}" for month in range(1, 13)] + ["2026-01", "2026-02", "2026-03"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("year") / "tallyhold.sqlite"
    live_a_year(path, 21, 900, told_by_others=True)
    return path


@pytest.fixture(scope="module")
def file(path: Path) -> File:
    return File(path)


def year_of(file: File, holder: str, *, is_owner: bool) -> list[Statement]:
    return [statement(file.recorded, UUID(holder), month_of(name), OVER, is_owner=is_owner) for name in YEAR]


def test_an_owners_months_follow_on_each_other_and_end_in_the_billing(file: File) -> None:
    for owner, row in file.billing.items():
        months = year_of(file, owner, is_owner=True)
        now = Figures()
        for made in months:
            assert made.opening == now
            now = made.closing
            *_, (_, (last_free, last_escrow, _)) = made.days()
            assert (last_free, last_escrow) == now[:2]
        owed = file.balances.get(f"owner:{owner}:receivable", 0)
        assert now == (row["balance_cents"], row["held_cents"], owed)
        movements = [one for made in months for one in made.movements]
        assert len(movements) == sum(entry["owner_id"] == owner for entry in file.journal)
        assert all(one.job_title for one in movements if one.job_id)


def test_a_testers_months_end_in_the_wallet(file: File) -> None:
    for tester, row in file.wallets.items():
        months = year_of(file, tester, is_owner=False)
        assert months[-1].closing.free_cents == row["granted_cents"] - row["withdrawn_cents"]
        assert all(a.closing == b.opening for a, b in pairwise(months))
        documents = [json.loads("".join(as_json(made))) for made in months]
        assert sum(one["totals"]["earnedCents"] for one in documents) == row["granted_cents"]
        came_back = sum(one["totals"]["returnedCents"] for one in documents)
        assert sum(one["totals"]["withdrawnCents"] for one in documents) - came_back == row["withdrawn_cents"]


def test_fees_stand_apart_and_all_forms_tell_the_same(file: File) -> None:
    owner = next(iter(file.billing))
    fees = 0
    for made in year_of(file, owner, is_owner=True):
        told = json.loads("".join(as_json(made)))
        fees += told["totals"]["feeCents"]
        opening, *rows, closing = csv.DictReader(io.StringIO("".join(as_csv(made))))
        assert (opening["type"], closing["type"]) == ("opening", "closing")
        assert [int(row["balance_cents"]) for row in rows] == [one["balanceCents"] for one in told["movements"]]
        assert int(opening["balance_cents"]) == told["opening"]["balanceCents"]
        assert int(closing["held_cents"]) == told["closing"]["heldCents"]
        page = "".join(as_html(made))
        assert page.count("<tr>") >= len(rows)
        assert page.count("<polyline") == 3
        assert "<script" not in page and "http" not in page
    assert fees == sum(
        e["amount_cents"] for e in file.journal if e["type"] == "settlement_fee" and e["owner_id"] == owner
    )


def test_what_an_owner_owes_after_a_chargeback_stands_in_every_form() -> None:
    """Of 50 dollars that were spent by then nothing is taken from the free credits."""
    month = month_of("2025-01")
    facts: dict[str, Any] = {"purchase_id": UUID(int=1), "dated_at": NOW}
    spent = ChargedBack(reference="txn_1", credits_cents=0, receivable_cents=5_000, **facts)
    in_part = ChargedBack(reference="txn_2", credits_cents=300, receivable_cents=700, **facts)
    log = [recorded(spent, OWNER), recorded(in_part, OWNER, 2)]
    made = statement(log, OWNER, month, OVER, is_owner=True)
    assert made.closing == Figures(free_cents=-300, owed_cents=5_700)
    assert statement(log, OWNER, month_of("2025-02"), OVER, is_owner=True).opening == made.closing
    told = json.loads("".join(as_json(made)))
    assert told["totals"]["reversedCents"] == 6_000
    assert [told[name]["owedCents"] for name in ("opening", "closing")] == [0, 5_700]
    assert [(one["balanceCents"], one["owedCents"]) for one in told["movements"]] == [(0, 5_000), (-300, 0), (0, 700)]
    rows = list(csv.DictReader(io.StringIO("".join(as_csv(made)))))
    assert [row["owed_cents"] for row in rows] == ["0", "5000", "0", "700", "5700"]
    assert rows[-1]["owed"] == "57.00"
    assert '<td>Closing, owed</td><td class="n">57.00</td>' in "".join(as_html(made))


def test_a_month_that_is_not_over_closes_now_and_says_so(file: File) -> None:
    owner, month = next(iter(file.billing)), month_of("2025-03")
    now = month.begins + 10 * DAY
    log = [one for one in file.recorded if one.occurred_at <= now]
    made = statement(log, UUID(owner), month, now, is_owner=True)
    assert [day for day, _ in made.days()] == [f"2025-03-{n:02d}" for n in range(1, 12)]
    told = json.loads("".join(as_json(made)))
    assert (told["closesAt"], told["isFinal"]) == ("2025-03-11T00:00:00Z", False)
    *_, closing = csv.DictReader(io.StringIO("".join(as_csv(made))))
    assert closing["occurred_at"] == closing["dated_at"] == "2025-03-11T00:00:00Z"
    assert closing["description"] == "the month is not whole yet"
    page = "".join(as_html(made))
    assert "As of 2025-03-11T00:00:00Z: the month is not whole yet." in page and "Closing" not in page
    over = statement(file.recorded, UUID(owner), month, month.ends, is_owner=True)
    told = json.loads("".join(as_json(over)))
    assert (told["closesAt"], told["isFinal"]) == ("2025-04-01T00:00:00Z", True)
    *_, closing = csv.DictReader(io.StringIO("".join(as_csv(over))))
    assert (closing["occurred_at"], closing["description"]) == ("2025-04-01T00:00:00Z", "")
    assert "not whole" not in "".join(as_html(over))


def test_a_page_has_the_times_of_its_months_zone() -> None:
    """Else the first hours of a month would seem to be of the one before."""
    berlin = month_of("2025-03", "Europe/Berlin")
    back = ChargedBack(
        purchase_id=UUID(int=1), reference="dp_1", credits_cents=0, receivable_cents=5_700, dated_at=berlin.begins - 1
    )
    log = [recorded(back, OWNER, 1, berlin.begins + 1_000)]
    page = "".join(as_html(statement(log, OWNER, berlin, OVER, is_owner=True)))
    assert "<td>2025-03-01 00:00:01</td>" in page
    assert "(prior period, of 2025-02-28)" in page


def test_what_people_wrote_is_text_in_a_page(file: File) -> None:
    owner = next(iter(file.billing))
    made = next(m for m in year_of(file, owner, is_owner=True) if any(one.job_title for one in m.movements))
    made.movements = [one._replace(job_title="<b>&") for one in made.movements]
    page = "".join(as_html(made))
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page


def test_a_statement_is_written_from_the_command_line(path: Path, tmp_path: Path) -> None:
    owner = query(path, "SELECT owner_id FROM billing")[0][0]
    asked = ("export", "statement", "--owner", owner, "--month", "2025-01", "--db", url(path))
    outcome = tallyhold(*asked, "--format", "json")
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout)["ownerId"] == owner
    page = tmp_path / "statement.html"
    assert tallyhold(*asked, "--format", "html", "--out", str(page)).returncode == 0
    assert page.read_text().startswith("<!doctype html>")
    tester = query(path, "SELECT tester_id FROM wallets")[0][0]
    outcome = tallyhold(
        "export", "statement", "--tester", tester, "--month", "2025-02", "--format", "csv", "--db", url(path)
    )
    assert len(outcome.stdout.splitlines()) >= 3
    failed(tallyhold(*asked[:4], "--month", "2025-13", "--format", "csv", "--db", url(path)), 2, "like 2026-10")
    failed(tallyhold(*asked, "--tester", tester, "--format", "csv"), 2, "one of --owner and --tester")
    unknown = str(UUID(int=7))
    for role, holder in (("owner", unknown), ("tester", unknown), ("tester", owner)):
        outcome = tallyhold(*asked[:2], f"--{role}", holder, *asked[4:], "--format", "csv")
        failed(outcome, 1, f"There is no {role} {holder}.")


def test_a_month_is_not_final_while_deadlines_of_it_are_not_written(tmp_path: Path) -> None:
    """As when no server has run since: what they lead to will be dated in the month."""
    path = tmp_path / "tallyhold.sqlite"

    async def begun() -> None:
        async with Local(path) as local:
            await local.ask(rehearse_purchase(OWNER, UUID(int=1), 1_950))
            await local.ask(create_job(UUID(int=2), OWNER, some_terms(5)))

    async def served() -> None:
        async with Local(path, HandClock(NOW + 90 * DAY)):
            pass

    def told(month: str) -> tuple[str, bool, int, int]:
        asked = ("export", "statement", "--owner", str(OWNER), "--month", month, "--format", "json", "--db", url(path))
        made = json.loads(tallyhold(*asked).stdout)
        return made["closesAt"], made["isFinal"], made["closing"]["balanceCents"], made["closing"]["heldCents"]

    run(begun())
    assert told("2025-01") == (iso(NOW + HOUR), False, 0, 1_950)
    assert told("2025-02") == ("2025-02-01T00:00:00Z", False, 0, 1_950)
    run(served())
    assert told("2025-01") == ("2025-02-01T00:00:00Z", True, 1_950, 0)
    assert told("2025-02") == ("2025-03-01T00:00:00Z", True, 1_950, 0)


def test_a_holder_is_known_from_its_registration(tmp_path: Path) -> None:
    path = tmp_path / "tallyhold.sqlite"
    ada = issue_keys(path, {"Ada": Role.TESTER})["Ada"]
    asked = ("export", "statement", "--month", "2025-01", "--format", "csv", "--db", url(path))
    assert tallyhold(*asked, "--tester", str(ada.id)).returncode == 0
    assert tallyhold(*asked, "--month", "2024-12", "--tester", str(ada.id)).returncode == 0
    failed(tallyhold(*asked, "--owner", str(ada.id)), 1, "There is no owner")


def test_months_have_their_days() -> None:
    assert [len(month_of(f"2024-{n:02d}").days()) for n in range(1, 13)] == [
        31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31,
    ]  # fmt: skip
    assert month_of("2024-12").ends == month_of("2025-01").begins
    assert isinstance(month_of("2025-06"), Month)
    for name, timezone in (("June", "UTC"), ("9999-12", "UTC"), ("0001-01", "Asia/Tokyo")):
        with pytest.raises(ValueError, match="like 2026-10"):
            month_of(name, timezone)
    assert (month_of("0001-01").name, len(month_of("0001-01").days())) == ("0001-01", 31)
    assert len(month_of("9999-11", "Asia/Tokyo").days()) == 30
