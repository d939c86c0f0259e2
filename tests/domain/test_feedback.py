"""A tester's answers against the questions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.job.feedback import CHECKS, GREATEST_INTEGER, MAX_UNKNOWN_NAMED, answer_problems
from domain.job.terms import DisplayCondition, FeedbackQuestion, InputType, Option

LABELS = ("never", "sometimes", "always")
OPTIONS = (
    Option(label="Red", value="red"),
    Option(label="Blue", value="blue"),
    Option(label="None of these", value="none", exclusive=True),
)

EXTRAS: Mapping[InputType, Mapping[str, Any]] = {
    InputType.MULTIPLE_CHOICE: {"options": OPTIONS},
    InputType.SWITCH: {"labels": LABELS[:2]},
    InputType.SLIDER: {"labels": LABELS},
    InputType.RANGE_SLIDER: {"labels": LABELS},
}


def a_question(kind: InputType, name: str = "q", **fields: Any) -> FeedbackQuestion:
    return FeedbackQuestion(id=name, question_markdown="?", input_type=kind, **{**EXTRAS.get(kind, {}), **fields})


def a_choice_of_many(**fields: Any) -> FeedbackQuestion:
    return a_question(InputType.MULTIPLE_CHOICE, multi_select=True, **fields)


def shown_when(op: str, *values: str, of: str = "first") -> DisplayCondition:
    return DisplayCondition(question_id=of, op=op, values=values)


def wrong(questions: Sequence[FeedbackQuestion], answers: Mapping[str, object]) -> list[str]:
    return [problem.pointer for problem in answer_problems(questions, answers)]


# One answer at a time

TEXT, TEXTAREA, CHOICE = InputType.TEXT, InputType.TEXTAREA, InputType.MULTIPLE_CHOICE
FILES, STARS, SWITCH = InputType.FILE_UPLOAD, InputType.STAR_RATING, InputType.SWITCH
SLIDER, RANGE, DATE = InputType.SLIDER, InputType.RANGE_SLIDER, InputType.DATE
INTEGER, DECIMAL, THUMBS = InputType.INTEGER, InputType.DECIMAL, InputType.THUMBS

RIGHT: Sequence[tuple[FeedbackQuestion, object]] = [
    (a_question(TEXT), "x" * 500),
    (a_question(TEXT, required=False), "  "),
    (a_question(TEXTAREA), "x" * 10_000),
    (a_question(CHOICE), "red"),
    (a_question(CHOICE), "none"),
    (a_choice_of_many(), ["blue", "red"]),
    (a_choice_of_many(), ["none"]),
    (a_choice_of_many(required=False), []),
    (a_question(FILES), "screen.png"),
    (a_question(FILES), ["x" * 200, "b"]),
    (a_question(FILES), [str(n) for n in range(20)]),
    (a_question(FILES, required=False), []),
    (a_question(STARS), 1),
    (a_question(STARS), 5),
    (a_question(SWITCH), "never"),
    (a_question(SLIDER), 0),
    (a_question(SLIDER), 2),
    (a_question(RANGE), [0, 2]),
    (a_question(RANGE), [1, 1]),
    (a_question(DATE), "2024-02-29"),
    (a_question(INTEGER), -GREATEST_INTEGER),
    (a_question(INTEGER, min=3, max=5), 3),
    (a_question(INTEGER, min=3, max=5), 5),
    (a_question(DECIMAL), GREATEST_INTEGER),
    (a_question(DECIMAL), 5e-324),
    (a_question(DECIMAL), "9" * 40),
    (a_question(DECIMAL), "-007.50"),
    (a_question(DECIMAL, min=0.1, max=0.3), "0.1"),
    (a_question(DECIMAL, min=0.1, max=0.3), 0.3),
    (a_question(THUMBS), "up"),
    (a_question(THUMBS), "down"),
]

WRONG: Sequence[tuple[FeedbackQuestion, object, list[str]]] = [
    (a_question(TEXT), "x" * 501, [""]),
    (a_question(TEXT), " \t\n", [""]),
    (a_question(TEXT), 5, [""]),
    (a_question(TEXTAREA), "x" * 10_001, [""]),
    (a_question(TEXTAREA), ["a"], [""]),
    (a_question(CHOICE), "Red", [""]),
    (a_question(CHOICE), ["red"], [""]),
    (a_question(CHOICE, options=None), "red", [""]),
    (a_choice_of_many(), "red", [""]),
    (a_choice_of_many(), [], [""]),
    (a_choice_of_many(), ["red", "red"], ["/1"]),
    (a_choice_of_many(), ["green", "red", {}], ["/0", "/2"]),
    (a_choice_of_many(), ["none", "red"], [""]),
    (a_choice_of_many(), ["none", 3], ["/1", ""]),
    (a_choice_of_many(), ["red"] * 4, [""]),
    (a_choice_of_many(options=None), ["red"], [""]),
    (a_question(FILES), "", [""]),
    (a_question(FILES), "x" * 201, [""]),
    (a_question(FILES), {"id": "a"}, [""]),
    (a_question(FILES), [], [""]),
    (a_question(FILES), ["a", " ", "a", 3, ["b"]], ["/1", "/2", "/3", "/4"]),
    (a_question(FILES), [str(n) for n in range(21)], [""]),
    (a_question(STARS), 0, [""]),
    (a_question(STARS), 6, [""]),
    (a_question(STARS), 4.0, [""]),
    (a_question(STARS), True, [""]),
    (a_question(STARS), "4", [""]),
    (a_question(SWITCH), "always", [""]),
    (a_question(SWITCH), True, [""]),
    (a_question(SLIDER), 3, [""]),
    (a_question(SLIDER), -1, [""]),
    (a_question(SLIDER), False, [""]),
    (a_question(SLIDER), "never", [""]),
    (a_question(RANGE), [2, 0], [""]),
    (a_question(RANGE), [0], [""]),
    (a_question(RANGE), [0, 1, 2], [""]),
    (a_question(RANGE), 1, [""]),
    (a_question(RANGE), [3, True], ["/0", "/1"]),
    (a_question(DATE), "2023-02-29", [""]),
    (a_question(DATE), "20240229", [""]),
    (a_question(DATE), "2024-W09-4", [""]),
    (a_question(DATE), "2024-02-29 ", [""]),
    (a_question(DATE), "２０２４-02-29", [""]),
    (a_question(DATE), "0000-01-01", [""]),
    (a_question(DATE), 20240229, [""]),
    (a_question(INTEGER), GREATEST_INTEGER + 1, [""]),
    (a_question(INTEGER), 3.0, [""]),
    (a_question(INTEGER), "3", [""]),
    (a_question(INTEGER), True, [""]),
    (a_question(INTEGER, min=3), 2, [""]),
    (a_question(INTEGER, max=5), 6, [""]),
    (a_question(DECIMAL), GREATEST_INTEGER + 1, [""]),
    (a_question(DECIMAL), float("nan"), [""]),
    (a_question(DECIMAL), float("-inf"), [""]),
    (a_question(DECIMAL), "9" * 41, [""]),
    (a_question(DECIMAL), "1e3", [""]),
    (a_question(DECIMAL), "+1", [""]),
    (a_question(DECIMAL), ".5", [""]),
    (a_question(DECIMAL), "1.", [""]),
    (a_question(DECIMAL), "NaN", [""]),
    (a_question(DECIMAL), "1\n", [""]),
    (a_question(DECIMAL), "", [""]),
    (a_question(DECIMAL), False, [""]),
    (a_question(DECIMAL), [1], [""]),
    (a_question(DECIMAL, min=0.1), "0.0999", [""]),
    (a_question(DECIMAL, max=0.3), "0.3000000000000000000000000000000000001", [""]),
    (a_question(DECIMAL, min=3), 2.5, [""]),
    (a_question(THUMBS), "sideways", [""]),
    (a_question(THUMBS), 1, [""]),
]


def test_every_input_type_is_checked() -> None:
    assert set(CHECKS) == set(InputType)
    assert {question.input_type for question, _ in RIGHT} == set(InputType)
    assert {question.input_type for question, *_ in WRONG} == set(InputType)


@pytest.mark.parametrize(("question", "answer"), RIGHT)
def test_a_right_answer_is_taken(question: FeedbackQuestion, answer: object) -> None:
    assert answer_problems([question], {"q": answer}) == ()


@pytest.mark.parametrize(("question", "answer", "below"), WRONG)
def test_a_wrong_answer_is_named(question: FeedbackQuestion, answer: object, below: list[str]) -> None:
    assert wrong([question], {"q": answer}) == ["/answers/q" + place for place in below]


def test_a_refused_answer_is_told_what_would_be_right() -> None:
    asked = {
        "age": a_question(INTEGER, "age", min=18, max=99),
        "share": a_question(DECIMAL, "share", min=0.5),
        "part": a_question(DECIMAL, "part", max=4.0),
        "mood": a_question(SLIDER, "mood"),
    }
    problems = answer_problems(list(asked.values()), {"age": 17, "share": "0.4", "part": 9, "mood": 3})
    assert [(problem.pointer, problem.detail) for problem in problems] == [
        ("/answers/age", "Answer with a whole number from 18 to 99."),
        ("/answers/share", "Answer with a number of at least 0.5."),
        ("/answers/part", "Answer with a number of at most 4."),
        ("/answers/mood", "Answer with the index of a label, a whole number from 0 to 2."),
    ]


def test_a_number_too_long_to_be_written_out_is_refused_everywhere() -> None:
    huge = -(10**5_000)
    for kind in InputType:
        assert wrong([a_question(kind)], {"q": huge}) == ["/answers/q"]
        assert wrong([a_question(kind)], {"q": [huge, {"q": huge}]})


def test_nesting_too_deep_to_be_followed_is_refused_everywhere() -> None:
    deep: object = "a"
    for _ in range(100_000):
        deep = [deep]
    pointers = {kind: wrong([a_question(kind)], {"q": deep}) for kind in InputType}
    assert pointers == {kind: ["/answers/q/0" if kind is FILES else "/answers/q"] for kind in InputType}
    assert wrong([a_choice_of_many()], {"q": deep}) == ["/answers/q/0"]


# Which questions want an answer


@pytest.mark.parametrize("answers", [{}, {"q": None}])
def test_only_a_required_question_must_be_answered(answers: Mapping[str, object]) -> None:
    assert wrong([a_question(STARS)], answers) == ["/answers/q"]
    assert wrong([a_question(STARS, required=False)], answers) == []


def test_every_wrong_field_is_named_at_once_and_in_the_questions_order() -> None:
    questions = [a_question(TEXT, "a"), a_question(STARS, "b"), a_question(DATE, "c")]
    assert wrong(questions, {"c": "soon", "x": 1, "b": 9}) == ["/answers/a", "/answers/b", "/answers/c", "/answers/x"]


def test_an_id_is_escaped_in_its_pointer() -> None:
    assert wrong([a_question(FILES, "a/b~1")], {"a/b~1": [3], "~": 1}) == ["/answers/a~1b~01/0", "/answers/~0"]


def test_a_null_for_an_unknown_question_is_as_not_given() -> None:
    assert wrong([], {"x": None}) == []


def test_of_very_many_unknown_answers_the_first_are_named_and_the_rest_counted() -> None:
    problems = answer_problems([], {str(n): n for n in range(MAX_UNKNOWN_NAMED + 7)})
    assert len(problems) == MAX_UNKNOWN_NAMED + 1
    assert problems[-1].pointer == "/answers"
    assert "7 more" in problems[-1].detail


# Conditions

SHOWN: Sequence[tuple[FeedbackQuestion, object, DisplayCondition, bool]] = [
    (a_question(TEXT, "first"), "yes", shown_when("in", "yes", "no"), True),
    (a_question(TEXT, "first"), "Yes", shown_when("in", "yes", "no"), False),
    (a_question(TEXT, "first"), "yes", shown_when("not_in", "yes"), False),
    (a_question(TEXT, "first"), "no", shown_when("not_in", "yes"), True),
    (a_question(STARS, "first"), 4, shown_when("in", "4"), True),
    (a_question(INTEGER, "first"), -4, shown_when("in", "-4"), True),
    (a_question(DECIMAL, "first"), 4.0, shown_when("in", "4"), True),
    (a_question(DECIMAL, "first"), -0.0, shown_when("in", "0"), True),
    (a_question(DECIMAL, "first"), 0.1, shown_when("in", "0.1"), True),
    (a_question(DECIMAL, "first"), 1e-7, shown_when("in", "0.0000001"), True),
    (a_question(DECIMAL, "first"), 1e23, shown_when("in", "1" + "0" * 23), True),
    (a_question(DECIMAL, "first"), "4.0", shown_when("in", "4"), False),
    (a_question(DECIMAL, "first"), "4.0", shown_when("in", "4.0"), True),
    (a_question(SLIDER, "first"), 2, shown_when("in", "2"), True),
    (a_question(RANGE, "first"), [0, 2], shown_when("in", "2"), True),
    (a_question(RANGE, "first"), [0, 2], shown_when("in", "1"), False),
    (a_choice_of_many(name="first"), ["red", "blue"], shown_when("in", "blue"), True),
    (a_choice_of_many(name="first"), ["red", "blue"], shown_when("not_in", "blue"), False),
    (a_choice_of_many(name="first"), ["red"], shown_when("not_in", "blue"), True),
    (a_choice_of_many(name="first", required=False), [], shown_when("in", "blue"), False),
    (a_choice_of_many(name="first", required=False), [], shown_when("not_in", "blue"), True),
    (a_question(TEXT, "first", required=False), None, shown_when("in", "yes"), False),
    (a_question(TEXT, "first", required=False), None, shown_when("not_in", "yes"), True),
    (a_question(TEXT, "first", required=False), "", shown_when("in", ""), True),
]


@pytest.mark.parametrize(("first", "answer", "condition", "shown"), SHOWN)
def test_a_condition_compares_the_text_of_the_earlier_answer(
    first: FeedbackQuestion, answer: object, condition: DisplayCondition, shown: bool
) -> None:
    questions = [first, a_question(THUMBS, "then", display_condition=condition)]
    asked_for = [] if shown else ["/answers/then"]
    missed = ["/answers/then"] if shown else []
    assert wrong(questions, {"first": answer, "then": "up"}) == asked_for
    assert wrong(questions, {"first": answer}) == missed


def a_chain(second: DisplayCondition, third: DisplayCondition) -> list[FeedbackQuestion]:
    return [
        a_question(THUMBS, "first"),
        a_question(THUMBS, "second", display_condition=second),
        a_question(THUMBS, "third", display_condition=third),
    ]


@pytest.mark.parametrize(("op", "expected"), [("in", []), ("not_in", ["/answers/third"])])
def test_a_hidden_question_has_no_answer(op: str, expected: list[str]) -> None:
    questions = a_chain(shown_when("in", "down"), shown_when(op, "up", of="second"))
    assert wrong(questions, {"first": "up"}) == expected
    assert wrong(questions, {"first": "up", "second": "up"}) == ["/answers/second", *expected]


@pytest.mark.parametrize("first", [None, "sideways"])
def test_what_hangs_on_an_answer_to_be_corrected_is_neither_missed_nor_refused(first: object) -> None:
    questions = a_chain(shown_when("in", "down"), shown_when("not_in", "up", of="second"))
    assert wrong(questions, {"first": first}) == ["/answers/first"]
    assert wrong(questions, {"first": first, "second": "up", "third": "up"}) == ["/answers/first"]


def test_what_is_wrong_either_way_is_named_even_if_visibility_is_not_known() -> None:
    questions = a_chain(shown_when("in", "down"), shown_when("in", "up", of="second"))
    assert wrong(questions, {"first": "sideways", "third": 3}) == ["/answers/first", "/answers/third"]


def test_a_condition_on_no_earlier_question_finds_no_answer() -> None:
    question = a_question(THUMBS, display_condition=shown_when("in", "up", of="q"))
    assert wrong([question], {"q": "up"}) == ["/answers/q"]


# What is always so

Answers: TypeAlias = dict[str, object]

NAMES = st.sampled_from(["a", "b", "c", "d/e", "f~g"])
WORDS = st.sampled_from(["", " ", "up", "down", "red", "none", "never", "1", "0.5", "2024-02-29", "x" * 501])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
CONDITIONS = st.builds(
    DisplayCondition,
    question_id=NAMES,
    op=st.sampled_from(["in", "not_in"]),
    values=st.lists(WORDS, min_size=1, max_size=3).map(tuple),
)
BOUNDS = st.none() | st.integers(-10, 10) | st.floats(-10, 10)


@st.composite
def any_question(draw: st.DrawFn, name: str) -> FeedbackQuestion:
    kind = draw(st.sampled_from(InputType))
    fields: dict[str, Any] = {"required": draw(st.booleans()), "display_condition": draw(st.none() | CONDITIONS)}
    if kind is CHOICE:
        fields["multi_select"] = draw(st.booleans())
    if kind in (INTEGER, DECIMAL):
        fields |= {"min": draw(BOUNDS), "max": draw(BOUNDS)}
    return a_question(kind, name, **fields)


QUESTIONNAIRES = st.lists(NAMES, unique=True, max_size=5).flatmap(
    lambda names: st.tuples(*(any_question(name) for name in names))
)

DIGITS = st.from_regex(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", fullmatch=True)
RIGHT_ANSWERS: Mapping[InputType, st.SearchStrategy[object]] = {
    TEXT: st.sampled_from(["up", "red", "1"]) | st.text(max_size=500).filter(str.strip),
    TEXTAREA: st.text(max_size=700).filter(str.strip),
    FILES: st.lists(st.text(max_size=200).filter(str.strip), min_size=1, max_size=20, unique=True),
    STARS: st.integers(1, 5),
    SWITCH: st.sampled_from(LABELS[:2]),
    SLIDER: st.integers(0, 2),
    RANGE: st.lists(st.integers(0, 2), min_size=2, max_size=2).map(sorted),
    DATE: st.dates().map(date.isoformat),
    INTEGER: st.integers(-GREATEST_INTEGER, GREATEST_INTEGER),
    DECIMAL: DIGITS | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
    THUMBS: st.sampled_from(["up", "down"]),
    CHOICE: st.sampled_from(["red", "blue", "none"]),
}
MANY_RIGHT = st.just(["none"]) | st.lists(st.sampled_from(["red", "blue"]), min_size=1, unique=True)


@given(QUESTIONNAIRES, st.dictionaries(NAMES | st.text(max_size=5), JSON, max_size=6))
@settings(deadline=None)
def test_no_json_is_too_odd_to_be_judged(questions: Sequence[FeedbackQuestion], answers: Answers) -> None:
    for problem in answer_problems(questions, answers):
        assert problem.pointer.startswith("/answers/")
        assert problem.detail.endswith(".")


@given(st.data(), st.sampled_from(InputType))
@settings(deadline=None)
def test_every_right_answer_is_taken_and_survives_json(data: st.DataObject, kind: InputType) -> None:
    answer = json.loads(json.dumps(data.draw(RIGHT_ANSWERS[kind])))
    assert answer_problems([a_question(kind)], {"q": answer}) == ()


@given(MANY_RIGHT)
def test_every_right_choice_of_many_is_taken(answer: list[str]) -> None:
    assert answer_problems([a_choice_of_many()], {"q": answer}) == ()


@given(QUESTIONNAIRES, st.dictionaries(NAMES, JSON, max_size=5))
@settings(deadline=None)
def test_null_is_as_not_given(questions: Sequence[FeedbackQuestion], answers: Answers) -> None:
    bare = {name: answer for name, answer in answers.items() if answer is not None}
    full = bare | {name: None for name in ["a", "b", "c", "d/e", "f~g", "z"] if name not in bare}
    assert answer_problems(questions, bare) == answer_problems(questions, full)


def plain(value: object) -> str:
    return format(Decimal(repr(value)).normalize() + 0, "f") if isinstance(value, float) else str(value)


def is_shown(question: FeedbackQuestion, answers: Answers) -> bool:
    """The rule again, as a person would apply it."""
    condition = question.display_condition
    if condition is None:
        return True
    given_before = answers.get(condition.question_id, [])
    elements = given_before if isinstance(given_before, list) else [given_before]
    found = any(plain(element) in condition.values for element in elements)
    return found if condition.op == "in" else not found


@given(st.data(), QUESTIONNAIRES)
@settings(deadline=None)
def test_who_answers_what_is_shown_is_taken_and_who_answers_more_or_less_is_not(
    data: st.DataObject, drawn: Sequence[FeedbackQuestion]
) -> None:
    questions = [replace(question, min=None, max=None) for question in drawn]
    answers: Answers = {}
    hidden: Answers = {}
    for question in questions:
        answer = data.draw(MANY_RIGHT if question.multi_select else RIGHT_ANSWERS[question.input_type])
        (answers if is_shown(question, answers) else hidden)[question.id] = answer
    assert wrong(questions, answers) == []
    for name, answer in hidden.items():
        assert pointer_to(name) in wrong(questions, {**answers, name: answer})
    for question in questions:
        if question.required and question.id in answers:
            assert pointer_to(question.id) in wrong(questions, {**answers, question.id: None})


def pointer_to(name: str) -> str:
    return "/answers/" + name.replace("~", "~0").replace("/", "~1")
