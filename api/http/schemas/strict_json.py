"""JSON as strictly as it can be read: what two readers could understand differently is refused."""

import json
import re
import sys
from collections.abc import Iterator
from itertools import islice
from typing import TypeAlias

import jiter

from api.http.schemas.wording import pointer
from domain.errors import MAX_PROBLEMS, FieldProblem, InvalidRequest, invalid

Steps: TypeAlias = tuple[int | str, ...]

MAX_FIELDS = 200
_BOM = b"\xef\xbb\xbf"

# A number past a float's range has an exponent of three digits or 200 digits in a row; strings may look so too.
_NUMBERS = bytes(ord("0") if ord("0") <= c <= ord("9") else c for c in range(256))
_HUGE_EXPONENTS = (b"e000", b"E000")
_MANY_DIGITS = b"0" * 200

_SENTENCES = {
    "Detected duplicate key": "names a field twice",
    "recursion limit exceeded": "is nested deeper than 200 levels",
    "number out of range": "has a number that is too long",
    "lone leading surrogate": "has half of a surrogate pair in a string; send whole characters",
    "unexpected end of hex escape": "has half of a surrogate pair or a broken \\u escape in a string",
    "invalid unicode code point": "is not valid UTF-8",
    "EOF while parsing": "is not JSON: it ends too early",
    "invalid number": "is not JSON (NaN and Infinity are no JSON values)",
    "expected value": "is not JSON (NaN and Infinity are no JSON values)",
}
"""What the reader's complaint means to a client."""


def read_json(body: bytes) -> object:
    """The value of a JSON text; an InvalidRequest when it is not one, or not one that everybody reads alike."""
    try:
        value = jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise invalid(_where(body), _sentence(body, str(error))) from None
    numbers = body.translate(_NUMBERS, b"+")
    if _HUGE_EXPONENTS[0] in numbers or _HUGE_EXPONENTS[1] in numbers or _MANY_DIGITS in numbers:
        _refuse_huge_numbers(value)
    return value


def _sentence(body: bytes, complaint: str) -> str:
    """What is wrong and where, without the piece of the body that the reader quotes."""
    if body.startswith(_BOM):
        return "must not begin with a byte order mark"
    place = re.search(r" at line \d+ column \d+$", complaint)
    for beginning, sentence in _SENTENCES.items():
        if complaint.startswith(beginning):
            return sentence + (place[0] if place else "")
    return "is not JSON" + (place[0] if place else "")


class _Ambiguous(dict[str, object]):
    """An object that names a field twice; ``twice`` is the name."""

    twice: str


_NOT_A_NUMBER = object()


def _where(body: bytes) -> str:
    """The pointer to what two readers would read differently: asked only when a body is refused already."""
    try:
        lax = json.loads(body, object_pairs_hook=_object, parse_constant=lambda _: _NOT_A_NUMBER)
    except (ValueError, RecursionError):
        return ""
    for steps, each in walk(lax):
        if isinstance(each, _Ambiguous):
            return pointer((*steps, each.twice))
        if each is _NOT_A_NUMBER or (isinstance(each, str) and _has_half_a_pair(each)):
            return pointer(steps)
    return ""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    seen: dict[str, object] = {}
    for name, value in pairs:
        if name in seen:
            ambiguous = _Ambiguous(pairs)
            ambiguous.twice = name
            return ambiguous
        seen[name] = value
    return seen


def _has_half_a_pair(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _refuse_huge_numbers(value: object) -> None:
    huge = (
        FieldProblem(pointer(steps), "is a number beyond the range of a double")
        for steps, each in walk(value)
        if isinstance(each, int | float) and abs(each) > sys.float_info.max
    )
    if problems := tuple(islice(huge, MAX_PROBLEMS)):
        raise InvalidRequest(problems)


def refuse_wide_objects(value: object) -> None:
    """Raises InvalidRequest for an object with more fields than any request has: too many to be named as unknown."""
    inside = [value]
    for each in inside:  # which grows meanwhile
        if isinstance(each, dict):
            if len(each) > MAX_FIELDS:
                raise invalid(_place_of(each, value), f"must be an object of at most {MAX_FIELDS} fields")
            inside.extend(each.values())
        elif isinstance(each, list):
            inside.extend(each)


def _place_of(wanted: object, value: object) -> str:
    return next(pointer(steps) for steps, each in walk(value) if each is wanted)


def nul_problems(value: object) -> list[FieldProblem]:
    """Where a value has U+0000, which databases cannot keep."""
    return list(islice(_nuls(value), MAX_PROBLEMS))


def _nuls(value: object) -> Iterator[FieldProblem]:
    for steps, each in walk(value):
        if isinstance(each, str) and "\0" in each:
            yield FieldProblem(pointer(steps), "must not contain the character U+0000")
        if isinstance(each, dict) and any("\0" in name for name in each):
            yield FieldProblem(pointer(steps), "has a field whose name contains the character U+0000")


def walk(value: object) -> Iterator[tuple[Steps, object]]:
    """A JSON value and all that is in it, outermost first, each with the steps to it."""
    ahead: list[tuple[Steps, object]] = [((), value)]
    while ahead:
        steps, each = ahead.pop()
        yield steps, each
        if isinstance(each, dict):
            ahead.extend(((*steps, name), inner) for name, inner in reversed(each.items()))
        elif isinstance(each, list):
            ahead.extend(((*steps, i), each[i]) for i in range(len(each) - 1, -1, -1))
