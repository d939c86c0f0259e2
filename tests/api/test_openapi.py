"""The OpenAPI document: valid, made of the routes and of nothing else, and true of every answer."""

import importlib
import json
import pkgutil
import tomllib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import pytest
from openapi_spec_validator import validate

import api
import domain
from api.http.openapi import VERSION, refusals_of
from api.http.openapi import document as make_document
from api.http.problems import RETRY_AFTER_SECONDS, STATUSES, unforeseen
from api.http.route import Route
from api.http.routes import ROUTES, WITHOUT_SANDBOX
from api.http.schemas.base import read_json
from api.http.schemas.base import validate as validate_body
from domain.errors import InvalidRequest, Refusal
from domain.job.feedback import MAX_FILE_REFERENCE, MAX_FILES, MAX_TEXT, MAX_TEXTAREA
from domain.job.terms import InputType
from domain.job.validity import CAPTURE_SHAPES, FILTER_SHAPES, QUESTION_SHAPES, TECH_VALUES
from domain.money import MAX_HOLD_CENTS
from tests.api.server import ANSWERS, ROOT, Client, Json, Platform, Unchanged, done, refused
from tests.api.test_http_reconciliations import unknown_charge

CODES = [
    "invalid_request",
    "not_authenticated",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "too_large",
    "head_too_large",
    "not_json",
    "not_enough_credits",
    "not_enough_payable",
    "payment_failed",
    "gateway_not_configured",
    "job_not_active",
    "not_started",
    "no_slots_left",
    "already_taken",
    "not_eligible",
    "legal_agreements_required",
    "reservation_expired",
    "past_hard_limit",
    "proof_locked",
    "testers_at_work",
    "not_pending_approval",
    "not_disputed",
    "already_resolved",
    "below_taken",
    "below_minimum",
    "above_maximum",
    "invalid_state",
    "version_mismatch",
    "idempotency_mismatch",
    "idempotency_in_progress",
    "rate_limited",
    "overloaded",
    "unavailable",
]
"""The codes of the contract. Stable: one may be added, none may go or change its name."""


@pytest.fixture(scope="module")
def document(platform_on_sqlite: Platform) -> Json:
    return platform_on_sqlite.contract.document


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


# -- the document by itself --------------------------------------------------------------------------------------------


def test_the_document_is_valid(document: Json) -> None:
    validate(document)
    assert document["openapi"] == "3.1.0"


def test_the_document_is_the_same_on_each_kind_of_database(document: Json, platform_on_postgres: Platform) -> None:
    assert platform_on_postgres.contract.document == document


def test_the_document_without_the_sandbox_is_valid_and_the_same_but_for_it(document: Json) -> None:
    real = make_document(WITHOUT_SANDBOX)
    validate(real)
    assert set(document["paths"]) - set(real["paths"]) == {"/sandbox/clock", "/sandbox/gateway/statement.csv"}


def test_every_route_is_in_the_document_and_nothing_else(document: Json) -> None:
    told = [(method, path, operation["operationId"]) for method, path, operation in operations(document)]
    assert sorted(told) == sorted((route.method, route.path, route.name) for route in ROUTES)
    assert len({name for _, _, name in told}) == len(told)


def test_its_version_is_the_programs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_every_component_is_used_and_every_name_is_plain(document: Json) -> None:
    text = str(document)
    for kind, components in document["components"].items():
        for name in components:
            assert "__" not in name
            assert kind == "securitySchemes" or f"#/components/{kind}/{name}'" in text, f"{kind}/{name}"


def test_only_what_is_for_everybody_needs_no_key(document: Json) -> None:
    assert document["security"] == [{"key": []}]
    free = [path for _, path, operation in operations(document) if operation.get("security") == []]
    assert free == ["/healthz", "/readyz", "/openapi.json"]


