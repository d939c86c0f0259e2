"""Whether a tester's answers fit the questions. Source: README, "Feedback".

Answers are JSON values as parsed, of any shape. The work is linear in their size: only lists that are
short enough to be right are looked into, nothing is followed deeper, and no answer is repeated in a detail.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from math import isfinite
from typing import TypeAlias, TypeGuard

from domain.errors import FieldProblem
from domain.job.terms import DisplayCondition, FeedbackQuestion, InputType

GREATEST_INTEGER = 2**53 - 1
"""The greatest whole number that every JSON reader keeps exactly (RFC 8259, section 6)."""

MAX_TEXT = 500
MAX_TEXTAREA = 10_000
MAX_DECIMAL_DIGITS = 40
MAX_FILES = 20
MAX_FILE_REFERENCE = 200
MAX_UNKNOWN_NAMED = 100
"""So many answers to unknown questions are named one by one; the rest of them are counted."""

Fault: TypeAlias = tuple[str, str]
"""Where below the answer (empty, or ``/index``), and what to do."""

Check: TypeAlias = Callable[[FeedbackQuestion, object], Iterator[Fault]]

Texts: TypeAlias = frozenset[str]
"""An answer as conditions see it: its text form, of each element when it is a list; empty without an answer."""

_NO_ANSWER: Texts = frozenset()
_MISSING: Fault = ("", "Answer this question; it is required.")
_HIDDEN: Fault = ("", "Leave this answer out; the earlier answers hide its question.")
_NOT_A_NUMBER: Fault = (
    "",
    f"Answer with a number, or with its digits as a string of at most {MAX_DECIMAL_DIGITS} characters; "
    f"whole numbers beyond {GREATEST_INTEGER} as a string.",
)
_REPEATED = "Leave this out; it is in the list already."

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def answer_problems(questions: Sequence[FeedbackQuestion], answers: Mapping[str, object]) -> tuple[FieldProblem, ...]:
    """Every answer that is wrong, missing or not asked for, in the questions' order; null is as not given."""
    told: dict[str, Texts | None] = {}
    problems: list[FieldProblem] = []
    for question in questions:
        answer = answers.get(question.id)
        shown = _shown(question.display_condition, told)
        faults = tuple(_faults(question, answer, shown))
        told[question.id] = _told(answer, shown, faults)
        problems.extend(FieldProblem(_pointer(question.id) + below, detail) for below, detail in faults)
    problems.extend(_unasked(answers, told))
    return tuple(problems)


def _shown(condition: DisplayCondition | None, told: Mapping[str, Texts | None]) -> bool | None:
    """Whether a question is visible; null when that hangs on an answer that must be corrected first.

    Without an earlier answer (none given, or hidden) ``in`` is false; ``not_in`` is always its opposite.
    """
    if condition is None:
        return True
    texts = told.get(condition.question_id, _NO_ANSWER)
    if texts is None:
        return None
    among = not texts.isdisjoint(condition.values)
    return among is (condition.op == "in")


def _faults(question: FeedbackQuestion, answer: object, shown: bool | None) -> Iterator[Fault]:
    """What is wrong with one answer. When visibility is not known, only what is wrong either way."""
    if answer is None:
        if shown and question.required:
            yield _MISSING
    elif shown is False:
        yield _HIDDEN
    else:
        yield from CHECKS[question.input_type](question, answer)


def _told(answer: object, shown: bool | None, faults: Sequence[Fault]) -> Texts | None:
    """What later conditions may build on; null as long as the right answer is not known."""
    if shown is False:
        return _NO_ANSWER
    if shown is None or faults:
        return None
    return _texts(answer)


