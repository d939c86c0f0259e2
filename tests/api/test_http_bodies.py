"""Bad bodies: each is a clear problem that names the field, and nothing is written."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.api.server import (
    A_JOB,
    Client,
    Json,
    Platform,
    Response,
    Unchanged,
    a_job,
    a_key,
    done,
    raw,
    refused,
    wrong_fields,
)

VARIANT = A_JOB["variants"][0]
QUESTION = VARIANT["feedbackQuestions"][0]
ONE_MIB = 1_048_576


def written(body: Json, old: str, new: str) -> bytes:
    """A body as text, with a piece of it replaced by what no JSON writer would write."""
    text = json.dumps(body)
    assert old in text
    return text.replace(old, new, 1).encode("utf-8", "surrogatepass")


# -- bytes that are no JSON, or not one that everybody reads alike -----------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer", "sentence"),
    [
        (b"{", "", "is not JSON"),
        (b"title=x", "", "is not JSON"),
        (b"{} {}", "", "is not JSON"),
        (b'{"a":1,}', "", "is not JSON"),
        (b"{'a':1}", "", "is not JSON"),
        (b'\xef\xbb\xbf{"a":1}', "", "byte order mark"),
        (b'{"title":"\xff"}', "", "UTF-8"),
        (b'{"title":"a\x01b"}', "", "is not JSON"),
        (written(A_JOB, '"title":', '"title": "first", "title":'), "/title", "twice"),
        (written(A_JOB, '"url":', '"url": "http://a.example", "url":'), "/variants/0/url", "twice"),
        (written(A_JOB, '"targetTesters": 5', '"targetTesters": NaN'), "/targetTesters", "is not JSON"),
        (written(A_JOB, '"targetTesters": 5', '"targetTesters": Infinity'), "/targetTesters", "is not JSON"),
        (written(A_JOB, '"targetTesters": 5', '"targetTesters": -Infinity'), "/targetTesters", "is not JSON"),
        (written(A_JOB, '"targetTesters": 5', '"targetTesters": 05'), "", "is not JSON"),
        (written(A_JOB, '"targetTesters": 5', '"targetTesters": 1e999'), "/targetTesters", "range"),
        (written(A_JOB, '"targetTesters": 5', '"targetTesters": ' + "9" * 400), "/targetTesters", "range"),
        (written(A_JOB, '"targetTesters": 5', '"targetTesters": ' + "9" * 5_000), "", "too long"),
        (written(A_JOB, "landing page", r"\ud800"), "/title", "surrogate"),
        (written(A_JOB, "landing page", r"\udc00"), "/title", "surrogate"),
        (written(A_JOB, "landing page", "\ud800"), "/title", "UTF-8"),
        (written(A_JOB, "landing page", r"\u0000"), "/title", "U+0000"),
        (b"[" * 10_000 + b"]" * 10_000, "", "deeper"),
        (b'{"title":' * 5_000 + b"1" + b"}" * 5_000, "", "deeper"),
        (b"null", "", "object"),
        (b"[]", "", "object"),
        (b"1", "", "object"),
        (b'"x"', "", "object"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(
    owner: Client, body: bytes, pointer: str, sentence: str
) -> None:
    with Unchanged(owner):
        problem = refused(owner.post("/jobs", body), 400, "invalid_request")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert sentence in problem["errors"][0]["detail"]


# -- size --------------------------------------------------------------------------------------------------------------


def padded(size: int) -> bytes:
    """A job in exactly so many bytes."""
    body = json.dumps(A_JOB).encode()
    return body + b" " * (size - len(body))


def test_a_body_of_one_mebibyte_is_read(owner: Client) -> None:
    done(owner.post("/jobs", padded(ONE_MIB)), 201)


@pytest.mark.parametrize("size", [ONE_MIB + 1, 5_000_000])
def test_a_larger_body_is_refused(owner: Client, size: int) -> None:
    with Unchanged(owner):
        refused(owner.post("/jobs", padded(size)), 413, "too_large")


def test_a_body_that_never_ends_is_refused_when_it_is_too_large(platform: Platform, owner: Client) -> None:
    """Nobody says beforehand how long it will be."""
    pieces = (b" " * 65_536 for _ in range(80))
    headers = {"authorization": f"Bearer {owner.key}", "content-type": "application/json"}
    with Unchanged(owner):
        refused(platform.http.post("/jobs", content=pieces, headers=headers), 413, "too_large")


def test_who_asks_before_sending_is_refused_without_having_to_send(platform: Platform, owner: Client) -> None:
    """No 100 (Continue) goes before the answer; the body may or may not follow, so the connection ends with it."""

    def ask(key: str, size: int) -> Response:
        return raw(
            platform.url,
            f"POST /jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {size}\r\nExpect: 100-continue\r\n\r\n".encode(),
        )

    refused(ask(owner.key, ONE_MIB + 1), 413, "too_large")
    refused(ask("th_nobody", 10), 401, "not_authenticated")


def test_who_asks_before_sending_is_told_to_go_on(platform: Platform, owner: Client) -> None:
    headers = {"authorization": f"Bearer {owner.key}", "content-type": "application/json", "expect": "100-continue"}
    created = platform.http.post("/jobs", json=A_JOB, headers=headers)
    done(created, 201)
    assert "connection" not in created.headers


def test_a_body_in_pieces_is_read_as_one(platform: Platform, owner: Client) -> None:
    text = json.dumps(A_JOB).encode()
    pieces = (text[place : place + 7] for place in range(0, len(text), 7))
    headers = {"authorization": f"Bearer {owner.key}", "content-type": "application/json"}
    done(platform.http.post("/jobs", content=pieces, headers=headers), 201)


def test_a_command_is_not_done_when_its_body_never_came(platform: Platform, owner: Client) -> None:
    """The connection ends before the two bytes that were promised."""
    job_id = owner.post_job()
    where = urlsplit(platform.url)
    with socket.create_connection((str(where.hostname), where.port or 0)) as connection:
        connection.sendall(
            f"POST /owner/jobs/{job_id}/cancel HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {owner.key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n".encode()
        )
    for _ in range(5):
        assert owner.job(job_id)["status"] == "active"


def test_a_command_whose_body_is_longer_than_it_says_is_answered_for_what_it_did(
    platform: Platform, owner: Client
) -> None:
    """What follows is no request: the connection ends, and nobody is told that the command was refused."""
    before = owner.balance()
    response = raw(
        platform.url,
        f"POST /owner/billing/add-credits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {owner.key}\r\n"
        'Content-Type: application/json\r\nContent-Length: 18\r\n\r\n{"amountCents":10}xx'.encode(),
    )
    assert done(response, 201)["balanceCents"] == owner.balance() == before + 10
    assert response.headers["connection"] == "close"


def test_who_says_that_a_command_is_all_is_answered(platform: Platform, owner: Client) -> None:
    before = owner.balance()
    response = raw(
        platform.url,
        f"POST /owner/billing/add-credits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {owner.key}\r\n"
        'Content-Type: application/json\r\nContent-Length: 18\r\n\r\n{"amountCents":10}'.encode(),
        is_all=True,
    )
    assert done(response, 201)["balanceCents"] == owner.balance() == before + 10


def test_more_slots_than_there_can_be_are_refused(owner: Client) -> None:
    body = a_job(10_001)
    with Unchanged(owner):
        assert wrong_fields(owner.post("/jobs", body)) == ["/targetTesters", "/variants/0/targetTestersMin"]


def test_a_hold_beyond_the_greatest_is_refused_before_credits_are_counted(owner: Client) -> None:
    rules = [{"type": "per_minute", "rateCents": 1_000_000}]
    with Unchanged(owner):
        refused(owner.post("/jobs", a_job(10_000, paymentRules=rules)), 402, "not_enough_credits")
        response = owner.post("/jobs", a_job(10_000, paymentRules=rules, taskHardTimeLimitMinutes=1_440))
        assert wrong_fields(response) == ["/paymentRules"]


# -- fields ------------------------------------------------------------------------------------------------------------


def job(**changes: Any) -> Json:
    return {**A_JOB, **changes}


def with_variant(**changes: Any) -> Json:
    return job(variants=[{**VARIANT, **changes}])


def with_question(**changes: Any) -> Json:
    return with_variant(feedbackQuestions=[{**QUESTION, **changes}])


def paying(**rule: Any) -> Json:
    return job(paymentRules=[{"type": "fixed", "amountCents": 300} | rule])


def without(name: str) -> Json:
    return {key: value for key, value in A_JOB.items() if key != name}


ON_A_LATER_ONE = [
    {**QUESTION, "displayCondition": {"questionId": "later", "op": "in", "values": ["5"]}},
    {**QUESTION, "id": "later"},
]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        *((without(name), [f"/{name}"]) for name in A_JOB),
        *((job(**{name: None}), [f"/{name}"]) for name in A_JOB),
        (job(jobPostingTimeLimitMinutes=4), ["/jobPostingTimeLimitMinutes"]),
        (job(jobPostingTimeLimitMinutes=10_081), ["/jobPostingTimeLimitMinutes"]),
        (job(taskHardTimeLimitMinutes=0), ["/taskHardTimeLimitMinutes"]),
        (job(taskHardTimeLimitMinutes=1_441), ["/taskHardTimeLimitMinutes"]),
        (job(taskPaidTimeLimitMinutes=5), ["/taskPaidTimeLimitMinutes"]),
        (job(title=""), ["/title"]),
        (job(title=" \n\t"), ["/title"]),
        (job(title="x" * 161), ["/title"]),
        (job(category="Web Design"), ["/category"]),
        (job(category="web--design"), ["/category"]),
        (job(category="web-design\n"), ["/category"]),
        (job(category="x" * 65), ["/category"]),
        (job(description="x" * 10_001), ["/description"]),
        (job(descriptionMimeType="text/html"), ["/descriptionMimeType"]),
        (job(projectId="1"), ["/projectId"]),
        (job(projectId="{01890a5d-ac96-774b-bcce-b302099a8057}"), ["/projectId"]),
        (job(projectTestersOnly=True), ["/projectTestersOnly"]),
        (job(projectTestersOnly="true"), ["/projectTestersOnly"]),
        (job(targetTesters=0), ["/targetTesters"]),
        (job(targetTesters=4), ["/targetTesters"]),
        (job(targetTesters=6), ["/targetTesters"]),
        (job(targetTesters=5.0), ["/targetTesters"]),
        (job(targetTesters="5"), ["/targetTesters"]),
        (job(targetTesters=True), ["/targetTesters"]),
        (job(targetTesters=2**70), ["/targetTesters"]),
        (job(paymentRules=[]), ["/paymentRules"]),
        (job(paymentRules={"type": "fixed", "amountCents": 300}), ["/paymentRules"]),
        (job(paymentRules=[{"type": "fixed", "amountCents": 1}] * 11), ["/paymentRules"]),
        (paying(amountCents=300.0), ["/paymentRules/0/amountCents"]),
        (paying(amountCents=2.5), ["/paymentRules/0/amountCents"]),
        (paying(amountCents="300"), ["/paymentRules/0/amountCents"]),
        (paying(amountCents=True), ["/paymentRules/0/amountCents"]),
        (paying(amountCents=0), ["/paymentRules/0/amountCents"]),
        (paying(amountCents=1_000_001), ["/paymentRules/0/amountCents"]),
        (paying(rateCents=1), ["/paymentRules/0/rateCents"]),
        (paying(type="hourly"), ["/paymentRules/0/type"]),
        (paying(type=None), ["/paymentRules/0/type"]),
        (job(variants=[]), ["/variants"]),
        (job(variants=[VARIANT] * 21), ["/variants"]),
        (job(variants=[VARIANT] * 2), ["/targetTesters"]),
        (with_variant(url="javascript:alert(1)"), ["/variants/0/url"]),
        (with_variant(url="https://exa mple.com/"), ["/variants/0/url"]),
        (with_variant(url="https://example.com/" + "x" * 2_048), ["/variants/0/url"]),
        (with_variant(targetTestersMax=4), ["/targetTesters", "/variants/0/targetTestersMax"]),
        (with_variant(targetTestersMin=-1), ["/variants/0/targetTestersMin"]),
        (with_variant(placement={"element": "iframe"}), ["/variants/0/placement/position"]),
        (
            with_variant(placement={"element": "iframe", "position": "left"}, url=None),
            ["/variants/0/url"],
        ),
        (with_variant(screenCapture=[{"type": "testerTriggered"}]), ["/variants/0/screenCapture"]),
        (with_variant(feedbackQuestions=[QUESTION] * 101), ["/variants/0/feedbackQuestions"]),
        (with_variant(feedbackQuestions=[QUESTION] * 2), ["/variants/0/feedbackQuestions/1/id"]),
        (
            with_variant(feedbackQuestions=ON_A_LATER_ONE),
            ["/variants/0/feedbackQuestions/0/displayCondition/questionId"],
        ),
        (with_question(inputType="stars"), ["/variants/0/feedbackQuestions/0/inputType"]),
        (with_question(options=[{"label": "A", "value": "a"}]), ["/variants/0/feedbackQuestions/0/options"]),
        (with_question(inputType="switch", labels=["one"]), ["/variants/0/feedbackQuestions/0/labels"]),
        (with_question(inputType="integer", min=2, max=1), ["/variants/0/feedbackQuestions/0/max"]),
        (with_question(inputType="integer", min=2.5), ["/variants/0/feedbackQuestions/0/min"]),
        (
            with_variant(techConstraints=[{"category": "os", "rule": "only", "values": ["iphone"]}]),
            ["/variants/0/techConstraints/0/values/0"],
        ),
        (job(startsAt=1_736_931_600), ["/startsAt"]),
        (job(startsAt="1736931600"), ["/startsAt"]),
        (job(startsAt="2025-01-15"), ["/startsAt"]),
        (job(startsAt="2025-01-15T09:00:00"), ["/startsAt"]),
        (job(startsAt="2025-02-30T09:00:00Z"), ["/startsAt"]),
        (job(startsAt="9999-12-31T23:59:59Z"), ["/startsAt"]),
        (job(proofOfCompletion={"method": "photo", "password": "x"}), ["/proofOfCompletion/method"]),
        (job(legalAgreements=[{"version": "1"}]), ["/legalAgreements/0/type"]),
        (job(startAt="2025-01-15T09:00:00Z"), ["/startAt"]),
        (job(Title="x"), ["/Title"]),
        (job(**{"a/b~c": 1}), ["/a~1b~0c"]),
        (with_variant(target=5), ["/variants/0/target"]),
        (with_question(weight=1), ["/variants/0/feedbackQuestions/0/weight"]),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_written(owner: Client, body: Json, pointers: list[str]) -> None:
    with Unchanged(owner):
        response = owner.post("/jobs", body)
        assert wrong_fields(response) == pointers
        assert response.json()["detail"].startswith(f"{response.json()['errors'][0]['pointer']}: ")


@pytest.mark.parametrize(
    "path", ["/jobs", "/owner/billing/add-credits", "/owner/jobs/{}/resize", "/owner/jobs/{}/stop"]
)
@pytest.mark.parametrize("body", [b"null", b"[]", b"false", b'""', b"0"])
def test_whatever_a_command_takes_is_an_object(owner: Client, path: str, body: bytes) -> None:
    asked = path.format(owner.post_job())
    with Unchanged(owner):
        for headers in ({}, a_key()):
            assert wrong_fields(owner.post(asked, body, headers=headers)) == [""]


def test_null_is_as_not_given(owner: Client) -> None:
    optional = ("description", "projectId", "startsAt", "taskHardTimeLimitMinutes", "legalAgreements")
    body = job(**dict.fromkeys(optional), variants=[{**VARIANT, "targetTestersMax": None, "placement": None}])
    detail = owner.job(done(owner.post("/jobs", body), 201)["id"])
    assert (detail["taskHardTimeLimitMinutes"], detail["legalAgreements"]) == (30, [])
    assert detail["variants"][0]["targetTestersMax"] == 5


def test_an_empty_list_is_as_not_given(owner: Client) -> None:
    between = {"field": "age", "op": "between", "min": 18, "max": 30, "values": []}
    body = with_variant(
        feedbackQuestions=[{**QUESTION, "inputType": "text", "options": [], "labels": []}], audienceFilters=[between]
    )
    (variant,) = owner.job(done(owner.post("/jobs", body), 201)["id"])["variants"]
    (question,) = variant["feedbackQuestions"]
    assert (question["options"], question["labels"], variant["audienceFilters"][0]["values"]) == (None, None, None)


def test_text_is_kept_as_it_was_sent(owner: Client) -> None:
    title = " Zürich 🎈 \u202e</script> "
    job_id = done(owner.post("/jobs", written(job(title="§"), r"\u00a7", title)), 201)["id"]
    assert owner.job(job_id)["title"] == title
    escaped = done(owner.post("/jobs", written(job(title="§"), r"\u00a7", r"\ud83c\udf88")), 201)["id"]
    assert owner.job(escaped)["title"] == "🎈"


def test_a_hundred_wrong_fields_are_named_at_most(owner: Client) -> None:
    response = owner.post("/jobs", job(**{f"unknown{number}": number for number in range(500)}))
    assert len(refused(response, 400, "invalid_request")["errors"]) == 100


def test_a_long_name_is_not_repeated(owner: Client) -> None:
    response = owner.post("/jobs", job(**{"x" * 100_000: 1}))
    assert wrong_fields(response) == [""]
    assert len(response.content) < 2_000