def test_commands_take_a_key_and_where_they_are_about_a_job_its_version(document: Json) -> None:
    for method, path, operation in operations(document):
        named = {parameter.get("name") or parameter["$ref"].rpartition("/")[2] for parameter in operation["parameters"]}
        assert "X-Request-Id" in named
        is_command = method != "GET"
        assert ("Idempotency-Key" in named) is ("dryRun" in named) is is_command
        not_of_jobs = ("/operator/keys", "/operator/reconciliations")
        about_a_job = is_command and "{id}" in path and not path.startswith(not_of_jobs)
        assert ("If-Match" in named) is ("412" in operation["responses"]) is about_a_job


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_an_operation_tells_every_refusal_that_it_can_give(document: Json, route: Route) -> None:
    responses = document["paths"][route.path][route.method.lower()]["responses"]
    told = {int(status) for status in responses if int(status) >= 400}
    assert told == {500, *(int(STATUSES[refusal]) for refusal in refusals_of(route))}
    assert {400, 431} <= told
    assert ({401, 403, 429, 503} <= told) is bool(route.roles)
    assert ({413, 415} <= told) is (route.body is not None)
    assert ({409, 422} <= told) is route.is_command


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_what_needs_a_body_has_an_example_that_fits_it(platform: Platform, document: Json, route: Route) -> None:
    operation = document["paths"][route.path][route.method.lower()]
    if route.body is None:
        assert "requestBody" not in operation
        return
    content = operation["requestBody"]["content"]["application/json"]
    if operation["requestBody"]["required"]:
        assert "example" in content
    body = content.get("example", {})
    platform.contract.check_value(content["schema"], body)
    text = json.dumps(body).encode()
    validate_body(route.body, text, read_json(text))


BETWEEN_FIELDS: Mapping[str, set[str]] = {
    "CreateJobBody": {
        "targetTestersMin",
        "targetTestersMax",
        "per_minute",
        "projectId",
        "90 days",
        str(MAX_HOLD_CENTS),
    },
    "VariantBody": {"targetTestersMin", "iframe"},
    "PlacementBody": {"iframe", "position", "url"},
    "ScreenCaptureBody": {*CAPTURE_SHAPES, "intervalSeconds", "min", "max", "iframe"},
    "AudienceFilterBody": {*FILTER_SHAPES, "values", "min", "max"},
    "TechConstraintBody": {*TECH_VALUES, *(value for values in TECH_VALUES.values() for value in values)},
    "QuestionBody": {
        "options",
        "multiSelect",
        "labels",
        *(kind for kind, shape in QUESTION_SHAPES.items() if shape.refuses != QUESTION_SHAPES[InputType.TEXT].refuses),
    },
    "SubmitBody": {*InputType, str(MAX_TEXT), str(MAX_TEXTAREA), str(MAX_FILES), str(MAX_FILE_REFERENCE)},
    "DisputeBody": {"at least one", "platformIssue", "billingDiscrepancy"},
}
"""What the description of a body has to name of the rules that no schema of one field says."""


@pytest.mark.parametrize("name", BETWEEN_FIELDS)
def test_what_fields_must_be_to_each_other_is_told(document: Json, name: str) -> None:
    said = document["components"]["schemas"][name]["description"]
    assert {word for word in BETWEEN_FIELDS[name] if word not in said} == set()


@pytest.mark.parametrize("route", [route for route in ROUTES if route.body is not None], ids=lambda route: route.name)
def test_a_body_may_be_left_out_just_where_an_empty_one_is_right(
    platform: Platform, document: Json, route: Route
) -> None:
    said = document["paths"][route.path][route.method.lower()]["requestBody"]
    assert route.body is not None
    try:
        empty = validate_body(route.body, b"{}", {})
        if route.prepare is not None:
            route.prepare(empty)
    except InvalidRequest:
        is_right = False
    else:
        is_right = True
    assert said["required"] is not is_right
    assert platform.contract.validator(said["content"]["application/json"]["schema"]).is_valid({}) is is_right


def can_be_null(schema: Json) -> set[str]:
    return {name for name, said in schema["properties"].items() if {"type": "null"} in said.get("anyOf", ())}


