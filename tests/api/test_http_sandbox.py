"""The sandbox's clock: it stands still until it is moved, and everything due is then written."""

from pathlib import Path
from typing import Any

import pytest

from projections.reconcile.statement import read_statement
from projections.times import iso
from tests.api.server import (
    Client,
    Platform,
    Unchanged,
    client,
    connected,
    done,
    listening,
    refused,
    wrong_fields,
)
from tests.api.test_http_testers import after
from tests.local import execute
from tests.program import create_key, in_a_process_of_its_own


def test_time_stands_still_and_moves_when_told(platform: Platform) -> None:
    now = platform.pass_time()
    assert platform.pass_time() == now
    assert platform.pass_time(seconds=1) == after(now, seconds=1)
    assert platform.pass_time(hours=24) == after(now, seconds=1, hours=24)


@pytest.mark.parametrize("seconds", [-1, 0.5, 1.0, "1", None, 315_360_001, True])
def test_time_moves_in_whole_seconds_and_never_back(platform: Platform, operator: Client, seconds: Any) -> None:
    now = platform.pass_time()
    with Unchanged(operator):
        assert wrong_fields(operator.post("/sandbox/clock", {"advanceSeconds": seconds})) == ["/advanceSeconds"]
    assert platform.pass_time() == now


def test_one_move_writes_all_that_falls_due_each_in_its_own_time(platform: Platform, owner: Client) -> None:
    """The reservation runs out, the window ends, the settlement is approved: the answer comes when all is written."""
    tester, idle = platform.testers(2)
    now = platform.pass_time()
    job_id = owner.post_job(3)
    tester.complete(job_id)
    reserved = idle.take(job_id)
    moved = platform.operator.post("/sandbox/clock", {"advanceSeconds": 3 * 24 * 3_600})
    assert done(moved)["now"] == after(now, days=3)
    position = int(moved.headers["tallyhold-position"])
    assert owner.position() == position
    detail = owner.job(job_id)
    assert (detail["status"], detail["settlementStatus"]) == ("completed", "approved")
    assert done(idle.get(f"/tester/assignments/{reserved}"))["status"] == "expired"
    entries = done(owner.get(f"/jobs/{job_id}/ledger"))["data"]
    assert [(entry["type"], entry["occurredAt"]) for entry in entries] == [
        ("escrow_hold", now),
        ("escrow_release_unused", after(now, minutes=60)),
        ("settlement_payout", after(now, minutes=60, hours=24)),
        ("settlement_fee", after(now, minutes=60, hours=24)),
    ]


def test_an_answer_never_shows_a_deadline_that_has_passed(platform: Platform, owner: Client) -> None:
    job_id = owner.post_job()
    platform.pass_time(minutes=60, seconds=-1)
    assert owner.job(job_id)["status"] == "active"
    platform.pass_time(seconds=1)
    assert owner.job(job_id)["status"] == "cancelled"


def test_the_clock_is_kept_in_the_database_and_a_database_keeps_its_mode(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'tallyhold.sqlite'}"
    made = create_key(tmp_path, db, "operator", "Olga")
    with listening(tmp_path, db, "--sandbox") as url, connected(url) as (http, _):
        moved = done(client(http, made).post("/sandbox/clock", {"advanceSeconds": 1_000_000}))
    with listening(tmp_path, db, "--sandbox") as url, connected(url) as (http, _):
        operator = client(http, made)
        assert done(operator.post("/sandbox/clock", {"advanceSeconds": 0})) == moved
    refusal = in_a_process_of_its_own("serve", "--port", "0", "--db", db, folder=tmp_path)
    assert refusal.returncode == 1
    assert "sandbox" in refusal.stderr


IN_8985 = 221_372_870_400_000


def test_the_clock_has_an_end(tmp_path: Path) -> None:
    """Times are written with a year of four digits."""
    db = f"sqlite:///{tmp_path / 'tallyhold.sqlite'}"
    made = create_key(tmp_path, db, "operator", "Olga")
    execute(tmp_path / "tallyhold.sqlite", "UPDATE head SET mode = 'sandbox', sandbox_now = ?", IN_8985)
    with listening(tmp_path, db, "--sandbox") as url, connected(url) as (http, _):
        operator, ten_years = client(http, made), {"advanceSeconds": 315_360_000}
        assert done(operator.post("/sandbox/clock", ten_years))["now"].startswith("8995")
        assert wrong_fields(operator.post("/sandbox/clock", ten_years)) == ["/advanceSeconds"]
        assert done(operator.post("/sandbox/clock", {"advanceSeconds": 0}))["now"].startswith("8995")


def test_there_is_no_clock_to_move_where_time_is_real(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'real.sqlite'}"
    made = {role: create_key(tmp_path, db, role, "Somebody") for role in ("operator", "owner")}
    with listening(tmp_path, db) as url, connected(url) as (http, contract):
        for who in made.values():
            response = client(http, who).post("/sandbox/clock", {"advanceSeconds": 1})
            refused(response, 404, "not_found")
        assert not [path for path in contract.document["paths"] if path.startswith("/sandbox")]


def test_the_gateway_gives_its_own_book_of_a_time(platform: Platform, operator: Client) -> None:
    owner = platform.owner()
    before = platform.pass_time(seconds=10)
    done(owner.post("/owner/billing/add-credits", {"amountCents": 12_345}), 201)
    refused(owner.post("/owner/billing/add-credits", {"amountCents": 402}), 402, "payment_failed")
    after_it = platform.pass_time(seconds=10)
    period: dict[str, Any] = {"from": before, "to": after_it}
    answer = operator.get("/sandbox/gateway/statement.csv", **period)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv")
    (line,) = read_statement("statement.csv", answer.text.splitlines(keepends=True))
    assert (line.gross_cents, line.fee_cents, line.net_cents, line.category) == (12_345, 0, 12_345, "charge")
    assert iso(line.created_at) == before.partition(".")[0].rstrip("Z") + "Z"
    period = {"from": after_it}
    empty = operator.get("/sandbox/gateway/statement.csv", **period)
    assert len(empty.text.splitlines()) == 1
    refused(owner.get("/sandbox/gateway/statement.csv"), 403, "forbidden")
    period = {"from": "May"}
    assert wrong_fields(operator.get("/sandbox/gateway/statement.csv", **period)) == ["?from"]
