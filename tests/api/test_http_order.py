"""In which order a request is checked: of several faults, the earliest one is told. README, "HTTP"."""

import gzip
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.api.server import Client, Json, Platform, Response, Unchanged, a_job, a_key, done, refused, wrong_fields

LADDER = (
    ("no key", 401, "not_authenticated"),
    ("wrong role", 403, "forbidden"),
    ("no such job", 404, "not_found"),
    ("another's job", 403, "forbidden"),
    ("too large", 413, "too_large"),
    ("not json", 415, "not_json"),
    ("wrong field", 400, "invalid_request"),
    ("key used before", 422, "idempotency_mismatch"),
    ("another version", 412, "version_mismatch"),
    ("wrong state", 409, "invalid_state"),
    ("not enough credits", 402, "not_enough_credits"),
)
"""Each fault with its answer, in the order of the checks."""

FAULTS = [fault for fault, _, _ in LADDER]


@dataclass
class Scene:
    """Two owners, the first with an open and a closed job and an idempotency key that was used."""

    platform: Platform
    owner: Client
    other: Client
    tester: Client
    open_job: str
    closed_job: str
    used_key: Json

    def ask(self, faults: set[str]) -> Response:
        """A resize with these faults."""
        who = self.tester if "wrong role" in faults else self.other if "another's job" in faults else self.owner
        headers = {} if "no key" in faults else {"authorization": f"Bearer {who.key}"}
        if "key used before" in faults:
            headers |= self.used_key
        if "another version" in faults:
            headers |= {"if-match": '"99"'}
        job_id = self.closed_job if "wrong state" in faults else self.open_job
        job_id = str(uuid4()) if "no such job" in faults else job_id
        headers["content-type"] = "text/plain" if "not json" in faults else "application/json"
        return self.platform.http.post(f"/owner/jobs/{job_id}/resize", content=self.body(faults), headers=headers)

    @staticmethod
    def body(faults: set[str]) -> bytes:
        target = 0 if "wrong field" in faults else 10_000 if "not enough credits" in faults else 6
        return b'{"targetTesters":%d}' % target + (b" " * 1_100_000 if "too large" in faults else b"")


@pytest.fixture(scope="module")
def scene(platform: Platform) -> Scene:
    owner, other, tester = platform.owner(), platform.owner(), platform.tester()
    closed, used = owner.post_job(), a_key()
    done(owner.post(f"/owner/jobs/{closed}/stop"))
    done(owner.post("/jobs", a_job(), headers=used), 201)
    return Scene(platform, owner, other, tester, owner.post_job(), closed, used)


@pytest.mark.parametrize("number", range(len(LADDER)), ids=FAULTS)
def test_of_several_faults_the_earliest_is_told(scene: Scene, number: int) -> None:
    _, status, code = LADDER[number]
    with Unchanged(scene.owner):
        refused(scene.ask(set(FAULTS[number:])), status, code)


@pytest.mark.parametrize("number", range(len(LADDER)), ids=FAULTS)
def test_each_fault_alone_is_told(scene: Scene, number: int) -> None:
    fault, status, code = LADDER[number]
    with Unchanged(scene.owner):
        refused(scene.ask({fault}), status, code)


def test_without_a_fault_it_is_done(scene: Scene) -> None:
    assert done(scene.ask(set()))["newTargetTesters"] == 6


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs/not-a-uuid"),
        ("POST", "/owner/jobs/not-a-uuid/pause"),
        ("GET", "/jobs/01890a5dac96774bbcceb302099a8057"),
        ("GET", "/jobs/{01890a5d-ac96-774b-bcce-b302099a8057}"),
        ("POST", "/owner/jobs/01890a5d-ac96-774b-bcce-b302099a805%E2%91%A0/pause"),
    ],
)
def test_a_malformed_id_is_nobodys_but_only_to_those_who_may_ask(scene: Scene, method: str, path: str) -> None:
    refused(scene.platform.http.request(method, path), 401, "not_authenticated")
    refused(scene.tester.ask(method, path), 403, "forbidden")
    refused(scene.owner.ask(method, path), 404, "not_found")


