"""What must agree between the fields of a job as posted. Source: README, "Posting a job".

Each field alone (known names, lengths, ranges) has been checked by the body's schema before.
Pointers are those of the body, so names are in camelCase.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from domain.errors import MAX_PROBLEMS, FieldProblem
from domain.job.feedback import GREATEST_INTEGER
from domain.job.pay import slot_hold_cents
from domain.job.terms import (
    AudienceFilter,
    FeedbackQuestion,
    InputType,
    PayKind,
    PaymentRule,
    ScreenCaptureRule,
    TechConstraint,
    Terms,
    Variant,
)
from domain.money import MAX_HOLD_CENTS

Problems: TypeAlias = Iterator[FieldProblem]


@dataclass(frozen=True, slots=True)
class Shape:
    """Which optional fields a thing of one kind must have, and which it cannot have."""

    kind: str
    needs: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()


_OF_SOME_QUESTIONS = ("options", "multi_select", "labels", "min", "max")


def _question(kind: InputType, needs: tuple[str, ...] = (), allows: tuple[str, ...] = ()) -> Shape:
    """A question's shape: what is neither needed nor allowed is refused."""
    refuses = tuple(name for name in _OF_SOME_QUESTIONS if name not in needs + allows)
    return Shape(f"a question of type {kind}", needs, refuses)


QUESTION_SHAPES: Mapping[InputType, Shape] = {
    **{kind: _question(kind) for kind in InputType},
    InputType.MULTIPLE_CHOICE: _question(InputType.MULTIPLE_CHOICE, needs=("options",), allows=("multi_select",)),
    InputType.SWITCH: _question(InputType.SWITCH, needs=("labels",)),
    InputType.SLIDER: _question(InputType.SLIDER, needs=("labels",)),
    InputType.RANGE_SLIDER: _question(InputType.RANGE_SLIDER, needs=("labels",)),
    InputType.INTEGER: _question(InputType.INTEGER, allows=("min", "max")),
    InputType.DECIMAL: _question(InputType.DECIMAL, allows=("min", "max")),
}

RULE_SHAPES: Mapping[PayKind, Shape] = {
    PayKind.FIXED: Shape("a fixed rule", ("amount_cents",), ("rate_cents", "cap_minutes")),
    PayKind.PER_MINUTE: Shape("a per_minute rule", ("rate_cents",), ("amount_cents",)),
}

CAPTURE_SHAPES: Mapping[str, Shape] = {
    "scheduled": Shape("a scheduled capture", ("interval_seconds",), ("min", "max")),
    "testerTriggered": Shape("a testerTriggered capture", (), ("interval_seconds",)),
}

FILTER_SHAPES: Mapping[str, Shape] = {
    "in": Shape("a filter with in", ("values",), ("min", "max")),
    "not_in": Shape("a filter with not_in", ("values",), ("min", "max")),
    "between": Shape("a filter with between", ("min", "max"), ("values",)),
}

TECH_VALUES: Mapping[str, frozenset[str]] = {
    "screen": frozenset({"desktop", "mobile", "tablet"}),
    "os": frozenset({"windows", "macos", "linux", "ios", "android"}),
    "hardware": frozenset({"iphone", "android"}),
    "internet": frozenset({"broadband", "mobile_data"}),
    "browser": frozenset({"chrome", "edge", "firefox", "brave", "safari"}),
    "peripheral": frozenset({"microphone", "headphones", "camera"}),
}


def terms_problems(terms: Terms) -> tuple[FieldProblem, ...]:
    """Every field that does not agree with the others, in the body's order by kind; none when all is well.

    A hundred at most: in a body of the greatest size two hundred thousand can be wrong.
    """
    return tuple(islice(_terms_problems(terms), MAX_PROBLEMS))


def _terms_problems(terms: Terms) -> Problems:
    yield from _target_problems(terms)
    yield from _limit_problems(terms)
    yield from _hold_problems(terms)
    for index, rule in enumerate(terms.payment_rules):
        yield from _shape_problems(f"/paymentRules/{index}", rule, RULE_SHAPES[rule.type])
    for index, variant in enumerate(terms.variants):
        yield from _variant_problems(f"/variants/{index}", variant)


