"""Idempotency keys: what was done once is answered alike for days, and nothing is done twice."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api.http.openapi import PARAMETERS
from tests.api.server import (
    SLOT_CENTS,
    Client,
    Json,
    Platform,
    Response,
    Unchanged,
    a_job,
    a_key,
    client,
    connected,
    done,
    listening,
    refused,
    wrong_fields,
)
from tests.local import stored_bytes
from tests.program import create_key, tallyhold

PATTERN = PARAMETERS["Idempotency-Key"]["schema"]["pattern"]
KEPT_HEADERS = ("content-type", "content-length", "location", "etag")


def assert_replayed(again: Response, first: Response) -> None:
    """The same answer once more, marked as such."""
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert [again.headers.get(name) for name in KEPT_HEADERS] == [first.headers.get(name) for name in KEPT_HEADERS]


def test_a_repeat_gets_the_first_answer_with_its_place_and_version(owner: Client) -> None:
    key = a_key()
    first = owner.post("/jobs", a_job(), headers=key)
    done(first, 201)
    with Unchanged(owner):
        assert_replayed(owner.post("/jobs", a_job(), headers=key), first)
    assert len(done(owner.get("/jobs"))["data"]) == 1


def test_a_repeat_gets_the_answer_of_its_day_when_the_job_has_moved_on(owner: Client) -> None:
    job_id, key = owner.post_job(), a_key()
    first = owner.post(f"/owner/jobs/{job_id}/pause", headers=key)
    done(owner.post(f"/owner/jobs/{job_id}/stop"))
    again = owner.post(f"/owner/jobs/{job_id}/pause", headers=key)
    assert_replayed(again, first)
    assert again.json()["status"] == "paused"


def test_a_repeat_is_answered_before_its_version_is_looked_at(owner: Client) -> None:
    job_id = owner.post_job()
    headers = a_key() | {"if-match": owner.etag(job_id)}
    first = owner.post(f"/owner/jobs/{job_id}/pause", headers=headers)
    assert owner.etag(job_id) != headers["if-match"]
    assert_replayed(owner.post(f"/owner/jobs/{job_id}/pause", headers=headers), first)


def test_purchases_takes_withdrawals_and_submissions_are_repeated_too(platform: Platform, owner: Client) -> None:
    tester, job_id = platform.tester(), owner.post_job(1)
    assignment = tester.start(job_id)
    other_job = owner.post_job(1)
    asked: list[tuple[Client, str, Any]] = [
        (owner, "/owner/billing/add-credits", {"amountCents": 5}),
        (tester, f"/tester/jobs/{other_job}/assignments", {}),
        (tester, f"/tester/assignments/{assignment}/submit", {"answers": {"rating": 5}}),
        (owner, f"/owner/jobs/{job_id}/approve", None),
        (tester, "/tester/wallet/withdrawals", {"amountCents": 300}),
        (platform.operator, "/operator/principals", {"role": "owner", "name": f"Otto {job_id}"}),
    ]
    for who, path, body in asked:
        key = a_key()
        first = who.post(path, body, headers=key)
        assert first.status_code in (200, 201), first.text
        with Unchanged(who):
            assert_replayed(who.post(path, body, headers=key), first)
    assert done(tester.get("/tester/wallet"))["payableCents"] == 0


def test_a_key_is_the_same_in_quotes_and_bare(owner: Client) -> None:
    first = owner.post("/jobs", a_job(), headers={"idempotency-key": "a-key"})
    assert_replayed(owner.post("/jobs", a_job(), headers={"idempotency-key": '"a-key"'}), first)


def test_the_same_request_is_the_same_json_value_however_it_is_written(owner: Client) -> None:
    path, key = f"/owner/jobs/{owner.post_job()}/dispute", a_key()
    refused(owner.post(path, b'{"lowQuality":true,"offTopic":false}', headers=key), 409, "not_pending_approval")
    credits, key = "/owner/billing/add-credits", a_key()
    first = owner.post(credits, b'{"amountCents":100}', headers=key)
    assert_replayed(owner.post(credits, b' {\n"amountCents" :\t100 } ', headers=key), first)
    assert_replayed(owner.post("/api" + credits, b'{"amount\\u0043ents":100}', headers=key), first)


def test_a_key_that_was_used_for_another_request_is_refused(owner: Client) -> None:
    job_id, other, key = owner.post_job(), owner.post_job(), a_key()
    done(owner.post(f"/owner/jobs/{job_id}/resize", {"targetTesters": 6}, headers=key))
    with Unchanged(owner):
        for path, body, query in (
            (f"/owner/jobs/{job_id}/resize", {"targetTesters": 7}, {}),
            (f"/owner/jobs/{other}/resize", {"targetTesters": 6}, {}),
            (f"/owner/jobs/{job_id}/resize", {"targetTesters": 6}, {"dryRun": "false"}),
            (f"/owner/jobs/{job_id}/pause", None, {}),
            ("/jobs", a_job(), {}),
        ):
            refused(owner.post(path, body, headers=key, **query), 422, "idempotency_mismatch")


def test_a_key_belongs_to_who_used_it(platform: Platform) -> None:
    key = a_key()
    made = [done(platform.owner().post("/jobs", a_job(), headers=key), 201)["id"] for _ in range(2)]
    assert made[0] != made[1]


def test_a_key_belongs_to_the_principal_not_to_the_key_that_was_shown(platform: Platform, owner: Client) -> None:
    another = done(platform.operator.post("/operator/keys", {"principalId": owner.id}), 201)
    key = a_key()
    first = owner.post("/jobs", a_job(), headers=key)
    assert_replayed(client(platform.http, another).post("/jobs", a_job(), headers=key), first)


def test_what_was_refused_may_be_tried_again(platform: Platform) -> None:
    owner, key = platform.owner(0), a_key()
    refused(owner.post("/jobs", a_job(1), headers=key), 402, "not_enough_credits")
    done(owner.post("/owner/billing/add-credits", {"amountCents": SLOT_CENTS}), 201)
    created = owner.post("/jobs", a_job(1), headers=key)
    done(created, 201)
    assert "idempotent-replayed" not in created.headers


def test_a_refused_key_is_free_for_another_request(owner: Client) -> None:
    key = a_key()
    refused(owner.post("/jobs", {}, headers=key), 400, "invalid_request")
    done(owner.post("/owner/billing/add-credits", {"amountCents": 1}, headers=key), 201)


def test_a_dry_run_keeps_no_key(owner: Client) -> None:
    key = a_key()
    for _ in range(2):
        assert "idempotent-replayed" not in owner.post("/jobs", a_job(), headers=key, dryRun="true").headers
    first = owner.post("/jobs", a_job(), headers=key)
    done(first, 201)
    rehearsed = owner.post("/jobs", a_job(), headers=key, dryRun="true")
    assert done(rehearsed)["dryRun"] is True
    assert_replayed(owner.post("/jobs", a_job(), headers=key), first)


def test_a_password_tells_requests_apart_and_is_nowhere_in_the_database(platform: Platform, owner: Client) -> None:
    secret, key = "correct horse battery staple", a_key()
    proof: Json = {"proofOfCompletion": {"method": "password", "password": secret}}
    first = owner.post("/jobs", a_job(**proof), headers=key)
    done(first, 201)
    assert_replayed(owner.post("/jobs", a_job(**proof), headers=key), first)
    other: Json = {"proofOfCompletion": {"method": "password", "password": "tr0ub4dor&3"}}
    refused(owner.post("/jobs", a_job(**other), headers=key), 422, "idempotency_mismatch")
    written = stored_bytes(platform.where)
    assert done(first, 201)["id"].encode() in written
    assert secret.encode() not in written


def test_a_proof_tells_submissions_apart(owner: Client, tester: Client) -> None:
    proof: Json = {"proofOfCompletion": {"method": "password", "password": "sesame"}}
    job_id, key = owner.post_job(1, **proof), a_key()
    path = f"/tester/assignments/{tester.start(job_id)}/submit"
    first = tester.post(path, {"answers": {"rating": 4}, "proofValue": "sesame"}, headers=key)
    done(first)
    assert_replayed(tester.post(path, {"answers": {"rating": 4}, "proofValue": "sesame"}, headers=key), first)
    for value in ("other", None):
        asked = {"answers": {"rating": 4}, "proofValue": value}
        refused(tester.post(path, asked, headers=key), 422, "idempotency_mismatch")


def test_a_key_that_was_issued_is_not_shown_again(platform: Platform, operator: Client) -> None:
    key = a_key()
    asked = {"principalId": platform.owner().id}
    first = done(operator.post("/operator/keys", asked, headers=key), 201)
    again = operator.post("/operator/keys", asked, headers=key)
    assert again.headers["idempotent-replayed"] == "true"
    assert done(again, 201) == {**first, "key": None}


@pytest.mark.parametrize("key", ["x", "x" * 255, '"' + "x" * 255 + '"', "!#$%&'()*+,-./:;<=>?@[]^_`{|}~", 'a"'])
def test_a_key_is_visible_ascii_of_at_most_255(owner: Client, key: str) -> None:
    assert re.fullmatch(PATTERN, key)
    done(owner.post("/owner/billing/add-credits", {"amountCents": 1}, headers={"idempotency-key": key}), 201)


@pytest.mark.parametrize("half", ['"', '"a', '"a"b"'])
def test_quotes_that_do_not_end_are_refused(owner: Client, half: str) -> None:
    """It is no other key than the one that somebody forgot to end."""
    assert not re.fullmatch(PATTERN, half)
    with Unchanged(owner):
        response = owner.post("/owner/billing/add-credits", {"amountCents": 1}, headers={"idempotency-key": half})
        assert wrong_fields(response) == ["Idempotency-Key"]


@pytest.mark.parametrize("key", ["", '""', "x" * 256, '"' + "x" * 256 + '"', "two words", "tab\tinside", b"\xe9"])
def test_any_other_key_is_refused(owner: Client, key: str | bytes) -> None:
    with Unchanged(owner):
        response = owner.post("/owner/billing/add-credits", {"amountCents": 1}, headers={"idempotency-key": key})
        assert wrong_fields(response) == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("path", "body"), [("/jobs", a_job(1)), ("/owner/billing/add-credits", {"amountCents": 7})], ids=["job", "credits"]
)
def test_the_same_request_many_times_at_once_is_done_once(owner: Client, path: str, body: Json) -> None:
    key, before = a_key(), owner.balance()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: owner.post(path, body, headers=key), range(16)))
    finished = [answer for answer in answers if answer.status_code == 201]
    for answer in answers:
        if answer not in finished:
            refused(answer, 409, "idempotency_in_progress")
            assert answer.headers["retry-after"]
    assert len({answer.content for answer in finished}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in finished) == 1
    assert abs(owner.balance() - before) == (SLOT_CENTS if path == "/jobs" else 7)


def test_kept_answers_keys_and_cursors_survive_a_restart(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'tallyhold.sqlite'}"
    made, key = create_key(tmp_path, db, "owner", "Ada"), a_key()
    with listening(tmp_path, db, "--sandbox") as url, connected(url) as (http, _):
        owner = client(http, made)
        done(owner.post("/owner/billing/add-credits", {"amountCents": 10_000}), 201)
        first = owner.post("/jobs", a_job(1), headers=key)
        owner.post_job(1)
        page = done(owner.get("/jobs", limit=1))
    with listening(tmp_path, db, "--sandbox") as url, connected(url) as (http, _):
        owner = client(http, made)
        assert_replayed(owner.post("/jobs", a_job(1), headers=key), first)
        assert done(owner.get("/jobs", limit=1, cursor=page["next"]))["data"][0]["id"] == first.json()["id"]


def test_what_was_done_before_the_master_key_was_changed_is_neither_done_again_nor_told(tmp_path: Path) -> None:
    """Its fingerprint hangs on the master key: without that nobody can hold a guess at a request against it."""
    db, new = f"sqlite:///{tmp_path / 'tallyhold.sqlite'}", str(tmp_path / "new")
    made, key = create_key(tmp_path, db, "owner", "Ada"), a_key()
    credits = ("/owner/billing/add-credits", {"amountCents": 7})
    with listening(tmp_path, db, "--sandbox") as url, connected(url) as (http, _):
        done(client(http, made).post(*credits, headers=key), 201)
    assert tallyhold("rotate-master-key", "--new", new, "--db", db).returncode == 0
    settings = {"TALLYHOLD_MASTER_KEY_FILE": new}
    with listening(tmp_path, db, "--sandbox", **settings) as url, connected(url) as (http, _):
        owner = client(http, made)
        refused(owner.post(*credits, headers=key), 422, "idempotency_mismatch")
        assert owner.balance() == 7