@pytest.mark.parametrize("path", ["/jobs%2F{}", "/jobs/{}%2fevents", "/%2Fjobs"])
def test_an_encoded_slash_separates_nothing(scene: Scene, path: str) -> None:
    refused(scene.owner.get(path.format(scene.open_job)), 404, "not_found")
    done(scene.owner.get(f"/api/%6Aobs/{scene.open_job}"))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/jobs/", "/jobs//events", "//jobs", "/api/", "/tester/assignments//start"])
def test_an_empty_step_is_nothing(scene: Scene, method: str, path: str) -> None:
    refused(scene.owner.ask(method, path), 404, "not_found")


def test_an_unknown_key_is_not_there_whatever_else_is_wrong(operator: Client) -> None:
    refused(operator.ask("DELETE", f"/operator/keys/{uuid4()}", {"a": 1}, nonsense="1"), 404, "not_found")


def test_every_wrong_field_is_named_wherever_it_stands(owner: Client) -> None:
    body = {
        **a_job(),
        "title": " ",
        "targetTesters": "5",
        "unknown": 1,
        "paymentRules": [{"type": "fixed", "amountCents": 0}, {"type": "barter"}],
        "variants": [{**a_job()["variants"][0], "url": "ftp://example.com", "description": None}],
    }
    headers = {"idempotency-key": "two words", "if-match": "W/7"}
    with Unchanged(owner):
        response = owner.ask("POST", "/jobs", body, headers=headers, dryRun="maybe", other="1")
        assert wrong_fields(response) == [
            "/paymentRules/0/amountCents",
            "/paymentRules/1/type",
            "/targetTesters",
            "/title",
            "/unknown",
            "/variants/0/description",
            "/variants/0/url",
            "?dryRun",
            "?other",
            "Idempotency-Key",
            "If-Match",
        ]


def test_fields_that_do_not_agree_are_named_with_all_else(scene: Scene) -> None:
    owner, headers = scene.owner, {"idempotency-key": "two words", "if-match": "W/7"}
    dear = [{"type": "per_minute", "rateCents": 1_000_000}]
    body = a_job(
        10_000, targetTesters=9_999, paymentRules=dear, taskHardTimeLimitMinutes=1_440, projectTestersOnly=True
    )
    with Unchanged(owner):
        assert wrong_fields(owner.post("/jobs", body, headers=headers, other="1")) == [
            "/paymentRules",
            "/projectTestersOnly",
            "/targetTesters",
            "?other",
            "Idempotency-Key",
            "If-Match",
        ]
        dispute = {"platformIssue": True, "billingDiscrepancy": True}
        response = owner.post(f"/owner/jobs/{scene.open_job}/dispute", dispute, headers=headers)
        assert wrong_fields(response) == [
            "/billingDiscrepancyDescription",
            "/platformIssueDescription",
            "Idempotency-Key",
            "If-Match",
        ]


def test_a_header_that_is_given_twice_is_not_one_of_the_two(scene: Scene) -> None:
    owner = scene.owner
    shown, path = ("authorization", f"Bearer {owner.key}"), f"/owner/jobs/{scene.open_job}/pause"

    def ask(*headers: tuple[str, str]) -> Response:
        return scene.platform.http.post(path, headers=list(headers))

    with Unchanged(owner):
        response = ask(shown, *[("idempotency-key", "one"), ("if-match", '"1"')] * 2)
        assert wrong_fields(response) == ["Idempotency-Key", "If-Match"]
        assert {error["detail"] for error in response.json()["errors"]} == {"must be given once"}
        assert wrong_fields(ask(shown, ("idempotency-key", "one"), ("idempotency-key", ""))) == ["Idempotency-Key"]
        refused(ask(shown, shown), 401, "not_authenticated")
        refused(ask(("authorization", f"Bearer {scene.other.key}"), shown), 401, "not_authenticated")
    done(ask(shown, ("accept", "text/html"), ("accept", "application/json")))
    done(owner.post(f"/owner/jobs/{scene.open_job}/resume"))


