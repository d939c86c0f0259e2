"""Requests are checked once, on arrival: what passes, and which sentence names each wrong field."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from api.http.routes import ROUTES
from api.http.schemas import common, disputes, job_answers, jobs, money, operator, tester
from api.http.schemas.base import LARGE_BYTES, Answer, Request, parse_instant, read_json, validate, validate_query
from api.http.schemas.strict_json import walk
from api.service.jobs import DisputeWords
from domain.errors import InvalidRequest, Refusal
from domain.job.commands import DisputeJob, ResizeJob, Resolution, ResolveDispute, TesterClaim
from domain.job.events import Flags
from domain.job.terms import InputType, PayKind, PaymentRule
from projections.terms_view import posted_view, terms_view, variant_view
from projections.times import iso as instant_text

QUESTION = {"id": "rating", "questionMarkdown": "Rate the overall design", "inputType": "star_rating"}
VARIANT = {
    "description": "Visit the landing page and rate the design.",
    "url": "https://example.com/landing",
    "targetTestersMin": 5,
    "feedbackQuestions": [QUESTION],
}
JOB = {
    "title": "Rate my landing page",
    "targetTesters": 5,
    "category": "web-design",
    "jobPostingTimeLimitMinutes": 60,
    "paymentRules": [{"type": "fixed", "amountCents": 300}],
    "variants": [VARIANT],
}
FULL_QUESTION = {
    **QUESTION,
    "inputType": "multiple_choice",
    "required": False,
    "options": [{"label": "Yes", "value": "y"}, {"label": "No", "value": "n", "exclusive": True}],
    "multiSelect": True,
    "labels": ["low", "high"],
    "min": 1,
    "max": 2.5,
    "displayCondition": {"questionId": "before", "op": "not_in", "values": ["4"]},
}
FULL_VARIANT = {
    **VARIANT,
    "feedbackQuestions": [FULL_QUESTION],
    "targetTestersMax": 7,
    "descriptionMimeType": "text/markdown",
    "placement": {"element": "iframe", "position": "left", "revealQuestionsDuringTest": True},
    "screenCapture": [{"type": "scheduled", "intervalSeconds": 5}, {"type": "testerTriggered", "min": 0, "max": 3}],
    "audienceFilters": [{"field": "age", "op": "between", "min": 18, "max": 30}],
    "techConstraints": [{"category": "os", "rule": "only", "values": ["ios"]}],
}
FULL_JOB = {
    **JOB,
    "paymentRules": [{"type": "per_minute", "rateCents": 10, "capMinutes": 20}],
    "variants": [FULL_VARIANT],
    "description": "",
    "descriptionMimeType": "text/markdown",
    "projectId": "6F9619FF-8B86-D011-B42D-00C04FC964FF",
    "projectTestersOnly": True,
    "startsAt": "2025-01-15T10:00:00.2509+01:00",
    "taskHardTimeLimitMinutes": 45,
    "taskPaidTimeLimitMinutes": 20,
    "legalAgreements": [{"type": "nda", "version": "2"}],
    "proofOfCompletion": {"method": "password", "password": "sesame"},
}
DISPUTE = {
    "lowQuality": True,
    "suspectedFraud": False,
    "testers": [
        {
            "testerUserId": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
            "category": "low_quality",
            "description": "Single-word answers",
        }
    ],
}
IDS = [UUID(int=7)]
AN_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


def read(model: type[Request], body: object) -> Any:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return validate(model, text, read_json(text))


def wrong(model: type[Request], body: object) -> dict[str, str]:
    """What is said of each wrong field, by pointer."""
    with pytest.raises(InvalidRequest) as refused:
        read(model, body)
    return told(refused.value)


def told(refusal: InvalidRequest) -> dict[str, str]:
    return {problem.pointer: problem.detail for problem in refusal.problems}


# What passes


def test_the_contracts_job_becomes_terms() -> None:
    terms = read(jobs.CreateJobBody, JOB).to_terms(IDS)
    assert (terms.title, terms.target_testers, terms.posting_window_minutes) == ("Rate my landing page", 5, 60)
    assert terms.payment_rules == (PaymentRule(type=PayKind.FIXED, amount_cents=300),)
    assert terms.variants[0].id == IDS[0]
    assert terms.variants[0].feedback_questions[0].input_type is InputType.STAR_RATING
    assert terms.variants[0].feedback_questions[0].required
    assert (terms.hard_limit_minutes, terms.starts_at, terms.proof_hash) == (30, None, None)


def test_every_field_of_a_job_reaches_its_terms() -> None:
    terms = read(jobs.CreateJobBody, FULL_JOB).to_terms(IDS)
    variant, question = terms.variants[0], terms.variants[0].feedback_questions[0]
    assert terms.payment_rules == (PaymentRule(type=PayKind.PER_MINUTE, rate_cents=10, cap_minutes=20),)
    assert terms.project_id == UUID(AN_ID)
    assert terms.starts_at == parse_instant("2025-01-15T09:00:00.250Z")
    assert (terms.hard_limit_minutes, terms.paid_limit_minutes, terms.proof_hash) == (45, 20, None)
    assert (terms.description, terms.description_mime_type, terms.project_testers_only) == ("", "text/markdown", True)
    assert (terms.legal_agreements[0].type, terms.legal_agreements[0].version) == ("nda", "2")
    assert (variant.target_testers_max, variant.description_mime_type) == (7, "text/markdown")
    assert variant.placement is not None
    assert variant.placement.reveal_questions_during_test
    assert [capture.type for capture in variant.screen_capture] == ["scheduled", "testerTriggered"]
    assert (variant.audience_filters[0].min, variant.audience_filters[0].max) == (18, 30)
    assert variant.tech_constraints[0].values == ("ios",)
    assert question.options is not None
    assert [option.exclusive for option in question.options] == [False, True]
    assert (question.required, question.multi_select, question.labels) == (False, True, ("low", "high"))
    assert (question.min, question.max) == (1, 2.5)
    assert question.display_condition is not None
    assert question.display_condition.values == ("4",)


def optional_fields(model: type[BaseModel]) -> list[str]:
    return [str(field.alias) for field in model.model_fields.values() if not field.is_required()]


def test_null_is_as_not_given() -> None:
    nulls = dict.fromkeys(optional_fields(jobs.CreateJobBody))
    variant = {**VARIANT, **dict.fromkeys(optional_fields(jobs.VariantBody))}
    variant["feedbackQuestions"] = [{**QUESTION, **dict.fromkeys(optional_fields(jobs.QuestionBody))}]
    without = {**JOB, "variants": [{name: value for name, value in VARIANT.items() if name != "url"}]}
    given = read(jobs.CreateJobBody, {**JOB, **nulls, "variants": [variant]})
    assert given.to_terms(IDS) == read(jobs.CreateJobBody, without).to_terms(IDS)


def bodies() -> list[type[BaseModel]]:
    """The schemas of all bodies, and those within them."""
    found: list[type[BaseModel]] = []
    ahead: list[Any] = [route.body for route in ROUTES]
    for each in ahead:  # which grows meanwhile
        ahead += get_args(each)
        if isinstance(each, type) and issubclass(each, BaseModel) and each not in found:
            found.append(each)
            ahead += [field.annotation for field in each.model_fields.values()]
    return found


@pytest.mark.parametrize("model", bodies(), ids=lambda model: model.__name__)
def test_whatever_may_be_left_out_may_be_null(model: type[BaseModel]) -> None:
    for field in model.model_fields.values():
        if not field.is_required():
            TypeAdapter(field.rebuild_annotation()).validate_python(None)


@pytest.mark.parametrize("rule", [{"type": "fixed", "amountCents": 3}, {"type": "per_minute", "rateCents": 3}])
def test_null_in_a_field_of_the_other_rule_is_as_not_given(rule: dict[str, object]) -> None:
    every = dict.fromkeys(("amountCents", "rateCents", "capMinutes"))
    terms = read(jobs.CreateJobBody, {**JOB, "paymentRules": [{**every, **rule}, rule]}).to_terms(IDS)
    assert terms.payment_rules[0] == terms.payment_rules[1]


def test_the_contracts_dispute_becomes_a_command() -> None:
    claim = TesterClaim(tester=UUID(AN_ID), category="low_quality")
    expected = DisputeJob(flags=Flags(low_quality=True), testers=(claim,))
    body = read(disputes.DisputeBody, DISPUTE)
    assert body.to_command() == expected
    assert body.words() == DisputeWords(None, None, ("Single-word answers",))


@pytest.mark.parametrize("named", [123456, "123456"])
def test_a_disputed_tester_may_be_named_by_public_id(named: int | str) -> None:
    body = {"testers": [{"testerUserId": named, "category": "off_topic"}]}
    assert read(disputes.DisputeBody, body).to_command().testers[0].tester == 123456


def test_the_other_commands_are_built() -> None:
    assert read(jobs.ResizeBody, {"targetTesters": 10}).to_command() == ResizeJob(target=10)
    resolutions = {"resolutions": [{"assignmentId": AN_ID, "payoutCents": 0, "note": None}]}
    expected = ResolveDispute(resolutions=(Resolution(assignment_id=UUID(AN_ID), payout_cents=0),))
    assert read(disputes.ResolveBody, resolutions).to_command() == expected
    assert read(disputes.ResolveBody, resolutions).notes() == (None,)
    take = read(tester.TakeBody, {"acceptLegalAgreements": True}).to_command(IDS[0], IDS[0], 5)
    assert (take.accepts_legal_agreements, take.tester_public_id) == (True, 5)
    assert not read(tester.TakeBody, {}).to_command(IDS[0], IDS[0], 5).accepts_legal_agreements
    submit = read(tester.SubmitBody, {"answers": {"a": 4, "b": None, "c": ["x"], "d": 0.5}})
    assert submit.given() == {"a": 4, "c": ["x"], "d": 0.5}
    assert read(common.EmptyBody, {}) == common.EmptyBody()


# Wrong fields


def in_job(**fields: object) -> dict[str, object]:
    return {**JOB, **fields}


def in_variant(**fields: object) -> dict[str, object]:
    return in_job(variants=[{**VARIANT, **fields}])


def in_question(**fields: object) -> dict[str, object]:
    return in_variant(feedbackQuestions=[{**QUESTION, **fields}])


SLOTS = "must be an integer from 1 to 10000"
PAY = "must be an integer from 1 to 1000000"
WINDOW = "must be an integer from 5 to 10080"
TITLE = "must be a string of at most 160 characters, not blank"
URL = "must be an http or https URL without spaces of at most 2048 characters"
A_SLUG = "must be a slug of small letters, digits and single hyphens of at most 64 characters"
TIME = "must be an ISO 8601 time with an offset or Z, such as 2025-01-15T09:00:00Z"
NUMBER = "must be a number from -9007199254740991 to 9007199254740991"
TESTER = "must be a tester's UUID, a public id as digits or an integer from 1 to 999999999999999999"
UNKNOWN = "is not a known field; remove it"
REQUIRED = "is required"

WRONG_JOBS: list[tuple[dict[str, object], str, str]] = [
    (in_job(targetTesters="5"), "/targetTesters", SLOTS),
    (in_job(targetTesters=5.0), "/targetTesters", SLOTS),
    (in_job(targetTesters=True), "/targetTesters", SLOTS),
    (in_job(targetTesters=0), "/targetTesters", SLOTS),
    (in_job(targetTesters=10_001), "/targetTesters", SLOTS),
    (in_job(targetTesters=10**30), "/targetTesters", SLOTS),
    (in_job(targetTesters=10**4000), "/targetTesters", "is a number beyond the range of a double"),
    (in_job(targetTesters=None), "/targetTesters", REQUIRED),
    (in_job(targetTesters=[5]), "/targetTesters", SLOTS),
    (in_job(jobPostingTimeLimitMinutes=4), "/jobPostingTimeLimitMinutes", WINDOW),
    (in_job(jobPostingTimeLimitMinutes=10_081), "/jobPostingTimeLimitMinutes", WINDOW),
    (in_job(title=""), "/title", TITLE),
    (in_job(title=" \t\n\u2003"), "/title", TITLE),
    (in_job(title="x" * 161), "/title", TITLE),
    (in_job(title=7), "/title", TITLE),
    (in_job(title="a\0b"), "/title", "must not contain the character U+0000"),
    (in_job(category="Web Design"), "/category", A_SLUG),
    (in_job(category="a--b"), "/category", A_SLUG),
    (in_job(category="web\n"), "/category", A_SLUG),
    (in_job(category="x" * 65), "/category", A_SLUG),
    (in_job(description="x" * 10_001), "/description", "must be a string of at most 10000 characters"),
    (in_job(descriptionMimeType="text/html"), "/descriptionMimeType", "must be one of text/plain, text/markdown"),
    (in_job(projectId="7"), "/projectId", "must be a UUID"),
    (in_job(projectId="{" + AN_ID + "}"), "/projectId", "must be a UUID"),
    (in_job(projectId=AN_ID + "\n"), "/projectId", "must be a UUID"),
    (in_job(projectTestersOnly="true"), "/projectTestersOnly", "must be true or false"),
    (in_job(projectTestersOnly=1), "/projectTestersOnly", "must be true or false"),
    (in_job(startsAt=1736931600), "/startsAt", TIME),
    (in_job(startsAt="1736931600"), "/startsAt", TIME),
    (in_job(startsAt="2025-01-15T09:00:00"), "/startsAt", TIME),
    (in_job(startsAt="2025-01-15T09:00:00." + "0" * 200 + "Z"), "/startsAt", TIME),
    (in_job(taskHardTimeLimitMinutes=1_441), "/taskHardTimeLimitMinutes", "must be an integer from 1 to 1440"),
    (in_job(paymentRules=[]), "/paymentRules", "must be a list of 1 to 10 items"),
    (in_job(paymentRules=None), "/paymentRules", REQUIRED),
    (in_job(paymentRules=JOB["paymentRules"] * 11), "/paymentRules", "must be a list of 1 to 10 items"),  # type: ignore[operator]
    (in_job(paymentRules={}), "/paymentRules", "must be a list of 1 to 10 items"),
    (in_job(paymentRules=[7]), "/paymentRules/0", "must be an object"),
    (in_job(paymentRules=[{}]), "/paymentRules/0/type", REQUIRED),
    (in_job(paymentRules=[{"type": None}]), "/paymentRules/0/type", REQUIRED),
    (in_job(paymentRules=[{"type": "hourly"}]), "/paymentRules/0/type", "must be one of fixed, per_minute"),
    (in_job(paymentRules=[{"type": 5}]), "/paymentRules/0/type", "must be one of fixed, per_minute"),
    (in_job(paymentRules=[{"type": "fixed"}]), "/paymentRules/0/amountCents", REQUIRED),
    (in_job(paymentRules=[{"type": "fixed", "amountCents": 300.0}]), "/paymentRules/0/amountCents", PAY),
    (in_job(paymentRules=[{"type": "fixed", "amountCents": "300"}]), "/paymentRules/0/amountCents", PAY),
    (in_job(paymentRules=[{"type": "fixed", "amountCents": 0}]), "/paymentRules/0/amountCents", PAY),
    (in_job(paymentRules=[{"type": "fixed", "amountCents": 1_000_001}]), "/paymentRules/0/amountCents", PAY),
    (
        in_job(paymentRules=[{"type": "fixed", "amountCents": 3, "rateCents": 2}]),
        "/paymentRules/0/rateCents",
        "must be null or left out",
    ),
    (
        in_job(paymentRules=[{"type": "per_minute", "rateCents": 3, "amountCents": 0}]),
        "/paymentRules/0/amountCents",
        "must be null or left out",
    ),
    (
        in_job(paymentRules=[{"type": "per_minute", "rateCents": 3, "capMinutes": 0}]),
        "/paymentRules/0/capMinutes",
        "must be an integer from 1 to 1440",
    ),
    (in_job(variants=[]), "/variants", "must be a list of 1 to 20 items"),
    (in_job(variants=[None]), "/variants/0", "must be an object"),
    (
        in_job(legalAgreements=[{"type": " "}]),
        "/legalAgreements/0/type",
        "must be a string of at most 64 characters, not blank",
    ),
    (in_job(proofOfCompletion={"method": "pin", "password": "x"}), "/proofOfCompletion/method", 'must be "password"'),
    (
        in_job(proofOfCompletion={"method": "password", "password": "x" * 129}),
        "/proofOfCompletion/password",
        "must be a string of 1 to 128 characters",
    ),
    (in_job(colour="red"), "/colour", UNKNOWN),
    (in_job(target_testers=5), "/target_testers", UNKNOWN),
    (in_job(**{"a/b~c": 1}), "/a~1b~0c", UNKNOWN),
    (in_job(**{"x" * 201: 1}), "", "has an unknown field with a very long name; remove it"),
    (in_job(**{"a\0": 1}), "", "has a field whose name contains the character U+0000"),
    (in_variant(url="ftp://example.com"), "/variants/0/url", URL),
    (in_variant(url="javascript:alert(1)"), "/variants/0/url", URL),
    (in_variant(url="https://"), "/variants/0/url", URL),
    (in_variant(url="https://a b"), "/variants/0/url", URL),
    (in_variant(url="https://example.com/" + "x" * 2_048), "/variants/0/url", URL),
    (
        in_variant(description=" "),
        "/variants/0/description",
        "must be a string of at most 10000 characters, not blank",
    ),
    (in_variant(targetTestersMin=-1), "/variants/0/targetTestersMin", "must be an integer from 0 to 10000"),
    (in_variant(targetTestersMax=0), "/variants/0/targetTestersMax", SLOTS),
    (
        in_variant(feedbackQuestions=[QUESTION] * 101),
        "/variants/0/feedbackQuestions",
        "must be a list of at most 100 items",
    ),
    (in_variant(placement={"element": "popup"}), "/variants/0/placement/element", "must be one of window, iframe"),
    (
        in_variant(audienceFilters=[{"field": "age", "op": "in", "values": [1.5]}]),
        "/variants/0/audienceFilters/0/values/0",
        "must be a string of at most 500 characters, not blank or an integer "
        "from -9007199254740991 to 9007199254740991",
    ),
    (
        in_question(inputType="essay"),
        "/variants/0/feedbackQuestions/0/inputType",
        "must be one of text, textarea, multiple_choice, file_upload, star_rating, switch, slider, range_slider, "
        "date, integer, decimal, thumbs",
    ),
    (in_question(min="1"), "/variants/0/feedbackQuestions/0/min", NUMBER),
    (in_question(min=10**20), "/variants/0/feedbackQuestions/0/min", NUMBER),
    (
        in_question(displayCondition={"questionId": "a", "op": "eq", "values": ["x"]}),
        "/variants/0/feedbackQuestions/0/displayCondition/op",
        "must be one of in, not_in",
    ),
]


@pytest.mark.parametrize(("body", "pointer", "detail"), WRONG_JOBS)
def test_a_wrong_field_of_a_job_is_named(body: dict[str, object], pointer: str, detail: str) -> None:
    found = wrong(jobs.CreateJobBody, body)
    assert found.pop(pointer) == detail
    assert set(found) <= {"/a\0"}


def test_every_wrong_field_is_named_at_once() -> None:
    body = in_variant(url="x", targetTestersMin="5", feedbackQuestions=[{"id": "a", "inputType": 1, "max": []}])
    body |= {"title": "", "targetTesters": 1.5, "surplus": {}, "paymentRules": [{"type": "fixed"}, {"type": "x"}]}
    del body["category"]
    assert set(wrong(jobs.CreateJobBody, body)) == {
        "/title",
        "/targetTesters",
        "/category",
        "/paymentRules/0/amountCents",
        "/paymentRules/1/type",
        "/variants/0/url",
        "/variants/0/targetTestersMin",
        "/variants/0/feedbackQuestions/0/questionMarkdown",
        "/variants/0/feedbackQuestions/0/inputType",
        "/variants/0/feedbackQuestions/0/max",
        "/surplus",
    }


def test_a_hundred_problems_are_named_and_no_more() -> None:
    assert len(wrong(jobs.CreateJobBody, {f"f{number}": 0 for number in range(1_000)})) == 100


def test_a_refusal_is_short_however_long_the_names_were() -> None:
    body = {"answers": {"x" * 50_000: {"y" * 900: ["\0"] * 200}}, "z" * 50_000: 1}
    found = wrong(tester.SubmitBody, body)
    assert set(found) == {"", "/answers"}
    assert sum(map(len, found.values())) < 500


def test_what_was_sent_is_never_repeated() -> None:
    secret = "sesame-" * 40
    body = in_job(proofOfCompletion={"method": secret, "password": secret}, projectId=secret, startsAt=secret)
    body |= {"paymentRules": [{"type": secret}], "targetTesters": secret}
    assert "sesame" not in str(wrong(jobs.CreateJobBody, body))


def test_a_password_is_not_in_the_text_of_its_request() -> None:
    assert "sesame" not in repr(read(jobs.CreateJobBody, FULL_JOB))
    assert "sesame" not in repr(read(tester.SubmitBody, {"answers": {}, "proofValue": "sesame"}))


WRONG_BODIES: list[tuple[type[Request], object, dict[str, str]]] = [
    (jobs.CreateJobBody, [], {"": "must be an object"}),
    (jobs.CreateJobBody, None, {"": "must be an object"}),
    (jobs.ResizeBody, {}, {"/targetTesters": REQUIRED}),
    (jobs.ResizeBody, {"targetTesters": 10_001}, {"/targetTesters": SLOTS}),
    (common.EmptyBody, {"a": 1}, {"/a": UNKNOWN}),
    (common.EmptyBody, [], {"": "must be an object"}),
    (tester.TakeBody, {"acceptLegalAgreements": "yes"}, {"/acceptLegalAgreements": "must be true or false"}),
    (tester.SubmitBody, {"answers": []}, {"/answers": "must be an object of at most 200 fields"}),
    (
        tester.SubmitBody,
        {"answers": {str(number): 1 for number in range(201)}},
        {"/answers": "must be an object of at most 200 fields"},
    ),
    (
        tester.SubmitBody,
        {"answers": {"a": "x\0", "b": ["\0"]}},
        {
            "/answers/a": "must not contain the character U+0000",
            "/answers/b/0": "must not contain the character U+0000",
        },
    ),
    (
        tester.SubmitBody,
        {"answers": {"x" * 129: 1, "x" * 300: 1}, "proofValue": ""},
        {
            "/answers": "needs the name of each field to be a string of at most 128 characters",
            "/proofValue": "must be a string of 1 to 128 characters",
        },
    ),
    (money.AddCreditsBody, {"amountCents": 0}, {"/amountCents": "must be an integer from 1 to 100000000"}),
    (money.WithdrawalBody, {"amountCents": 100_000_001}, {"/amountCents": "must be an integer from 1 to 100000000"}),
    (
        operator.PrincipalBody,
        {"role": "root", "name": " "},
        {
            "/role": "must be one of owner, tester, operator, auditor",
            "/name": "must be a string of at most 100 characters, not blank",
        },
    ),
    (operator.KeyBody, {"principalId": 7}, {"/principalId": "must be a UUID"}),
    (operator.ClockBody, {"advanceSeconds": -1}, {"/advanceSeconds": "must be an integer from 0 to 315360000"}),
    (disputes.ResolveBody, {"resolutions": []}, {"/resolutions": "must be a list of 1 to 10000 items"}),
    (
        disputes.ResolveBody,
        {"resolutions": [{"assignmentId": "x", "payoutCents": -1, "feeCents": 0.5, "note": "x" * 2_001}]},
        {
            "/resolutions/0/assignmentId": "must be a UUID",
            "/resolutions/0/payoutCents": "must be an integer from 0 to 1000000000000",
            "/resolutions/0/feeCents": "must be an integer from 0 to 1000000000000",
            "/resolutions/0/note": "must be a string of at most 2000 characters",
        },
    ),
    (
        disputes.DisputeBody,
        {"testers": [{"testerUserId": "0123", "category": "rude"}, {"testerUserId": True, "category": None}]},
        {
            "/testers/0/testerUserId": TESTER,
            "/testers/0/category": "must be one of low_quality, off_topic, suspected_fraud, incomplete_work",
            "/testers/1/testerUserId": TESTER,
            "/testers/1/category": REQUIRED,
        },
    ),
]


@pytest.mark.parametrize(("model", "body", "expected"), WRONG_BODIES)
def test_wrong_fields_of_other_bodies_are_named(model: type[Request], body: object, expected: dict[str, str]) -> None:
    assert wrong(model, body) == expected


NOTHING_DISPUTED = {"": "must set at least one flag to true, or list at least one tester"}
DISPUTES_WITHOUT_SENSE: list[tuple[dict[str, object], dict[str, str]]] = [
    ({}, NOTHING_DISPUTED),
    ({"testers": []}, NOTHING_DISPUTED),
    ({"lowQuality": False, "offTopic": None}, NOTHING_DISPUTED),
    ({"platformIssue": True}, {"/platformIssueDescription": "is required when platformIssue is true"}),
    (
        {"offTopic": True, "billingDiscrepancyDescription": "twice"},
        {"/billingDiscrepancyDescription": "needs billingDiscrepancy to be true; set it, or leave this out"},
    ),
    (
        {"billingDiscrepancy": True, "platformIssueDescription": "down"},
        {
            "/platformIssueDescription": "needs platformIssue to be true; set it, or leave this out",
            "/billingDiscrepancyDescription": "is required when billingDiscrepancy is true",
        },
    ),
]


@pytest.mark.parametrize(("body", "expected"), DISPUTES_WITHOUT_SENSE)
def test_flags_and_descriptions_of_a_dispute_go_together(body: dict[str, object], expected: dict[str, str]) -> None:
    request = read(disputes.DisputeBody, body)
    with pytest.raises(InvalidRequest) as refused:
        request.to_command()
    assert told(refused.value) == expected


# Any JSON at all

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(SCALARS, lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(), each, max_size=4))
MODELS: list[type[Request]] = [
    jobs.CreateJobBody,
    jobs.ResizeBody,
    disputes.DisputeBody,
    disputes.ResolveBody,
    tester.SubmitBody,
    operator.PrincipalBody,
]


def replaced(value: Any, steps: tuple[int | str, ...], new: object) -> Any:
    """A JSON value with another one in one place."""
    if not steps:
        return new
    copy = value.copy()
    copy[steps[0]] = replaced(value[steps[0]], steps[1:], new)
    return copy


PLACES = [steps for steps, _ in walk(json.loads(json.dumps(FULL_JOB)))]


def check_problems(model: type[Request], body: object) -> None:
    try:
        read(model, body)
    except InvalidRequest as refusal:
        assert 1 <= len(refusal.problems) <= 100
        assert len(told(refusal)) == len(refusal.problems)
        parents = {pointer.rpartition("/")[0] for pointer in told(refusal)}
        assert parents <= {"", *pointers(body)}


def pointers(value: object) -> Iterator[str]:
    for steps, _ in walk(value):
        yield "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


@given(st.sampled_from(MODELS), JSON)
def test_any_json_is_taken_or_refused_with_pointers_into_it(model: type[Request], body: object) -> None:
    check_problems(model, body)


@given(st.sampled_from(PLACES), JSON)
def test_a_job_with_anything_anywhere_is_taken_or_refused(steps: tuple[int | str, ...], new: object) -> None:
    check_problems(jobs.CreateJobBody, replaced(FULL_JOB, steps, new))


@given(st.sampled_from(PLACES), JSON)
def test_a_large_job_is_refused_where_a_small_one_is_and_for_some_of_the_same(
    steps: tuple[int | str, ...], new: object
) -> None:
    body = json.dumps(replaced(FULL_JOB, steps, new)).encode()
    large = body + b" " * LARGE_BYTES
    try:
        request = read(jobs.CreateJobBody, body)
    except InvalidRequest as refusal:
        found = wrong(jobs.CreateJobBody, large)
        assert found.items() <= told(refusal).items()
    else:
        assert read(jobs.CreateJobBody, large) == request


def test_of_a_large_body_the_first_wrong_item_of_each_list_is_named() -> None:
    items: list[object] = [{"type": "nda"}, {"type": 1, "version": 2}, {"type": 3}]
    fields = {"title": 1, "legalAgreements": items, "paymentRules": [1, 2]}
    text = json.dumps({**JOB, **fields}).encode()
    few = {"/title", "/legalAgreements/1/type", "/legalAgreements/1/version", "/paymentRules/0"}
    assert wrong(jobs.CreateJobBody, text + b" " * LARGE_BYTES).keys() == few
    assert wrong(jobs.CreateJobBody, text).keys() == few | {"/legalAgreements/2/type", "/paymentRules/1"}


@pytest.mark.parametrize("place", ["", "/variants/0/placement"])
def test_a_large_body_with_an_object_of_countless_fields_is_refused_for_that(place: str) -> None:
    wide: dict[str, object] = {f"unknown{number:016}": number for number in range(1_000)}
    body = {**JOB, **wide} if not place else {**JOB, "variants": [{**VARIANT, "placement": wide}]}
    assert wrong(jobs.CreateJobBody, body) == {place: "must be an object of at most 200 fields"}


def test_countless_wrong_items_of_lists_in_lists_are_not_looked_for() -> None:
    questions = [{**QUESTION, "inputType": "multiple_choice", "options": [{}] * 100}] * 100
    found = wrong(jobs.CreateJobBody, {**JOB, "variants": [{**VARIANT, "feedbackQuestions": questions}] * 20})
    option = "/variants/0/feedbackQuestions/0/options/0"
    assert found == {f"{option}/label": REQUIRED, f"{option}/value": REQUIRED}


# JSON itself

NO_VALUE = "is not JSON (NaN and Infinity are no JSON values)"
NOT_STRICT_JSON: list[tuple[bytes, str, str]] = [
    (b"", "", "is not JSON: it ends too early"),
    (b"{", "", "is not JSON: it ends too early"),
    (b"{'a':1}", "", "is not JSON"),
    (b"{} x", "", "is not JSON"),
    (b'{"secret":}', "", NO_VALUE),
    (b'{"a":1,"a":2}', "/a", "names a field twice"),
    (b'{"x":[{"a":1,"a":1}]}', "/x/0/a", "names a field twice"),
    (b'{"a":1,"\\u0061":2}', "/a", "names a field twice"),
    (b'{"a":NaN}', "/a", NO_VALUE),
    (b'{"a":-Infinity}', "/a", NO_VALUE),
    (b'{"a":[1,1e400]}', "/a/1", "is a number beyond the range of a double"),
    (b'{"a":-1E+0400}', "/a", "is a number beyond the range of a double"),
    (b'{"a":' + b"9" * 309 + b".5}", "/a", "is a number beyond the range of a double"),
    (b'{"a":' + b"9" * 400 + b"}", "/a", "is a number beyond the range of a double"),
    (b"9" * 5_000, "", "has a number that is too long"),
    (b'"\\ud800"', "", "has half of a surrogate pair or a broken \\u escape in a string"),
    (b'"\\ud800x"', "", "has half of a surrogate pair or a broken \\u escape in a string"),
    (b'"\\udc00"', "", "has half of a surrogate pair in a string; send whole characters"),
    (b'"\xff"', "", "is not valid UTF-8"),
    (b'"\xed\xa0\x80"', "", "is not valid UTF-8"),
    (b"\xef\xbb\xbf{}", "", "must not begin with a byte order mark"),
    (b"[" * 300 + b"]" * 300, "", "is nested deeper than 200 levels"),
]


@pytest.mark.parametrize(("body", "pointer", "detail"), NOT_STRICT_JSON)
def test_what_is_not_strict_json_is_refused(body: bytes, pointer: str, detail: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_json(body)
    assert {where: said.partition(" at line ")[0] for where, said in told(refused.value).items()} == {pointer: detail}


def test_the_place_of_what_is_not_json_is_told() -> None:
    with pytest.raises(InvalidRequest, match=r"is not JSON .* at line 2 column 5$"):
        read_json(b'{\n"a":x}')


@pytest.mark.parametrize("text", ["1e300", "-1.5e-400", "[]", '{"e000":"1e999"}', '"\\ud83d\\ude00"', "0." + "1" * 500])
def test_strict_json_is_read(text: str) -> None:
    assert read_json(text.encode()) == json.loads(text)


@given(JSON)
def test_json_is_read_as_it_was_written(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False).encode()
    assert read_json(text) == json.loads(text)


# Query strings

QUERIES: list[tuple[type[Request], list[tuple[str, str]], dict[str, object]]] = [
    (jobs.ListJobsQuery, [], {"limit": 20, "cursor": None, "status": None, "settlement_status": None}),
    (
        jobs.ListJobsQuery,
        [("limit", "50"), ("cursor", "abc"), ("status", "closing"), ("settlementStatus", "none")],
        {"limit": 50, "cursor": "abc", "status": "closing", "settlement_status": "none"},
    ),
    (jobs.WaitQuery, [], {"timeout_ms": 3_600_000}),
    (jobs.WaitQuery, [("timeoutMs", "0")], {"timeout_ms": 0}),
    (common.CommandQuery, [], {"dry_run": False}),
    (common.CommandQuery, [("dryRun", "true")], {"dry_run": True}),
    (common.CommandQuery, [("dryRun", "false")], {"dry_run": False}),
    (disputes.DisputesQuery, [("status", "open")], {"limit": 20, "cursor": None, "status": "open"}),
    (
        money.LedgerQuery,
        [
            ("from", "1970-01-01T00:00:01Z"),
            ("to", "1970-01-01T01:00:00+01:00"),
            ("type", "withdrawal"),
            ("jobId", AN_ID),
        ],
        {
            "limit": 20,
            "cursor": None,
            "from_": 1_000,
            "to": 0,
            "type": "withdrawal",
            "job_id": UUID(AN_ID),
            "format": "json",
            "as_of": None,
            "known_at": None,
        },
    ),
]


@pytest.mark.parametrize(("model", "pairs", "expected"), QUERIES)
def test_a_query_string_is_read(
    model: type[Request], pairs: list[tuple[str, str]], expected: dict[str, object]
) -> None:
    assert dict(validate_query(model, pairs)) == expected


PAGE_SIZE = "must be an integer from 1 to 50"
WRONG_QUERIES: list[tuple[type[Request], list[tuple[str, str]], dict[str, str]]] = [
    *((jobs.ListJobsQuery, [("limit", text)], {"?limit": PAGE_SIZE}) for text in ("0", "51", "-1", "+5", " 5", "5.0")),
    *((jobs.ListJobsQuery, [("limit", text)], {"?limit": PAGE_SIZE}) for text in ("", "1_0", "٣", "9" * 30, "true")),
    (jobs.ListJobsQuery, [("limit", "5"), ("limit", "5")], {"?limit": "must be given once"}),
    (jobs.ListJobsQuery, [("Limit", "5")], {"?Limit": "is not a known parameter; remove it"}),
    (jobs.ListJobsQuery, [("x" * 201, "5")], {"?": "is not a known parameter; remove it"}),
    (jobs.ListJobsQuery, [("cursor", "")], {"?cursor": "must be a string of 1 to 200 characters"}),
    (jobs.ListJobsQuery, [("cursor", "x" * 201)], {"?cursor": "must be a string of 1 to 200 characters"}),
    (jobs.ListJobsQuery, [("cursor", "a\0")], {"?cursor": "must not contain the character U+0000"}),
    (
        jobs.ListJobsQuery,
        [("status", "open"), ("limit", "x"), ("a", "b"), ("settlementStatus", "null")],
        {
            "?a": "is not a known parameter; remove it",
            "?status": "must be one of active, paused, closing, completed, cancelled",
            "?limit": PAGE_SIZE,
            "?settlementStatus": "must be one of none, pending_approval, approved, disputed, resolved",
        },
    ),
    (common.CommandQuery, [("dryRun", "1")], {"?dryRun": "must be true or false"}),
    (common.CommandQuery, [("dryRun", "True")], {"?dryRun": "must be true or false"}),
    (jobs.WaitQuery, [("timeoutMs", "86400001")], {"?timeoutMs": "must be an integer from 0 to 86400000"}),
    (money.LedgerQuery, [("from", "1736931600")], {"?from": TIME}),
    (money.LedgerQuery, [("from", "2025-01-15T09:00:00 01:00")], {"?from": TIME + "; a + is written %2B here"}),
    (money.LedgerQuery, [("jobId", "1")], {"?jobId": "must be a UUID"}),
]


@pytest.mark.parametrize(("model", "pairs", "expected"), WRONG_QUERIES)
def test_wrong_parameters_are_named(
    model: type[Request], pairs: list[tuple[str, str]], expected: dict[str, str]
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        validate_query(model, pairs)
    assert told(refused.value) == expected


# Instants

TIMES = [
    ("1970-01-01T00:00:00Z", 0),
    ("1970-01-01t00:00:01z", 1_000),
    ("1970-01-01T00:00:00.250Z", 250),
    ("1970-01-01T00:00:00.2509999999999999999Z", 250),
    ("1970-01-01T00:00:00.5Z", 500),
    ("1969-12-31T23:59:59.9999Z", -1),
    ("1970-01-01T01:30:00+01:30", 0),
    ("1969-12-31T18:00:00-06:00", 0),
    ("1970-01-01T00:00:00-00:00", 0),
    ("2024-02-29T00:00:00Z", 1_709_164_800_000),
]


@pytest.mark.parametrize(("text", "instant"), TIMES)
def test_a_time_is_read(text: str, instant: int) -> None:
    assert parse_instant(text) == instant


NO_TIMES = [
    "",
    "0",
    "1736931600",
    "1736931600.5",
    "2025-01-15",
    "2025-01-15T09:00:00",
    "2025-01-15T09:00Z",
    "2025-01-15 09:00:00Z",
    "20250115T090000Z",
    "2025-W03-3T09:00:00Z",
    "2025-015T09:00:00Z",
    "2025-01-15T09:00:60Z",
    "2016-12-31T23:59:60Z",
    "2025-01-15T24:00:00Z",
    "2025-02-29T00:00:00Z",
    "2025-13-01T00:00:00Z",
    "2025-01-15T09:00:00+24:00",
    "2025-01-15T09:00:00+01:60",
    "2025-01-15T09:00:00+0100",
    "2025-01-15T09:00:00+01",
    "2025-01-15T09:00:00.Z",
    "2025-01-15T09:00:00,5Z",
    "2025-01-15T09:00:00Z\n",
    " 2025-01-15T09:00:00Z",
    "٢٠٢٥-01-15T09:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "+002025-01-15T09:00:00Z",
]


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_names_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be an ISO 8601 time with an offset or Z"):
        parse_instant(text)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (1_736_931_600_000, "2025-01-15T09:00:00Z"),
        (1_736_931_600_250, "2025-01-15T09:00:00.250Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_an_instant_is_shown_in_full(instant: int, text: str) -> None:
    assert instant_text(instant) == text


FIRST, LAST = parse_instant("0001-01-01T00:00:00Z"), parse_instant("9999-12-31T23:59:59.999Z")


@given(st.integers(FIRST, LAST))
def test_an_instant_survives_its_text(instant: int) -> None:
    assert parse_instant(instant_text(instant)) == instant


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)), st.integers(-23 * 60 - 59, 23 * 60 + 59))  # noqa: DTZ001
def test_a_time_with_an_offset_is_the_instant_that_python_says(local: datetime, offset_minutes: int) -> None:
    moment = local.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_instant(moment.isoformat()) == since // timedelta(milliseconds=1)


# Answers

ANSWERS: list[tuple[type[Answer], str]] = [
    (
        job_answers.JobCreated,
        '{"id":"6f9619ff-8b86-d011-b42d-00c04fc964ff","status":"active","title":"Rate","escrowHoldCents":1950,'
        '"createdAt":"2025-01-15T09:00:00Z"}',
    ),
    (job_answers.JobStatus, '{"id":"6f9619ff-8b86-d011-b42d-00c04fc964ff","status":"paused"}'),
    (
        job_answers.SettleAnswer,
        '{"ok":true,"cancelled":false,"settlementStatus":"pending_approval",'
        '"settlementDeadline":"2025-01-16T10:30:00Z","closedReason":"all_completed"}',
    ),
    (job_answers.ApproveAnswer, '{"ok":true,"settlementStatus":"approved"}'),
    (job_answers.DisputeAnswer, '{"ok":true,"settlementStatus":"disputed"}'),
    (
        job_answers.ResizeAnswer,
        '{"previousTargetTesters":5,"newTargetTesters":10,"previousEscrowHoldCents":3250,"newEscrowHoldCents":6500,'
        '"escrowDeltaCents":3250,"status":"active","settlementStatus":null}',
    ),
    (job_answers.FeedbackData, '{"_meta":{"source":"tester_input","untrusted":true},"answers":{"rating":4}}'),
    (
        common.Problem,
        '{"type":"about:blank","title":"Payment Required","status":402,"detail":"d","code":"not_enough_credits",'
        '"requestId":"r","error":"d","neededCents":1,"availableCents":0}',
    ),
]


@pytest.mark.parametrize(("model", "text"), ANSWERS)
def test_the_contracts_answers_fit_their_models(model: type[Answer], text: str) -> None:
    shown = model.model_validate_json(text).model_dump(mode="json", exclude_unset=True)
    assert shown == json.loads(text)


def test_the_terms_that_are_shown_fit_the_detail() -> None:
    terms = read(jobs.CreateJobBody, FULL_JOB).to_terms(IDS)
    progress = {"targetTestersMax": 5, "assignmentCount": 0, "completedCount": 0, "completedAssignments": []}
    detail = {
        **posted_view(AN_ID, terms, 0),
        **terms_view(terms, 0),
        "variants": [{**variant_view(variant), **progress} for variant in terms.variants],
        "status": "active",
        "targetTesters": 5,
        "escrowHoldCents": 1950,
        "escrowBalanceCents": 1950,
        "settlementStatus": None,
        "closedReason": None,
        "settlementDeadline": None,
    }
    job_answers.JobDetail.model_validate_json(json.dumps(detail))
    job_answers.WaitedJob.model_validate_json(json.dumps({**detail, "timedOut": False}))


def test_an_answer_without_one_of_its_fields_does_not_fit() -> None:
    with pytest.raises(ValidationError):
        job_answers.JobStatus.model_validate_json(f'{{"id":"{AN_ID}"}}')


def subclasses(base: type[Any]) -> Iterator[type[Any]]:
    for each in base.__subclasses__():
        yield each
        yield from subclasses(each)


def test_every_refusal_has_a_published_code() -> None:
    published = common.Problem.model_json_schema()["properties"]["code"]["enum"]
    assert {refusal.code for refusal in subclasses(Refusal)} <= set(published)


def test_every_field_of_an_answer_is_always_there() -> None:
    optional = {
        (model.__name__, name)
        for model in subclasses(Answer)
        for name, field in model.model_fields.items()
        if not field.is_required()
    }
    assert optional == set()


def test_every_schema_can_be_published() -> None:
    for model in [*subclasses(Request), *subclasses(Answer)]:
        assert model.model_json_schema(by_alias=True)["type"] == "object"
