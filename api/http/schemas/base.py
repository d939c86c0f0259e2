"""The two families of schemas, and the one way in: bytes or a query string become a checked request.

A request is read twice: once strictly, for what it says as a JSON value, once into its schema. The second
reading starts from the bytes because only then are texts allowed to become UUIDs and enums.
"""

import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import SchemaValidator

from api.http.schemas.instants import parse_instant
from api.http.schemas.strict_json import nul_problems, read_json, refuse_wide_objects
from api.http.schemas.wording import MAX_NAME, field_type, problems, schema_of
from domain.errors import MAX_PROBLEMS, FieldProblem, InvalidRequest

__all__ = [
    "Answer",
    "Request",
    "parse_instant",
    "read_json",
    "validate",
    "validate_query",
]

_PLAIN_INTEGER = re.compile("0|[1-9][0-9]{0,17}")
_LOST_PLUS = re.compile(" [0-9]{2}:?[0-9]{2}$")
_NO_UTF_8 = re.compile("[\udc80-\udcff]")
"""What an escaped query has for bytes that are none."""
LARGE_BYTES = 16_384
_BOOLEANS = {"true": True, "false": False}


class Request(BaseModel):
    """What a client sends: camelCase, of exact types, nothing unknown; null is as not given."""

    model_config = ConfigDict(
        strict=True, extra="forbid", alias_generator=to_camel, frozen=True, hide_input_in_errors=True
    )


class Answer(BaseModel):
    """What a client gets: camelCase, every field present. Describes answers; the server builds them as dicts."""

    model_config = ConfigDict(
        strict=True, extra="forbid", alias_generator=to_camel, serialize_by_alias=True, frozen=True
    )


M = TypeVar("M", bound=Request)


def validate(model: type[M], body: bytes, parsed: object) -> M:
    """A body as its request; an InvalidRequest that names every wrong field.

    ``parsed`` is what ``read_json`` made of the body. A command that needs no body is given as ``b"{}"``. Of a large
    body only the first wrong item of each list is named: to name a hundred thousand wrong fields takes a second,
    for which everybody would wait.
    """
    nuls = nul_problems(parsed) if b"\\u0000" in body else []
    try:
        request = model.__pydantic_validator__.validate_json(body)
    except ValidationError as error:
        told = error if len(body) <= LARGE_BYTES else _first_of_each_list(model, body, parsed, error)
        raise _every_problem([*nuls, *problems(model, told)]) from None
    if nuls:
        raise _every_problem(nuls)
    return request  # type: ignore[no-any-return]


def _first_of_each_list(model: type[Request], body: bytes, parsed: object, whole: ValidationError) -> ValidationError:
    refuse_wide_objects(parsed)
    try:
        _stopping_validator(model).validate_json(body)
    except ValidationError as error:
        return error
    return whole


@cache
def _stopping_validator(model: type[Request]) -> SchemaValidator:
    """Looks for what is wrong as the model does, but leaves each list at its first wrong item. It makes no request."""
    schema: Any = model.__pydantic_core_schema__
    return SchemaValidator(_stopping(schema), schema["config"])


def _stopping(schema: Any) -> Any:
    match schema:
        case {"type": "model"}:
            return _stopping(schema["schema"])  # a model would be looked at by its own validator
        case dict():
            stopping = {name: _stopping(inner) for name, inner in schema.items()}
            return {**stopping, "fail_fast": True} if schema.get("type") == "list" else stopping
        case list():
            return [_stopping(each) for each in schema]
        case _:
            return schema


def _every_problem(found: Sequence[FieldProblem]) -> InvalidRequest:
    """The first complaint about each field, a hundred at most."""
    by_pointer = {problem.pointer: problem for problem in reversed(found)}
    return InvalidRequest(list(reversed(by_pointer.values()))[:MAX_PROBLEMS])


def validate_query(model: type[M], pairs: Sequence[tuple[str, str]]) -> M:
    """The parameters of a query string as their request; an InvalidRequest that names every wrong one."""
    if not pairs and (plain := _without_parameters(model)) is not None:
        return plain  # type: ignore[return-value]
    kinds = _kinds(model)
    found = list(_query_problems(kinds, pairs))
    values = {name: _plain(kinds[name], text) for name, text in pairs if name in kinds}
    try:
        request = model.__pydantic_validator__.validate_python(values)
    except ValidationError as error:
        wrong = [_of_query(each, values.get(each.pointer[1:])) for each in problems(model, error)]
        raise _every_problem([*found, *wrong]) from None
    if found:
        raise _every_problem(found)
    return request  # type: ignore[no-any-return]


def _of_query(problem: FieldProblem, given: object) -> FieldProblem:
    """A problem with a parameter. The + of an offset is a space in a query, where it is not encoded."""
    hint = "; a + is written %2B here" if isinstance(given, str) and _LOST_PLUS.search(given) else ""
    return FieldProblem(f"?{problem.pointer[1:]}", problem.detail + hint)


def _query_problems(known: Container[str], pairs: Sequence[tuple[str, str]]) -> Iterator[FieldProblem]:
    """What is wrong with the parameters before any is looked at by itself."""
    for name, times in Counter(name for name, _ in pairs).items():
        if name not in known:
            shown = name if len(name) <= MAX_NAME and not _NO_UTF_8.search(name) else ""
            yield FieldProblem(f"?{shown}", "is not a known parameter; remove it")
        elif times > 1:
            yield FieldProblem(f"?{name}", "must be given once")
    for name, text in pairs:
        if name not in known:
            continue
        if "\0" in text:
            yield FieldProblem(f"?{name}", "must not contain the character U+0000")
        elif _NO_UTF_8.search(text):
            yield FieldProblem(f"?{name}", "must be UTF-8, percent-encoded")


@cache
def _without_parameters(model: type[Request]) -> Request | None:
    """The query of a request that has none; null where a parameter is required."""
    return None if schema_of(model).get("required") else model()


@cache
def _kinds(model: type[Request]) -> Mapping[str, str]:
    """What each parameter of a query is: the type of its JSON schema."""
    return {name: field_type(model, name) for name in schema_of(model)["properties"]}


def _plain(kind: str, text: str) -> object:
    """A parameter's text as a value of its kind; as it is when it is not one, to be refused by its schema."""
    match kind:
        case "integer" if _PLAIN_INTEGER.fullmatch(text):
            return int(text)
        case "boolean":
            return _BOOLEANS.get(text, text)
        case _:
            return text
