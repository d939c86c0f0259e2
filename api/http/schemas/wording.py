"""What is wrong with a request, in sentences that say what to do. The value itself is never repeated: it may be secret.

Each sentence is made from the JSON schema of the wrong field, so it always tells the whole rule ("an integer
from 5 to 10080") and cannot drift from what is checked.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from api.http.schemas.fields import NOT_BLANK, PHRASES
from domain.errors import MAX_PROBLEMS, FieldProblem

MAX_NAME = 200
MAX_POINTER = 1_000

Schema: TypeAlias = Mapping[str, Any]

_FORMATS = {
    "uuid": "a UUID",
    "date-time": "an ISO 8601 time with an offset or Z, such as 2025-01-15T09:00:00Z",
}


@cache
def schema_of(model: type[BaseModel]) -> Schema:
    """The JSON schema that requests of this model are held to."""
    return model.model_json_schema(by_alias=True)


def field_type(model: type[BaseModel], name: str) -> str:
    """The JSON type of one field of a model; "" when it may be of several."""
    root = schema_of(model)
    return str(_resolved(root, root["properties"][name]).get("type", ""))


def pointer(steps: Iterable[object]) -> str:
    """RFC 6901: where something is, from the root; the nearest place above it when that is too long to tell."""
    place = ""
    for step in map(str, steps):
        if len(place) + len(step) > MAX_POINTER:
            break
        place += "/" + step.replace("~", "~0").replace("/", "~1")
    return place


def problems(model: type[BaseModel], error: ValidationError) -> tuple[FieldProblem, ...]:
    """Every wrong field once, in the order of the model, a hundred at most."""
    found: dict[str, FieldProblem] = {}
    for detail in error.errors(include_url=False):
        problem = _problem(schema_of(model), detail)
        found.setdefault(problem.pointer, problem)
        if len(found) == MAX_PROBLEMS:
            break
    return tuple(found.values())


def _problem(root: Schema, error: ErrorDetails) -> FieldProblem:
    steps, schema = _place(root, error["loc"])
    match error["type"]:
        case "extra_forbidden" if len(str(error["loc"][-1])) > MAX_NAME:
            return FieldProblem(pointer(steps[:-1]), "has an unknown field with a very long name; remove it")
        case "extra_forbidden":
            return FieldProblem(pointer(steps), "is not a known field; remove it")
        case _ if error["loc"][-1:] == ("[key]",):
            names = _string_phrase(schema.get("propertyNames", {}))
            return FieldProblem(pointer(steps), f"needs the name of each field to be {names}")
        case "missing":
            return FieldProblem(pointer(steps), "is required")
        case "union_tag_not_found" | "union_tag_invalid":
            return _wrong_tag(steps, schema, error)
        case _ if error["input"] is None and steps and isinstance(steps[-1], str):
            return FieldProblem(pointer(steps), "is required")
        case _:
            return FieldProblem(pointer(steps), f"must be {phrase(schema)}")


def _wrong_tag(steps: Sequence[int | str], schema: Schema, error: ErrorDetails) -> FieldProblem:
    """The field that says which of several forms an object has is missing or unknown."""
    tag = schema["discriminator"]
    where = pointer([*steps, tag["propertyName"]])
    given = error["input"].get(tag["propertyName"]) if isinstance(error["input"], dict) else None
    return FieldProblem(where, "is required" if given is None else f"must be {_one_of(tag['mapping'])}")


def _place(root: Schema, loc: Sequence[int | str]) -> tuple[list[int | str], Schema]:
    """The steps to the field that a loc means, without the names of union members, and the field's schema.

    A wrong name of a field is placed at the object that has it.
    """
    steps: list[int | str] = []
    schema = _resolved(root, root)
    if loc[-1:] == ("[key]",):
        loc = loc[:-2]
    for step in loc:
        if "discriminator" in schema:
            schema = _resolved(root, {"$ref": schema["discriminator"]["mapping"][step]})
        elif "anyOf" in schema:
            break
        else:
            steps.append(step)
            schema = _resolved(root, _inner(schema, step))
    return steps, schema


def _inner(schema: Schema, step: int | str) -> Schema:
    """The schema of one member; an empty one when it has none of its own."""
    if isinstance(step, int):
        inner = schema.get("items", {})
    else:
        inner = schema.get("properties", {}).get(step, schema.get("additionalProperties"))
    return inner if isinstance(inner, dict) else {}


def _resolved(root: Schema, schema: Schema) -> Schema:
    """A schema behind its references, and without the null that stands for "not given"."""
    if "$ref" in schema:
        return _resolved(root, root["$defs"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        given = [_resolved(root, each) for each in schema["anyOf"] if each.get("type") != "null"]
        return given[0] if len(given) == 1 else {"anyOf": given}
    return schema


def phrase(schema: Schema) -> str:
    """What a schema wants, to follow "must be"."""
    if "anyOf" in schema:
        return _alternatives(schema["anyOf"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        return _one_of(schema["enum"])
    match schema.get("type"):
        case "integer":
            return "an integer" + _range(schema)
        case "number":
            return "a number" + _range(schema)
        case "boolean":
            return "true or false"
        case "string":
            return _string_phrase(schema)
        case "null":
            return "null or left out"
        case "array":
            return "a list" + _size(schema.get("minItems", 0), schema.get("maxItems"), "item")
        case _:
            return "an object" + _size(schema.get("minProperties", 0), schema.get("maxProperties"), "field")


def _string_phrase(schema: Schema) -> str:
    if "format" in schema:
        return _FORMATS[schema["format"]]
    size = _size(schema.get("minLength", 0), schema.get("maxLength"), "character")
    pattern = schema.get("pattern")
    if pattern == NOT_BLANK:
        return f"a string{size}, not blank"
    return f"{PHRASES[pattern]}{size}" if pattern else f"a string{size}"


def _alternatives(schemas: Sequence[Schema]) -> str:
    """A number covers the integer beside it."""
    numbers = any(schema.get("type") == "number" for schema in schemas)
    phrases = [phrase(schema) for schema in schemas if not (numbers and schema.get("type") == "integer")]
    return " or ".join(phrases)


def _one_of(words: Iterable[object]) -> str:
    return "one of " + ", ".join(map(str, words))


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    match low, high:
        case None, None:
            return ""
        case _, None:
            return f" of at least {low}"
        case None, _:
            return f" of at most {high}"
        case _:
            return f" from {low} to {high}"


def _size(low: int, high: int | None, unit: str) -> str:
    if high is None:
        return f" of at least {low} {unit}{'s' if low > 1 else ''}" if low else ""
    return f" of {low} to {high} {unit}s" if low else f" of at most {high} {unit}s"