def test_wrong_fields_have_sentences_that_say_what_to_do(owner: Client) -> None:
    response = owner.post("/jobs", {**a_job(), "jobPostingTimeLimitMinutes": 4})
    problem = refused(response, 400, "invalid_request")
    assert problem["errors"] == [
        {"pointer": "/jobPostingTimeLimitMinutes", "detail": "must be an integer from 5 to 10080"}
    ]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=1&limit=2", "?limit"),
        ("Limit=1", "?Limit"),
        ("limit=%ff", "?limit"),
        ("%ff=1", "?"),
        ("cursor=%ed%a0%80", "?cursor"),
        ("limit=1%00", "?limit"),
        ("&".join(f"x{n}=1" for n in range(51)), "?"),
        ("x=" + "1" * 8_200, "?"),
    ],
    ids=["twice", "case", "not UTF-8", "its name is not", "half a pair", "U+0000", "51 parameters", "8 KiB"],
)
def test_a_query_that_could_mean_two_things_is_refused(owner: Client, query: str, pointer: str) -> None:
    assert wrong_fields(owner.get(f"/jobs?{query}")) == [pointer]


def test_what_is_no_utf_8_is_told_with_all_that_is_wrong(owner: Client) -> None:
    assert wrong_fields(owner.get("/jobs?status=%ff&limit=0&x%ff=1")) == ["?", "?limit", "?status"]
    response = owner.post("/jobs?dryRun=%ff", {**a_job(), "title": 5}, headers={"if-match": "7"})
    assert wrong_fields(response) == ["/title", "?dryRun", "If-Match"]


@pytest.mark.parametrize("path", ["/healthz?a=1", "/openapi.json?a=1"])
def test_unknown_parameters_are_refused_everywhere(owner: Client, path: str) -> None:
    assert wrong_fields(owner.get(path)) == ["?a"]


def test_the_ledger_of_a_job_takes_no_other_job(owner: Client) -> None:
    job_id = owner.post_job()
    assert wrong_fields(owner.get(f"/jobs/{job_id}/ledger", jobId=owner.post_job())) == ["?jobId"]


def test_a_command_without_fields_takes_no_body_or_an_empty_object(owner: Client) -> None:
    path = f"/owner/jobs/{owner.post_job()}/pause"
    bodies: list[Any] = [None, {}, b"", b" {} "]
    for body in bodies:
        assert done(owner.post(path, body))["status"] == "paused"
    assert wrong_fields(owner.post(path, {"reason": "x"})) == ["/reason"]
    for body in (b"[]", b"null", b'"{}"', b" "):
        assert wrong_fields(owner.post(path, body)) == [""]


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/jsonp", "application/x-www-form-urlencoded"])
def test_another_type_of_body_is_refused(owner: Client, content_type: str) -> None:
    headers = {"content-type": content_type}
    refused(owner.post("/jobs", a_job(), headers=headers), 415, "not_json")


def test_json_may_name_its_character_set(owner: Client) -> None:
    done(owner.post("/jobs", a_job(), headers={"content-type": "Application/JSON; charset=utf-8"}), 201)


def test_a_body_that_is_encoded_is_refused_as_such(owner: Client) -> None:
    """Not as JSON that is broken at its first character."""
    problem = refused(owner.post("/jobs", gzip.compress(b"{}"), headers={"content-encoding": "gzip"}), 415, "not_json")
    assert "Content-Encoding" in problem["error"]
    done(owner.post("/jobs", a_job(), headers={"content-encoding": "identity"}), 201)