def _target_problems(terms: Terms) -> Problems:
    """All testers must find a place, and each variant its minimum."""
    least = sum([variant.target_testers_min for variant in terms.variants])
    most = sum([variant.first_maximum for variant in terms.variants])
    if terms.target_testers < least:
        yield FieldProblem(
            "/targetTesters", f"Ask for at least {least}, the sum of targetTestersMin, or lower these minimums."
        )
    elif terms.target_testers > most:
        yield FieldProblem(
            "/targetTesters",
            f"Ask for at most {most}, the sum of targetTestersMax (without one, targetTestersMin counts), "
            "or raise these.",
        )


def _limit_problems(terms: Terms) -> Problems:
    if terms.paid_limit_minutes is not None and all(rule.type is PayKind.FIXED for rule in terms.payment_rules):
        yield FieldProblem(
            "/taskPaidTimeLimitMinutes", "Leave this out; it limits per_minute rules, and there is none."
        )
    if terms.project_testers_only and terms.project_id is None:
        yield FieldProblem("/projectTestersOnly", "Give projectId too, or leave this out.")


def _hold_problems(terms: Terms) -> Problems:
    hold = terms.target_testers * slot_hold_cents(terms)
    if hold > MAX_HOLD_CENTS:
        yield FieldProblem(
            "/paymentRules", f"Pay less; this would hold {hold} cents, and a job may hold at most {MAX_HOLD_CENTS}."
        )


def _variant_problems(at: str, variant: Variant) -> Problems:
    most, least = variant.target_testers_max, variant.target_testers_min
    if most is not None and most < max(1, least):
        yield FieldProblem(f"{at}/targetTestersMax", f"Give at least {max(1, least)}, or leave this out.")
    yield from _placement_problems(at, variant)
    yield from _questions_problems(f"{at}/feedbackQuestions", variant.feedback_questions)
    for index, capture in enumerate(variant.screen_capture):
        yield from _capture_problems(f"{at}/screenCapture/{index}", capture)
    for index, audience in enumerate(variant.audience_filters):
        yield from _filter_problems(f"{at}/audienceFilters/{index}", audience)
    for index, constraint in enumerate(variant.tech_constraints):
        yield from _tech_problems(f"{at}/techConstraints/{index}", constraint)


def _placement_problems(at: str, variant: Variant) -> Problems:
    """An iframe has a page to show and a place for the questions beside it; only there can a screen be captured."""
    placement = variant.placement
    if placement is None or placement.element != "iframe":
        if variant.screen_capture:
            yield FieldProblem(f"{at}/screenCapture", "Place the task in an iframe, or leave this out.")
        return
    if placement.position is None:
        yield FieldProblem(f"{at}/placement/position", "Give position; an iframe needs it.")
    if variant.url is None:
        yield FieldProblem(f"{at}/url", "Give url; an iframe needs it.")


def _capture_problems(at: str, capture: ScreenCaptureRule) -> Problems:
    yield from _shape_problems(at, capture, CAPTURE_SHAPES[capture.type])
    yield from _order_problems(at, capture)


def _filter_problems(at: str, audience: AudienceFilter) -> Problems:
    yield from _shape_problems(at, audience, FILTER_SHAPES[audience.op])
    yield from _order_problems(at, audience)


def _tech_problems(at: str, constraint: TechConstraint) -> Problems:
    known = TECH_VALUES[constraint.category]
    for index, value in enumerate(constraint.values):
        if value not in known:
            yield FieldProblem(
                f"{at}/values/{index}", f"Take one of {', '.join(sorted(known))} for {constraint.category}."
            )
    yield from _repeat_problems(f"{at}/values", constraint.values)


# Questions


