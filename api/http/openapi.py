"""The OpenAPI 3.1 document, made of the route table: what a route takes and answers is said in one place, the route."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from api.http.problems import RETRY_AFTER_SECONDS, STATUSES, HeadTooLarge, NotJson, RateLimited, TooLarge
from api.http.route import Route, Subject
from api.http.schemas.base import Answer, Request
from api.http.schemas.common import DryRun, Problem, Shortage, VersionProblem, WrongRequest
from api.service.refusals import (
    IdempotencyInProgress,
    IdempotencyMismatch,
    NotAuthenticated,
    Overloaded,
    Unavailable,
    VersionMismatch,
)
from domain.access.events import Role
from domain.errors import Forbidden, InvalidRequest, NotEnoughCredits, NotEnoughPayable, NotFound, Refusal

Json: TypeAlias = dict[str, Any]

VERSION = "0.1.0"
"""The program's. A test holds that it is the package's."""

_JSON = "application/json"
_PROBLEM = "application/problem+json"
_SCHEMAS = "#/components/schemas/"

_ABOUT = """\
Jobs with escrow: owners post jobs, testers take slots, money moves only because an event says so.

Names are in camelCase, times ISO 8601 in UTC, money whole cents. An answer shows every field, null where empty; in a
request null is as not given, and a field or parameter that is not known is refused. Refusals are problems (RFC 9457).
The same tree answers under `/api`. Every path that takes GET takes HEAD."""


_PROBLEM_MODELS: Mapping[type[Refusal], type[Problem]] = {
    InvalidRequest: WrongRequest,
    NotEnoughCredits: Shortage,
    NotEnoughPayable: Shortage,
    VersionMismatch: VersionProblem,
}
"""What tells more than a plain problem."""

_ALWAYS: tuple[type[BaseModel], ...] = (Problem, DryRun, *dict.fromkeys(_PROBLEM_MODELS.values()))

HEADERS: Mapping[str, Json] = {
    "X-Request-Id": {
        "description": "The id of this request: the caller's own, or a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:/+=-]{1,128}$"},
    },
    "Tallyhold-Position": {
        "description": "The position in the log up to which this answer tells everything.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "ETag": {
        "description": "The job's version, for If-Match.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"(0|[1-9][0-9]*)"$'},
    },
    "Location": {
        "description": "Where that which was made is found.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Idempotent-Replayed": {
        "description": "There when this is the kept answer to an earlier request with the same Idempotency-Key.",
        "schema": {"const": "true", "type": "string"},
    },
    "WWW-Authenticate": {"description": "How to authenticate.", "required": True, "schema": {"type": "string"}},
    "Retry-After": {
        "description": "After how many seconds to try again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
}
"""The headers of answers."""

PARAMETERS: Mapping[str, Json] = {
    "X-Request-Id": {
        "description": "Your own id for this request: 1 to 128 of A-Z a-z 0-9 . _ : / + = -. Any other is ignored.",
        "schema": {"type": "string"},
    },
    "Idempotency-Key": {
        "description": "Names this command for 7 days: the same request with the same key is done once, and answered "
        "alike each time. Visible ASCII, bare or in double quotes.",
        "schema": {
            "type": "string",
            "pattern": r'^([!#-~][!-~]{0,254}|"[!#-~]{1,255}")$',
            "minLength": 1,
            "maxLength": 257,
        },
    },
    "If-Match": {
        "description": "The job's ETag: do this only if the job is still at this version. `*` takes any.",
        "schema": {"type": "string", "pattern": r'^(\*|"(0|[1-9][0-9]{0,17})")$'},
        "example": '"7"',
    },
}
"""The headers that a client may send."""


def document(routes: Sequence[Route]) -> Json:
    """The document of these routes."""
    schemas = _schemas(routes)
    by_path = groupby(sorted(routes, key=lambda route: _order(routes, route)), key=lambda route: route.path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tallyhold", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": "/"}, {"url": "/api"}],
        "security": [{"key": []}],
        "tags": [{"name": name} for name in dict.fromkeys(map(_tag, routes))],
        "paths": {
            path: {route.method.lower(): _operation(route, schemas) for route in of_path} for path, of_path in by_path
        },
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in _query_names(routes)},
            "headers": dict(HEADERS),
            "parameters": {name: {"name": name, "in": "header", **said} for name, said in PARAMETERS.items()},
            "responses": dict(_responses(routes)),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key, `th_…`, shown once when it is made."}
            },
        },
    }


def _order(routes: Sequence[Route], route: Route) -> int:
    """The place of the first route of the same path, so that a path's methods stand together."""
    return next(place for place, each in enumerate(routes) if each.path == route.path)