def _unasked(answers: Mapping[str, object], asked: Collection[str]) -> Iterator[FieldProblem]:
    """Answers to unknown questions: the first ones named, so that a refusal stays of bounded size."""
    unknown = [key for key, answer in answers.items() if answer is not None and key not in asked]
    for key in unknown[:MAX_UNKNOWN_NAMED]:
        yield FieldProblem(_pointer(key), "Leave this answer out; there is no such question.")
    if len(unknown) > MAX_UNKNOWN_NAMED:
        more = len(unknown) - MAX_UNKNOWN_NAMED
        yield FieldProblem("/answers", f"Leave out {more} more answers; there are no such questions.")


def _pointer(question_id: str) -> str:
    return "/answers/" + question_id.replace("~", "~0").replace("/", "~1")


# Text forms


def _texts(answer: object) -> Texts:
    """The text forms of a right answer."""
    if answer is None:
        return _NO_ANSWER
    return frozenset(map(_text, answer if isinstance(answer, list) else [answer]))


def _text(value: object) -> str:
    """Strings as they are, numbers as their shortest plain decimal text: 4.0 is ``4``, 1e-3 is ``0.001``."""
    if not isinstance(value, float):
        return str(value)
    plain = format(_exact(value + 0.0), "f")  # + 0.0 makes a zero of the negative zero
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _exact(number: int | float) -> Decimal:
    """The number that was written: 0.1 is one tenth, not the binary fraction nearest to it."""
    return Decimal(repr(number))


# One check for each input type


def _text_faults(question: FeedbackQuestion, answer: object, limit: int) -> Iterator[Fault]:
    if not isinstance(answer, str) or len(answer) > limit:
        yield "", f"Answer with a text of at most {limit} characters."
    elif question.required and not answer.strip():
        yield "", "Write something; this answer is required and may not be blank."


def _choice_faults(question: FeedbackQuestion, answer: object) -> Iterator[Fault]:
    if question.multi_select:
        yield from _choices_faults(question, answer)
    elif answer not in [option.value for option in question.options or ()]:
        yield "", "Answer with the value of one of the question's options."


def _choices_faults(question: FeedbackQuestion, answer: object) -> Iterator[Fault]:
    options = question.options or ()
    if not isinstance(answer, list) or len(answer) > len(options):
        yield "", "Answer with a list of values of the question's options, each at most once."
        return
    values = {option.value for option in options}
    alone = {option.value for option in options if option.exclusive}
    yield from _emptiness(question, answer)
    yield from _elements(
        answer, lambda value: isinstance(value, str) and value in values, "Take the value of one of the options."
    )
    if len(answer) > 1 and any(isinstance(value, str) and value in alone for value in answer):
        yield "", "Choose the exclusive option alone, or leave it out."


def _file_faults(question: FeedbackQuestion, answer: object) -> Iterator[Fault]:
    """One file's reference, or a list of them. A reference is opaque here."""
    one = f"Give a file's reference, a string of 1 to {MAX_FILE_REFERENCE} characters that is not blank."
    if isinstance(answer, str):
        if not _is_file_reference(answer):
            yield "", one
    elif not isinstance(answer, list) or len(answer) > MAX_FILES:
        yield "", f"Answer with a list of at most {MAX_FILES} files' references."
    else:
        yield from _emptiness(question, answer)
        yield from _elements(answer, _is_file_reference, one)


def _range_faults(question: FeedbackQuestion, answer: object) -> Iterator[Fault]:
    if not isinstance(answer, list) or len(answer) != 2:
        yield "", "Answer with [low, high], the indexes of two of the question's labels."
        return
    faults = [
        (f"/{index}", _index_sentence(question)) for index, value in enumerate(answer) if not _is_index(question, value)
    ]
    if not faults and answer[0] > answer[1]:
        faults = [("", "Put the lower index first.")]
    yield from faults


def _slider_faults(question: FeedbackQuestion, answer: object) -> Iterator[Fault]:
    if not _is_index(question, answer):
        yield "", _index_sentence(question)


def _switch_faults(question: FeedbackQuestion, answer: object) -> Iterator[Fault]:
    if answer not in (question.labels or ()):
        yield "", "Answer with one of the question's labels."


