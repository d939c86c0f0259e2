"""Looking back: a job, the books and the credits as they were and were known; and why an entry is what it is."""

import csv
import json
from io import StringIO
from typing import Any

import pytest

from tests.api.server import ANSWERS, Client, Json, Platform, done, refused, wrong_fields
from tests.api.test_http_dispute_file import disputed, resolve
from tests.program import failed
from tests.program import tallyhold as called

PER_MINUTE = [{"type": "fixed", "amountCents": 101}, {"type": "per_minute", "rateCents": 7, "capMinutes": 20}]


class Life:
    """A job's life, and what was seen of it at each of its moments."""

    def __init__(self, platform: Platform, owner: Client, tester: Client) -> None:
        self._platform = platform
        self.owner = owner
        self.seen: list[tuple[str, int, Json, Json, list[Any]]] = []
        self.job_id = owner.post_job(2, paymentRules=PER_MINUTE)
        self._look()
        tester.complete(self.job_id)
        self._look()
        for verb in ("pause", "stop", "approve"):
            done(owner.post(f"/owner/jobs/{self.job_id}/{verb}"))
            self._look()

    def _look(self) -> None:
        now = self._platform.pass_time()
        detail = self.owner.get(f"/jobs/{self.job_id}")
        billing, ledger = done(self.owner.get("/owner/billing")), done(self.owner.get("/owner/ledger", limit=50))
        self.seen.append((now, int(detail.headers["etag"].strip('"')), done(detail), billing, ledger["data"]))
        self._platform.pass_time(seconds=61)


@pytest.fixture(scope="module")
def life(platform: Platform) -> Life:
    return Life(platform, platform.owner(), platform.tester())


def test_a_job_is_shown_as_it_was_at_any_version_and_time(life: Life) -> None:
    for at, version, detail, _, _ in life.seen:
        for asked in ({"version": version}, {"asOf": at}, {"knownAt": at}, {"asOf": at, "knownAt": at}):
            response = life.owner.get(f"/jobs/{life.job_id}", **asked)
            assert done(response) == detail, asked
            assert response.headers["etag"] == f'"{version}"'


def test_the_books_and_the_credits_are_shown_as_they_were(life: Life) -> None:
    for at, _, _, billing, ledger in life.seen:
        for asked in (f"asOf={at}", f"knownAt={at}"):
            assert done(life.owner.get(f"/owner/billing?{asked}")) == billing
            assert done(life.owner.get(f"/owner/ledger?limit=50&{asked}"))["data"] == ledger


def test_pages_of_a_look_back_go_on_in_the_same_books(life: Life) -> None:
    at, *_, ledger = life.seen[1]
    found, cursor = list[Json](), None
    while True:
        page = done(life.owner.get("/owner/ledger", asOf=at, limit=1, **({"cursor": cursor} if cursor else {})))
        found, cursor = found + page["data"], page["next"]
        if cursor is None:
            break
    assert found == ledger
    first = done(life.owner.get("/owner/ledger", asOf=at, limit=1))["next"]
    assert wrong_fields(life.owner.get("/owner/ledger", limit=1, cursor=first)) == ["?cursor"]


def test_what_became_known_late_was_true_before(platform: Platform, owner: Client) -> None:
    """A posting window ended while the clock leapt over it."""
    job_id = owner.post_job(1)
    platform.pass_time(minutes=50)
    before = platform.pass_time()
    after = platform.pass_time(minutes=60)
    between = done(owner.get("/events", after=owner.position() - 2))["data"][0]["occurredAt"]
    assert before < between < after
    path = f"/jobs/{job_id}"
    assert done(owner.get(path, asOf=between))["status"] == "cancelled"
    assert done(owner.get(path, asOf=between, knownAt=between))["status"] == "active"
    assert done(owner.get(path, asOf=before))["status"] == "active"
    assert done(owner.get("/owner/billing", asOf=between))["heldCents"] == 0
    assert done(owner.get("/owner/billing", asOf=between, knownAt=between))["heldCents"] == 390


def test_the_ledger_is_streamed_in_full(life: Life) -> None:
    at, *_, ledger = life.seen[2]
    lines = life.owner.get("/owner/ledger", format="jsonl", asOf=at)
    assert [json.loads(line) for line in lines.text.splitlines()] == ledger
    rows = list(csv.DictReader(StringIO(life.owner.get("/owner/ledger", format="csv", type="escrow_hold").text)))
    assert [row["amountCents"] for row in rows] == [str(2 * (241 + 72))]
    assert rows[0]["debitAccount"] == f"owner:{life.owner.id}:credits"


@pytest.mark.parametrize("path", ["/jobs/{id}", "/owner/billing", "/owner/ledger"])
@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"asOf": "2026-06-30T00:00:00"}, ["?asOf"]),
        ({"asOf": "9000-01-01T00:00:00Z"}, ["?asOf"]),
        ({"asOf": "9000-01-01T00:00:00Z", "knownAt": "9000-01-01T00:00:00Z"}, ["?asOf", "?knownAt"]),
        ({"knownAt": "2026-06-30"}, ["?knownAt"]),
    ],
)
def test_a_moment_without_zone_or_yet_to_come_is_named(life: Life, path: str, asked: Json, named: list[str]) -> None:
    assert wrong_fields(life.owner.get(path.format(id=life.job_id), **asked)) == named