def _operation(route: Route, schemas: Mapping[str, Json]) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "description": "\n\n".join(_description(route, schemas)),
        "tags": [_tag(route)],
        "parameters": [*_parameters(route, schemas)],
        "responses": {str(int(status)): response for status, response in sorted(_answers(route).items())},
    }
    if not route.roles:
        operation["security"] = []
    if route.body is not None:
        operation["requestBody"] = _request_body(route, route.body, schemas)
    return operation


def _description(route: Route, schemas: Mapping[str, Json]) -> Iterator[str]:
    yield f"For the role {' or '.join(route.roles)}." if route.roles else "For everybody, without a key."
    query = schemas[route.query.__name__]
    if "description" in query and query["properties"]:
        yield query["description"]


def _tag(route: Route) -> str:
    """The resource: the first step of the path that is no role."""
    if not route.roles:
        return "platform"
    return next(step for step in route.steps if step not in list(Role))


# -- what a route takes ------------------------------------------------------------------------------------------------


def _parameters(route: Route, schemas: Mapping[str, Json]) -> Iterator[Json]:
    for before, step in zip(route.steps, route.steps[1:], strict=False):
        if step.startswith("{"):
            yield _path_parameter(route, step[1:-1], of=before.removesuffix("s"))
    yield from _query_parameters(schemas[route.query.__name__])
    if route.is_command:
        yield {"$ref": "#/components/parameters/Idempotency-Key"}
        if route.subject.is_job:
            yield {"$ref": "#/components/parameters/If-Match"}
    yield {"$ref": "#/components/parameters/X-Request-Id"}


def _path_parameter(route: Route, name: str, of: str) -> Json:
    if route.subject is Subject.OWNERS_ENTRY:
        of = "entry"
        schema: Json = {"type": "string", "pattern": "^[1-9][0-9]{0,15}-[0-3]$"}
    elif name == "number":
        schema = {"type": "integer", "minimum": 1, "maximum": 999_999_999}
    else:
        schema = {"type": "string", "format": "uuid"}
    what = "number" if name == "number" else "id"
    return {"name": name, "in": "path", "required": True, "description": f"The {what} of the {of}.", "schema": schema}


def _query_parameters(query: Json) -> Iterator[Json]:
    for name, schema in query["properties"].items():
        yield {"name": name, "in": "query", "required": name in query.get("required", ()), "schema": _given(schema)}


def _given(schema: Json) -> Json:
    """A schema without the null that stands for "not given": a query string can't say it."""
    if "anyOf" not in schema:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    given = [each for each in schema["anyOf"] if each.get("type") != "null"]
    return {**rest, **given[0]} if len(given) == 1 else {**rest, "anyOf": given}


def _request_body(route: Route, body: type[Request], schemas: Mapping[str, Json]) -> Json:
    content: Json = {"schema": _ref(body)}
    if route.example is not None:
        content["example"] = route.example
    schema = schemas[body.__name__]
    return {"required": bool(schema.get("required") or schema.get("minProperties")), "content": {_JSON: content}}


# -- what a route answers ----------------------------------------------------------------------------------------------


def _answers(route: Route) -> Mapping[int, Json]:
    answers: dict[int, Json] = dict(_successes(route))
    for status, refusals in _by_status(refusals_of(route)):
        single = len(refusals) == 1
        answers[status] = _response_ref(refusals[0].__name__) if single else _problem(status, refusals)
    answers[HTTPStatus.INTERNAL_SERVER_ERROR] = _response_ref(_UNFORESEEN)
    return answers


def _successes(route: Route) -> Iterator[tuple[int, Json]]:
    if route.answer is None:
        yield route.status, _success(route, route.status, [])
        return
    done: list[Json] = [_ref(route.answer)]
    rehearsed = [_dry_run(route.answer)] if route.is_command else []
    if route.status != HTTPStatus.OK:
        yield route.status, _success(route, route.status, done)
        done = done if route.finds else []
    if schemas := [*done, *rehearsed]:
        yield HTTPStatus.OK, _success(route, HTTPStatus.OK, schemas)