def test_the_document_says_what_the_answers_to_owners_can_be(document: Json) -> None:
    schemas = document["components"]["schemas"]
    for name in ("CompletedAssignment", "AssignmentItem"):
        assert can_be_null(schemas[name]) == {"settlementStatus"}
        assert schemas[name]["properties"]["status"]["const"] == "completed"
    assert schemas["ApproveAnswer"]["properties"]["settlementStatus"]["const"] == "approved"
    assert schemas["DisputeAnswer"]["properties"]["settlementStatus"]["const"] == "disputed"
    assert can_be_null(schemas["SettleAnswer"]) == {"settlementStatus", "settlementDeadline"}


def test_only_who_waits_for_a_job_is_told_whether_that_took_too_long(document: Json) -> None:
    schemas = document["components"]["schemas"]
    assert "timedOut" not in schemas["JobDetail"]["properties"]
    assert "timedOut" in schemas["WaitedJob"]["required"]


# -- every operation for real ------------------------------------------------------------------------------------------


class World:
    """An owner, a tester and an operator, and the things that an operation needs."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.owner, self.tester, self.operator = platform.owner(), platform.tester(), platform.operator

    def who(self, route: Route) -> Client:
        by_role = {"owner": self.owner, "tester": self.tester, "operator": self.operator}
        return by_role[route.roles[0]] if route.roles else self.owner

    def posted(self) -> str:
        return self.owner.post_job()

    def settled(self) -> str:
        job_id = self.owner.post_job(1)
        self.assignment = self.tester.complete(job_id)
        return job_id

    def paused(self) -> str:
        job_id = self.owner.post_job()
        done(self.owner.post(f"/owner/jobs/{job_id}/pause"))
        return job_id

    def disputed(self) -> str:
        job_id = self.settled()
        done(self.owner.post(f"/owner/jobs/{job_id}/dispute", {"lowQuality": True}))
        return job_id

    def claimed(self) -> str:
        """A disputed assignment."""
        self.disputed()
        return self.assignment

    def pending(self) -> str:
        return self.tester.take(self.owner.post_job())

    def started(self) -> str:
        return self.tester.start(self.owner.post_job())

    def paid(self) -> str:
        done(self.owner.post(f"/owner/jobs/{self.settled()}/approve"))
        return ""

    def a_key(self) -> str:
        return self.platform.owner(0).key_id

    def bought(self) -> str:
        """The first entry of the owner's books."""
        return str(done(self.owner.get("/owner/ledger", limit=1))["data"][0]["id"])

    def reconciled(self) -> str:
        """A run whose first break is a charge that nobody knows."""
        _, asked = unknown_charge(self.platform)
        return str(done(self.operator.post("/operator/reconciliations", asked), 201)["id"])

    def proposed(self) -> str:
        run_id = self.reconciled()
        path = f"/operator/reconciliations/{run_id}/breaks/1/propose"
        done(self.platform.somebody("operator").post(path, {"reason": "so it is"}))
        return run_id

    def lists_of_two(self) -> str:
        self.settled()
        self.pending()
        return ""


PREPARATIONS: Mapping[str, Callable[[World], str]] = {
    "resumeJob": World.paused,
    "approveJob": World.settled,
    "disputeJob": World.settled,
    "getJob": World.settled,
    "waitForJob": World.settled,
    "listAssignments": World.settled,
    "getJobLedger": World.settled,
    "getSettlement": World.disputed,
    "resolveDispute": World.disputed,
    "getDispute": World.disputed,
    "giveStatement": World.claimed,
    "startTask": World.pending,
    "returnSlot": World.started,
    "submitTask": World.started,
    "getMyAssignment": World.started,
    "withdraw": World.paid,
    "revokeKey": World.a_key,
    "listJobs": World.lists_of_two,
    "getLedger": World.lists_of_two,
    "listMyAssignments": World.lists_of_two,
    "listOfferedJobs": World.lists_of_two,
    "listDisputes": World.disputed,
    "listEvents": World.disputed,
    "listJobEvents": World.disputed,
    "explainEntry": World.bought,
    "listReconciliations": World.reconciled,
    "getReconciliation": World.reconciled,
    "listBreaks": World.reconciled,
    "proposeAdjustment": World.reconciled,
    "confirmAdjustment": World.proposed,
}
"""What has to be there for an operation; its id, if the path has one. Where nothing is said: a job."""