def _star_faults(_: FeedbackQuestion, answer: object) -> Iterator[Fault]:
    if not _is_whole(answer) or not 1 <= answer <= 5:
        yield "", "Answer with a whole number from 1 to 5."


def _thumbs_faults(_: FeedbackQuestion, answer: object) -> Iterator[Fault]:
    if answer not in ("up", "down"):
        yield "", 'Answer with "up" or "down".'


def _date_faults(_: FeedbackQuestion, answer: object) -> Iterator[Fault]:
    if not isinstance(answer, str) or not _is_date(answer):
        yield "", "Answer with a day of the calendar, written YYYY-MM-DD."


def _integer_faults(question: FeedbackQuestion, answer: object) -> Iterator[Fault]:
    low = -GREATEST_INTEGER if question.min is None else question.min
    high = GREATEST_INTEGER if question.max is None else question.max
    if not _is_whole(answer) or not low <= answer <= high:
        yield "", f"Answer with a whole number from {low} to {high}."


def _decimal_faults(question: FeedbackQuestion, answer: object) -> Iterator[Fault]:
    number = _decimal(answer)
    if number is None:
        yield _NOT_A_NUMBER
    elif question.min is not None and number < _exact(question.min):
        yield "", f"Answer with a number of at least {_text(question.min)}."
    elif question.max is not None and number > _exact(question.max):
        yield "", f"Answer with a number of at most {_text(question.max)}."


CHECKS: Mapping[InputType, Check] = {
    InputType.TEXT: partial(_text_faults, limit=MAX_TEXT),
    InputType.TEXTAREA: partial(_text_faults, limit=MAX_TEXTAREA),
    InputType.MULTIPLE_CHOICE: _choice_faults,
    InputType.FILE_UPLOAD: _file_faults,
    InputType.STAR_RATING: _star_faults,
    InputType.SWITCH: _switch_faults,
    InputType.SLIDER: _slider_faults,
    InputType.RANGE_SLIDER: _range_faults,
    InputType.DATE: _date_faults,
    InputType.INTEGER: _integer_faults,
    InputType.DECIMAL: _decimal_faults,
    InputType.THUMBS: _thumbs_faults,
}


# What the checks are made of


def _emptiness(question: FeedbackQuestion, answer: list[object]) -> Iterator[Fault]:
    """An empty list is an answer without choices: right unless one is required."""
    if question.required and not answer:
        yield "", "Put at least one element into the list; this answer is required."


def _elements(answer: list[object], fits: Callable[[object], bool], detail: str) -> Iterator[Fault]:
    """The elements that do not fit, and those listed before. What fits is a string, so it can be in a set."""
    seen: set[object] = set()
    for index, value in enumerate(answer):
        if not fits(value):
            yield f"/{index}", detail
        elif value in seen:
            yield f"/{index}", _REPEATED
        else:
            seen.add(value)


def _is_whole(value: object) -> TypeGuard[int]:
    """An integer in JSON: no fraction, no exponent. Python would count true and false in."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_index(question: FeedbackQuestion, value: object) -> bool:
    return _is_whole(value) and 0 <= value < len(question.labels or ())


def _index_sentence(question: FeedbackQuestion) -> str:
    return f"Answer with the index of a label, a whole number from 0 to {len(question.labels or ()) - 1}."


def _is_file_reference(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_FILE_REFERENCE and bool(value.strip())


def _is_date(text: str) -> bool:
    # Python alone would read other ISO forms too, such as 20250115 and 2025-W03-3.
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _decimal(answer: object) -> Decimal | None:
    """The number that an answer says; null when it says none, or one that a JSON reader may not keep exactly."""
    if isinstance(answer, str):
        plain = len(answer) <= MAX_DECIMAL_DIGITS and _DECIMAL.fullmatch(answer)
        return Decimal(answer) if plain else None
    if _is_whole(answer):
        return Decimal(answer) if abs(answer) <= GREATEST_INTEGER else None
    return _exact(answer) if isinstance(answer, float) and isfinite(answer) else None