def _success(route: Route, status: int, schemas: Sequence[Json]) -> Json:
    created = status == HTTPStatus.CREATED
    names = ["X-Request-Id"]
    if route.roles:
        names.append("Tallyhold-Position")
    if route.is_command:
        names.append("Idempotent-Replayed")
    if route.has_etag and (created or route.subject.is_job):
        names.append("ETag")
    if route.has_location and created:
        names.append("Location")
    as_json = {_JSON: {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": list(schemas)}}} if schemas else {}
    return {
        "description": _PHRASES[status],
        "headers": _header_refs(names),
        "content": {
            **as_json,
            **{content_type: {"schema": {"type": "string"}} for content_type in route.streams},
        },
    }


_PHRASES: Mapping[int, str] = {HTTPStatus.OK: "Done.", HTTPStatus.CREATED: "Made."}


def _dry_run(answer: type[Answer]) -> Json:
    return {"allOf": [_ref(DryRun), {"type": "object", "properties": {"answer": _ref(answer)}}]}


def refusals_of(route: Route) -> tuple[type[Refusal], ...]:
    """Everything that a route may be refused for: its own refusals, and those of every route of its kind."""
    found: list[type[Refusal]] = [InvalidRequest, HeadTooLarge]
    if route.roles:
        found += [NotAuthenticated, Forbidden, RateLimited, Unavailable]
    if "{" in route.path:
        found += [NotFound]
    if route.body is not None:
        found += [TooLarge, NotJson]
    if route.is_command:
        found += [IdempotencyMismatch, IdempotencyInProgress, Overloaded]
    if route.is_command and route.subject.is_job:
        found += [VersionMismatch]
    return tuple(dict.fromkeys([*found, *route.refusals]))


def _by_status(refusals: Iterable[type[Refusal]]) -> Iterator[tuple[HTTPStatus, list[type[Refusal]]]]:
    """Refusals by their status, each in the order of the table."""
    ordered = sorted(refusals, key=list(STATUSES).index)
    for status, same in groupby(sorted(ordered, key=STATUSES.__getitem__), key=STATUSES.__getitem__):
        yield status, list(same)


def _responses(routes: Sequence[Route]) -> Iterator[tuple[str, Json]]:
    """The problems that have but one cause in some route, under its name, and the one that nobody foresaw."""
    by_status = [each for route in routes for each in _by_status(refusals_of(route))]
    alone = {refusals[0] for _, refusals in by_status if len(refusals) == 1}
    for refusal, status in STATUSES.items():
        if refusal in alone:
            yield refusal.__name__, _problem(status, [refusal])
    yield _UNFORESEEN, _unforeseen()


_UNFORESEEN = "Unforeseen"


def _unforeseen() -> Json:
    """Of an error of ours: nobody knows whether it will be over soon."""
    said = _problem(HTTPStatus.INTERNAL_SERVER_ERROR, [Unavailable])
    return {**said, "headers": _header_refs(["X-Request-Id"])}


def _problem(status: HTTPStatus, refusals: Sequence[type[Refusal]]) -> Json:
    models = dict.fromkeys(_PROBLEM_MODELS.get(refusal, Problem) for refusal in refusals)
    any_of = [_ref(model) for model in models]
    code = {"type": "object", "properties": {"code": {"enum": [refusal.code for refusal in refusals]}}}
    names = ["X-Request-Id"]
    if NotAuthenticated in refusals:
        names.append("WWW-Authenticate")
    return {
        "description": f"{status.phrase}: {', '.join(refusal.code for refusal in refusals)}.",
        "headers": {**_header_refs(names), **_retry_after(refusals)},
        "content": {_PROBLEM: {"schema": {"allOf": [any_of[0] if len(any_of) == 1 else {"anyOf": any_of}, code]}}},
    }


def _retry_after(refusals: Sequence[type[Refusal]]) -> Json:
    """The header by which some refusals tell when to try again; required where all of these do."""
    timed = [refusal.code for refusal in refusals if refusal in RETRY_AFTER_SECONDS]
    if len(timed) == len(refusals):
        return _header_refs(["Retry-After"])
    said = {**HEADERS["Retry-After"], "description": f"With {', '.join(timed)}: after how many seconds to try again."}
    return {"Retry-After": {**said, "required": False}} if timed else {}


# -- components --------------------------------------------------------------------------------------------------------


class _Schemas(GenerateJsonSchema):
    """Without titles that repeat the name of a field, and without defaults that only say "not given"."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        said = super().default_schema(schema)
        return {key: value for key, value in said.items() if key != "default" or value is not None}


def _schemas(routes: Sequence[Route]) -> dict[str, Json]:
    """The schema of every model of these routes by its name."""
    models: dict[type[BaseModel], None] = dict.fromkeys(_ALWAYS)
    for route in routes:
        models |= dict.fromkeys(model for model in (route.query, route.answer, route.body) if model is not None)
    _, root = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=_SCHEMAS + "{model}",
        schema_generator=_Schemas,
    )
    schemas: dict[str, Json] = root["$defs"]
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = schema["description"].replace("``", "`")
    return schemas


def _query_names(routes: Iterable[Route]) -> frozenset[str]:
    return frozenset(route.query.__name__ for route in routes)


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": _SCHEMAS + model.__name__}


def _response_ref(name: str) -> Json:
    return {"$ref": f"#/components/responses/{name}"}


def _header_refs(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