PARAMETERS: Mapping[str, Json] = {
    "proveInclusion": {"position": 1},
    "proveConsistency": {"from": 1},
    "listVerdicts": {"ownerId": "01890a5d-ac96-774b-bcce-b302099a8057"},
}
"""What must be asked where the path does not say it."""


def body_of(route: Route, world: World) -> Json | None:
    """The example with ids of things that there are."""
    if route.example is None:
        return None
    body: Json = deepcopy(dict(route.example))
    if route.name == "issueKey":
        body["principalId"] = world.tester.id
    if route.name == "resolveDispute":
        body["resolutions"][0]["assignmentId"] = world.assignment
    return body


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_an_example_is_answered_as_documented(platform: Platform, route: Route) -> None:
    """Status, headers and body of each answer are held against the document as it comes in."""
    world = World(platform)
    prepare = PREPARATIONS.get(route.name, World.posted)
    path = route.path.replace("{id}", prepare(world)).replace("{number}", "1")
    who, body = world.who(route), body_of(route, world)
    if route.is_command and route.answer is not None:
        with Unchanged(who):
            rehearsed = done(who.ask(route.method, path, body, dryRun="true"))
        platform.contract.check_value({"$ref": f"#/components/schemas/{route.answer.__name__}"}, rehearsed["answer"])
    response = who.ask(route.method, path, body, **PARAMETERS.get(route.name, {}))
    assert response.status_code == route.status, response.text
    assert (route.name, route.status) in platform.contract.seen


def test_a_list_of_disputes_and_a_principal_that_is_there_already_fit_too(platform: Platform) -> None:
    asked = {"role": "auditor", "name": "Always the same"}
    for _ in range(2):
        assert platform.operator.post("/operator/principals", asked).status_code in (200, 201)
    assert ("registerPrincipal", 200) in platform.contract.seen


# -- problems ----------------------------------------------------------------------------------------------------------


def modules_of(package: Any) -> Iterator[Any]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


def all_refusals() -> set[type[Refusal]]:
    """Every refusal that the program defines, wherever it stands."""
    for package in (api, domain):
        list(modules_of(package))
    found: set[type[Refusal]] = set()
    ahead = [Refusal]
    while ahead:
        below = ahead.pop().__subclasses__()
        found.update(below)
        ahead += below
    return {each for each in found if each.__module__.partition(".")[0] in ("api", "domain")}


def test_every_refusal_has_a_status() -> None:
    assert all_refusals() == set(STATUSES)


def test_codes_are_those_of_the_contract_one_each() -> None:
    codes = [refusal.code for refusal in STATUSES]
    assert sorted(codes) == sorted(CODES)


def test_the_document_knows_every_code(document: Json) -> None:
    assert sorted(document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == sorted(CODES)


def test_who_has_to_come_back_later_is_told_when() -> None:
    assert {refusal for refusal, status in STATUSES.items() if status in (429, 503)} <= set(RETRY_AFTER_SECONDS)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_status_with_which_one_may_have_to_come_back_later_tells_the_header(
    platform: Platform, document: Json, route: Route
) -> None:
    responses = document["paths"][route.path][route.method.lower()]["responses"]
    for refusal in refusals_of(route):
        if refusal in RETRY_AFTER_SECONDS:
            response = platform.contract.resolved(responses[str(int(STATUSES[refusal]))])
            assert "Retry-After" in response["headers"], refusal.code


def test_what_any_request_can_be_answered_is_told(platform: Platform, document: Json) -> None:
    status, body = unforeseen("x")
    failed = platform.contract.resolved(document["paths"]["/healthz"]["get"]["responses"][str(int(status))])
    platform.contract.check_value(failed["content"]["application/problem+json"]["schema"], body)
    assert set(failed["headers"]) == {"X-Request-Id"}
    asked = platform.http.get("/healthz", headers={"x-long": "x" * 100_000})
    refused(asked, 431, "head_too_large")


def test_feedback_is_any_json_that_a_question_takes(platform: Platform) -> None:
    schema = {"$ref": "#/components/schemas/SubmitBody"}
    platform.contract.check_value(schema, {**ANSWERS, "proofValue": None})