def test_a_version_that_never_was_is_named(life: Life, platform: Platform) -> None:
    path, last = f"/jobs/{life.job_id}", life.seen[-1][1]
    problem = refused(life.owner.get(path, version=last + 1), 400, "invalid_request")
    assert f"must be at most {last}" in problem["detail"]
    assert wrong_fields(life.owner.get(path, version=0)) == ["?version"]
    assert wrong_fields(life.owner.get(path, version=1, asOf=life.seen[0][0])) == ["?version"]
    refused(life.owner.get(path, asOf="2001-01-01T00:00:00Z"), 404, "not_found")
    refused(platform.owner(0).get(path, version=1), 403, "forbidden")
    assert done(life.owner.get("/owner/billing", asOf="2001-01-01T00:00:00Z"))["totalCents"] == 0
    assert done(life.owner.get("/owner/ledger", asOf="2001-01-01T00:00:00Z"))["data"] == []


# -- why a cent --------------------------------------------------------------------------------------------------------


def entry(owner: Client, kind: str) -> Json:
    found: Json = done(owner.get("/owner/ledger", type=kind))["data"][-1]
    return found


def test_a_payout_is_explained_from_its_terms_and_measured_minutes(platform: Platform, tester: Client) -> None:
    owner = platform.owner()
    job_id = owner.post_job(1, paymentRules=PER_MINUTE)
    assignment_id = tester.start(job_id)
    platform.pass_time(seconds=12 * 60 + 1)
    done(tester.post(f"/tester/assignments/{assignment_id}/submit", {"answers": {"rating": 4}}))
    done(owner.post(f"/owner/jobs/{job_id}/approve"))
    told = done(owner.get(f"/owner/ledger/{entry(owner, 'settlement_payout')['id']}/explain"))
    assert told["entry"] == entry(owner, "settlement_payout")
    assert told["measured"]["durationMinutes"] == 13
    assert told["steps"] == [
        {"text": "fixed pay", "cents": 101},
        {"text": "7 a minute x min(13 measured minutes, cap 20) = 7 x 13", "cents": 91},
        {"text": "all payment rules together", "cents": 192},
    ]
    assert told["rule"] == {
        "event": "job.payout_granted",
        "type": "settlement_payout",
        "debit": "owner:escrow",
        "credit": "tester:payable",
        "amount": "payout_cents",
    }
    assert (told["event"]["type"], told["command"]["type"]) == ("job.payout_granted", "job.approved")
    assert told["actor"]["name"].startswith("owner")
    assert told["terms"]["paymentRules"][1]["rateCents"] == 7
    fee = done(owner.get(f"/owner/ledger/{entry(owner, 'settlement_fee')['id']}/explain"))
    text = "fee: 192 x 3000 / 10000 = 57.6000, rounded half up to the cent"
    assert fee["steps"][-1] == {"text": text, "cents": 58}
    shown = called("explain", told["entry"]["id"], "--db", platform.db)
    assert shown.returncode == 0, shown.stderr
    assert "13 measured minutes" in shown.stdout
    assert "decided by: owner owner" in shown.stdout
    assert '"rateCents": 7' in shown.stdout
    assert "taskPaidTimeLimitMinutes: null" in shown.stdout
    assert "None" not in shown.stdout
    printed = json.loads(called("explain", told["entry"]["id"], "--json", "--db", platform.db).stdout)
    assert printed["steps"] == told["steps"]


def test_an_entry_that_a_submission_led_to_is_explained_with_the_answers(
    platform: Platform, owner: Client, tester: Client
) -> None:
    tester.complete(owner.post_job(1, paymentRules=PER_MINUTE))
    released = entry(owner, "escrow_release_unused")["id"]
    told = done(owner.get(f"/owner/ledger/{released}/explain"))
    assert (told["event"]["type"], told["command"]["type"]) == ("job.settled", "job.task_completed")
    assert told["command"]["payload"]["answers"] == ANSWERS["answers"]
    printed = called("explain", released, "--json", "--db", platform.db, folder=platform.folder)
    assert json.loads(printed.stdout)["command"]["payload"] == told["command"]["payload"]


def test_an_owner_is_not_told_the_name_of_the_operator_who_decided(platform: Platform, owner: Client) -> None:
    job_id, (assignment,) = disputed(owner, [platform.tester()])
    resolve(platform, job_id, (assignment, 0))
    refunded = entry(owner, "dispute_refund")["id"]
    told = done(owner.get(f"/owner/ledger/{refunded}/explain"))
    assert told["actor"] == {"kind": "operator", "id": platform.operator.id, "name": None}
    printed = json.loads(called("explain", refunded, "--json", "--db", platform.db, folder=platform.folder).stdout)
    assert printed["actor"]["id"] == platform.operator.id and printed["actor"]["name"]


def test_an_entry_of_somebody_else_or_of_nobody_is_not_explained(platform: Platform, owner: Client) -> None:
    bought = entry(owner, "credit_purchase")["id"]
    refused(platform.owner(0).get(f"/owner/ledger/{bought}/explain"), 403, "forbidden")
    for wrong in ("999999999-0", "x", "1-9", f"{bought}0"):
        refused(owner.get(f"/owner/ledger/{wrong}/explain"), 404, "not_found")
    failed(called("explain", "17", "--db", platform.db), 2, "17-0")
    failed(called("explain", "999999999-0", "--db", platform.db), 1, "no such entry")