def _questions_problems(at: str, questions: Sequence[FeedbackQuestion]) -> Problems:
    earlier: set[str] = set()
    for index, question in enumerate(questions):
        here = f"{at}/{index}"
        condition = question.display_condition
        if question.id in earlier:
            yield FieldProblem(f"{here}/id", "Give each question of the variant an id of its own.")
        if condition is not None and condition.question_id not in earlier:
            yield FieldProblem(f"{here}/displayCondition/questionId", "Name an earlier question of the same variant.")
        earlier.add(question.id)
        yield from _question_problems(here, question)


def _question_problems(at: str, question: FeedbackQuestion) -> Problems:
    yield from _shape_problems(at, question, QUESTION_SHAPES[question.input_type])
    check = QUESTION_CHECKS.get(question.input_type)
    if check is not None:
        yield from check(at, question)


def _option_problems(at: str, question: FeedbackQuestion) -> Problems:
    options = question.options or ()
    if len(options) == 1:
        yield FieldProblem(f"{at}/options", "Give at least two options.")
    yield from _repeat_problems(f"{at}/options", [option.value for option in options], below="/value")


def _switch_problems(at: str, question: FeedbackQuestion) -> Problems:
    if question.labels and len(question.labels) != 2:
        yield FieldProblem(f"{at}/labels", "Give exactly two labels.")
    yield from _repeat_problems(f"{at}/labels", question.labels or ())


def _slider_problems(at: str, question: FeedbackQuestion) -> Problems:
    if question.labels and len(question.labels) < 2:
        yield FieldProblem(f"{at}/labels", "Give at least two labels.")
    yield from _repeat_problems(f"{at}/labels", question.labels or ())


def _bound_problems(at: str, question: FeedbackQuestion) -> Problems:
    for name, bound in (("min", question.min), ("max", question.max)):
        if bound is not None and not -GREATEST_INTEGER <= bound <= GREATEST_INTEGER:
            yield FieldProblem(f"{at}/{name}", f"Give a number from {-GREATEST_INTEGER} to {GREATEST_INTEGER}.")
        elif isinstance(bound, float) and question.input_type is InputType.INTEGER:
            yield FieldProblem(f"{at}/{name}", "Give a whole number, without fraction or exponent.")
    yield from _order_problems(at, question)


QUESTION_CHECKS: Mapping[InputType, Callable[[str, FeedbackQuestion], Problems]] = {
    InputType.MULTIPLE_CHOICE: _option_problems,
    InputType.SWITCH: _switch_problems,
    InputType.SLIDER: _slider_problems,
    InputType.RANGE_SLIDER: _slider_problems,
    InputType.INTEGER: _bound_problems,
    InputType.DECIMAL: _bound_problems,
}


# What the checks are made of

Shaped: TypeAlias = PaymentRule | FeedbackQuestion | ScreenCaptureRule | AudienceFilter
Ranged: TypeAlias = FeedbackQuestion | ScreenCaptureRule | AudienceFilter


def _shape_problems(at: str, thing: Shaped, shape: Shape) -> Problems:
    for name in shape.needs:
        if not _given(getattr(thing, name)):
            yield FieldProblem(f"{at}/{_camel(name)}", f"Give {_camel(name)}; {shape.kind} needs it.")
    for name in shape.refuses:
        if _given(getattr(thing, name)):
            yield FieldProblem(f"{at}/{_camel(name)}", f"Leave {_camel(name)} out; {shape.kind} has none.")


def _given(value: object) -> bool:
    """Whether an optional field says anything. An empty list and false say nothing; zero does."""
    return not (value is None or value is False or value == ())


def _order_problems(at: str, thing: Ranged) -> Problems:
    if thing.min is not None and thing.max is not None and thing.min > thing.max:
        yield FieldProblem(f"{at}/max", "Give a max that is not below min.")


def _repeat_problems(at: str, values: Iterable[Hashable], below: str = "") -> Problems:
    seen: set[Hashable] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield FieldProblem(f"{at}/{index}{below}", "Give each of these only once.")
        seen.add(value)


def _camel(name: str) -> str:
    """A field's name as the body has it."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
