"""What must agree between the fields of a job as posted."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.job import validity
from domain.job.terms import (
    AudienceFilter,
    DisplayCondition,
    FeedbackQuestion,
    InputType,
    Option,
    PayKind,
    PaymentRule,
    Placement,
    Pricing,
    ScreenCaptureRule,
    TechConstraint,
    Terms,
    Variant,
)
from domain.job.validity import terms_problems

ID = UUID(int=1)
FIXED = PaymentRule(type=PayKind.FIXED, amount_cents=300)
PER_MINUTE = PaymentRule(type=PayKind.PER_MINUTE, rate_cents=20, cap_minutes=10)
IFRAME = Placement(element="iframe", position="left")
GREATEST = 2**53 - 1


def a_question(kind: InputType = InputType.STAR_RATING, name: str = "rating", **more: Any) -> FeedbackQuestion:
    return FeedbackQuestion(id=name, question_markdown="How was it?", input_type=kind, **more)


def options(*values: str) -> tuple[Option, ...]:
    return tuple(Option(label=value.title(), value=value) for value in values)


def a_variant(**more: Any) -> Variant:
    as_usual = {"description": "Look", "feedback_questions": (a_question(),), "target_testers_min": 5}
    return Variant(id=ID, **{**as_usual, **more})


def a_job(*variants: Variant, **more: Any) -> Terms:
    as_usual = {"title": "Rate it", "target_testers": 5, "category": "web", "payment_rules": (FIXED,)}
    return Terms(posting_window_minutes=60, variants=variants or (a_variant(),), **{**as_usual, **more})


def asking(*questions: FeedbackQuestion) -> Terms:
    return a_job(a_variant(feedback_questions=questions))


def wrong(terms: Terms) -> list[str]:
    return [problem.pointer for problem in terms_problems(terms)]


# The job


@pytest.mark.parametrize(
    ("target", "ranges", "expected"),
    [
        (5, [(5, None)], []),
        (5, [(2, None), (3, None)], []),
        (5, [(0, 5)], []),
        (5, [(0, 2), (1, 9)], []),
        (4, [(5, None)], ["/targetTesters"]),
        (4, [(2, 9), (3, 9)], ["/targetTesters"]),
        (6, [(5, None)], ["/targetTesters"]),
        (6, [(0, 3), (2, None)], ["/targetTesters"]),
        (5, [(5, 4), (0, 1)], ["/variants/0/targetTestersMax"]),
        (5, [(5, None), (0, 0)], ["/variants/1/targetTestersMax"]),
    ],
)
def test_all_testers_find_a_place_and_every_variant_its_minimum(
    target: int, ranges: list[tuple[int, int | None]], expected: list[str]
) -> None:
    variants = [a_variant(target_testers_min=least, target_testers_max=most) for least, most in ranges]
    assert wrong(a_job(*variants, target_testers=target)) == expected


def test_the_sum_that_is_missed_is_told() -> None:
    (few,) = terms_problems(a_job(target_testers=3))
    (many,) = terms_problems(a_job(target_testers=7))
    assert "at least 5" in few.detail
    assert "at most 5" in many.detail


@pytest.mark.parametrize(
    ("rules", "expected"),
    [((FIXED,), ["/taskPaidTimeLimitMinutes"]), ((PER_MINUTE,), []), ((FIXED, PER_MINUTE), [])],
)
def test_paid_time_is_limited_only_where_time_is_paid(rules: tuple[PaymentRule, ...], expected: list[str]) -> None:
    assert wrong(a_job(payment_rules=rules, paid_limit_minutes=10)) == expected
    assert wrong(a_job(payment_rules=rules)) == []


def test_a_job_for_project_testers_has_a_project() -> None:
    assert wrong(a_job(project_testers_only=True)) == ["/projectTestersOnly"]
    assert wrong(a_job(project_testers_only=True, project_id=ID)) == []


def test_a_job_holds_at_most_ten_to_the_twelve_cents() -> None:
    # 10,000 slots of 10^7 payout and, at a fee of 900 %, 9 * 10^7 fee each are exactly the most.
    dear = (replace(FIXED, amount_cents=1_000_000),) * 10
    for basis_points, expected in ((90_000, []), (90_001, ["/paymentRules"])):
        pricing = Pricing(fee_basis_points=basis_points)
        variant = a_variant(target_testers_min=10_000)
        assert wrong(a_job(variant, target_testers=10_000, payment_rules=dear, pricing=pricing)) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (FIXED, []),
        (PER_MINUTE, []),
        (replace(PER_MINUTE, cap_minutes=None), []),
        (replace(FIXED, amount_cents=None), ["amountCents"]),
        (replace(FIXED, rate_cents=1), ["rateCents"]),
        (replace(FIXED, cap_minutes=1), ["capMinutes"]),
        (replace(PER_MINUTE, rate_cents=None), ["rateCents"]),
        (replace(PER_MINUTE, amount_cents=1), ["amountCents"]),
    ],
)
def test_a_payment_rule_has_the_amounts_of_its_type(rule: PaymentRule, expected: list[str]) -> None:
    assert wrong(a_job(payment_rules=(FIXED, rule))) == [f"/paymentRules/1/{name}" for name in expected]


def test_what_is_missing_and_what_is_too_much_is_told_by_name() -> None:
    rule = replace(FIXED, amount_cents=None, cap_minutes=3)
    assert [problem.detail for problem in terms_problems(a_job(payment_rules=(rule,)))] == [
        "Give amountCents; a fixed rule needs it.",
        "Leave capMinutes out; a fixed rule has none.",
    ]


# Questions

CHOICE, SWITCH, SLIDER = InputType.MULTIPLE_CHOICE, InputType.SWITCH, InputType.SLIDER
RANGE, INTEGER, DECIMAL = InputType.RANGE_SLIDER, InputType.INTEGER, InputType.DECIMAL


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (a_question(CHOICE, options=options("a", "b"), multi_select=True), []),
        (a_question(CHOICE), ["options"]),
        (a_question(CHOICE, options=()), ["options"]),
        (a_question(CHOICE, options=options("a")), ["options"]),
        (a_question(CHOICE, options=options("a", "b", "a")), ["options/2/value"]),
        (a_question(CHOICE, options=options("a", "b"), labels=("x", "y")), ["labels"]),
        (a_question(SWITCH, labels=("no", "yes")), []),
        (a_question(SWITCH), ["labels"]),
        (a_question(SWITCH, labels=("no",)), ["labels"]),
        (a_question(SWITCH, labels=("no", "yes", "maybe")), ["labels"]),
        (a_question(SWITCH, labels=("no", "no")), ["labels/1"]),
        (a_question(SLIDER, labels=("low", "high", "top")), []),
        (a_question(SLIDER, labels=("low",)), ["labels"]),
        (a_question(SLIDER, labels=()), ["labels"]),
        (a_question(SLIDER, labels=("a", "b", "a", "b")), ["labels/2", "labels/3"]),
        (a_question(RANGE, labels=("low", "high")), []),
        (a_question(RANGE, labels=("low",)), ["labels"]),
        (a_question(RANGE, labels=("low", "high"), min=1), ["min"]),
        (a_question(INTEGER), []),
        (a_question(INTEGER, min=0, max=0), []),
        (a_question(INTEGER, min=-GREATEST, max=GREATEST), []),
        (a_question(INTEGER, min=1, max=0), ["max"]),
        (a_question(INTEGER, min=0.5, max=3.0), ["min", "max"]),
        (a_question(INTEGER, max=GREATEST + 1), ["max"]),
        (a_question(DECIMAL, min=0.25, max=1), []),
        (a_question(DECIMAL, min=1, max=0.25), ["max"]),
        (a_question(DECIMAL, min=float("nan"), max=float("inf")), ["min", "max"]),
        (a_question(options=options("a", "b")), ["options"]),
        (a_question(labels=("a", "b")), ["labels"]),
        (a_question(min=0), ["min"]),
        (a_question(max=3), ["max"]),
        (a_question(multi_select=True), ["multiSelect"]),
        (a_question(options=(), labels=()), []),
    ],
)
def test_a_question_has_the_fields_of_its_type(question: FeedbackQuestion, expected: list[str]) -> None:
    pointers = [f"/variants/0/feedbackQuestions/1/{name}" for name in expected]
    assert wrong(asking(a_question(name="first"), question)) == pointers


def test_a_bound_too_long_to_be_written_out_is_refused() -> None:
    assert wrong(asking(a_question(DECIMAL, min=-(10**5_000)))) == ["/variants/0/feedbackQuestions/0/min"]


def test_a_question_has_an_id_of_its_own_in_its_variant() -> None:
    assert wrong(asking(a_question(), a_question(name="other"), a_question())) == ["/variants/0/feedbackQuestions/2/id"]
    assert wrong(a_job(a_variant(), a_variant(), target_testers=10)) == []


@pytest.mark.parametrize(("name", "allowed"), [("first", True), ("itself", False), ("last", False), ("nowhere", False)])
def test_a_condition_names_an_earlier_question(name: str, allowed: bool) -> None:
    condition = DisplayCondition(question_id=name, op="in", values=("1",))
    terms = asking(
        a_question(name="first"), a_question(name="itself", display_condition=condition), a_question(name="last")
    )
    expected = [] if allowed else ["/variants/0/feedbackQuestions/1/displayCondition/questionId"]
    assert wrong(terms) == expected


def test_a_condition_cannot_reach_into_another_variant() -> None:
    condition = DisplayCondition(question_id="rating", op="in", values=("1",))
    second = a_variant(feedback_questions=(a_question(name="why", display_condition=condition),))
    assert wrong(a_job(a_variant(), second, target_testers=10)) == [
        "/variants/1/feedbackQuestions/0/displayCondition/questionId"
    ]


# The rest of a variant

SCHEDULED = ScreenCaptureRule(type="scheduled", interval_seconds=30)
TRIGGERED = ScreenCaptureRule(type="testerTriggered", min=1, max=3)
AMONG = AudienceFilter(field="country", op="in", values=("NL", "BE"))
BETWEEN = AudienceFilter(field="age", op="between", min=0, max=30)


@pytest.mark.parametrize(
    ("placement", "url", "expected"),
    [
        (None, None, []),
        (Placement(element="window"), None, []),
        (Placement(element="window", position="top"), "https://a.example", []),
        (IFRAME, "https://a.example", []),
        (IFRAME, None, ["url"]),
        (replace(IFRAME, position=None), "https://a.example", ["placement/position"]),
        (replace(IFRAME, position=None), None, ["placement/position", "url"]),
    ],
)
def test_an_iframe_has_a_page_and_a_position(placement: Placement | None, url: str | None, expected: list[str]) -> None:
    pointers = [f"/variants/0/{name}" for name in expected]
    assert wrong(a_job(a_variant(placement=placement, url=url))) == pointers


@pytest.mark.parametrize("placement", [None, Placement(element="window")])
def test_a_screen_is_captured_only_in_an_iframe(placement: Placement | None) -> None:
    variant = a_variant(placement=placement, url="https://a.example", screen_capture=(SCHEDULED, TRIGGERED))
    assert wrong(a_job(variant)) == ["/variants/0/screenCapture"]
    assert wrong(a_job(replace(variant, placement=IFRAME))) == []


@pytest.mark.parametrize(
    ("capture", "expected"),
    [
        (SCHEDULED, []),
        (TRIGGERED, []),
        (ScreenCaptureRule(type="testerTriggered"), []),
        (replace(SCHEDULED, interval_seconds=None), ["intervalSeconds"]),
        (replace(SCHEDULED, min=0), ["min"]),
        (replace(SCHEDULED, max=1), ["max"]),
        (replace(TRIGGERED, interval_seconds=30), ["intervalSeconds"]),
        (replace(TRIGGERED, min=4), ["max"]),
        (replace(TRIGGERED, min=3), []),
        (replace(TRIGGERED, min=None), []),
        (replace(TRIGGERED, max=None), []),
    ],
)
def test_a_capture_has_the_fields_of_its_type(capture: ScreenCaptureRule, expected: list[str]) -> None:
    variant = a_variant(placement=IFRAME, url="https://a.example", screen_capture=(SCHEDULED, capture))
    assert wrong(a_job(variant)) == [f"/variants/0/screenCapture/1/{name}" for name in expected]


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        (AMONG, []),
        (replace(AMONG, op="not_in"), []),
        (BETWEEN, []),
        (replace(BETWEEN, max=0), []),
        (replace(AMONG, values=None), ["values"]),
        (replace(AMONG, values=()), ["values"]),
        (replace(AMONG, min=0), ["min"]),
        (replace(AMONG, op="not_in", max=1), ["max"]),
        (replace(BETWEEN, min=None), ["min"]),
        (replace(BETWEEN, max=None), ["max"]),
        (replace(BETWEEN, min=31), ["max"]),
        (replace(BETWEEN, values=(20,)), ["values"]),
    ],
)
def test_a_filter_has_the_fields_of_its_operator(audience: AudienceFilter, expected: list[str]) -> None:
    pointers = [f"/variants/0/audienceFilters/1/{name}" for name in expected]
    assert wrong(a_job(a_variant(audience_filters=(AMONG, audience)))) == pointers


@pytest.mark.parametrize(
    ("category", "values", "expected"),
    [
        ("screen", ("desktop", "mobile", "tablet"), []),
        ("os", ("windows", "macos", "linux", "ios", "android"), []),
        ("hardware", ("iphone", "android"), []),
        ("internet", ("broadband", "mobile_data"), []),
        ("browser", ("chrome", "edge", "firefox", "brave", "safari"), []),
        ("peripheral", ("microphone", "headphones", "camera"), []),
        ("os", ("linux", "chrome"), [1]),
        ("hardware", ("ios", "Android", "android"), [0, 1]),
        ("browser", ("edge", "chrome", "edge"), [2]),
    ],
)
def test_a_tech_constraint_has_values_of_its_category(
    category: str, values: tuple[str, ...], expected: list[int]
) -> None:
    constraint = TechConstraint(category=category, rule="only", values=values)
    pointers = [f"/variants/0/techConstraints/0/values/{index}" for index in expected]
    assert wrong(a_job(a_variant(tech_constraints=(constraint,)))) == pointers


# The whole


def test_every_type_has_a_shape_made_of_fields_that_exist() -> None:
    assert set(validity.QUESTION_SHAPES) == set(InputType)
    assert set(validity.RULE_SHAPES) == set(PayKind)
    shapes: Mapping[type, Mapping[Any, validity.Shape]] = {
        FeedbackQuestion: validity.QUESTION_SHAPES,
        PaymentRule: validity.RULE_SHAPES,
        ScreenCaptureRule: validity.CAPTURE_SHAPES,
        AudienceFilter: validity.FILTER_SHAPES,
    }
    assert set(shapes) == set(get_args(validity.Shaped))
    for shaped, table in shapes.items():
        names = {field.name for field in fields(shaped)}
        for shape in table.values():
            assert {*shape.needs, *shape.refuses} <= names


def test_every_wrong_field_is_named_at_once() -> None:
    broken = a_variant(placement=IFRAME, feedback_questions=(a_question(CHOICE),), audience_filters=(BETWEEN,))
    terms = a_job(a_variant(), broken, payment_rules=(replace(FIXED, amount_cents=None),))
    assert wrong(terms) == [
        "/targetTesters",
        "/paymentRules/0/amountCents",
        "/variants/1/url",
        "/variants/1/feedbackQuestions/0/options",
    ]


NAMES = st.sampled_from(["a", "b", "c"])
NUMBERS = st.none() | st.integers() | st.floats()
COUNTS = st.none() | st.integers(0, 9)

QUESTIONS = st.builds(
    FeedbackQuestion,
    id=NAMES,
    question_markdown=st.just("?"),
    input_type=st.sampled_from(InputType),
    multi_select=st.booleans(),
    options=st.none() | st.lists(NAMES, max_size=3).map(lambda values: options(*values)),
    labels=st.none() | st.lists(NAMES, max_size=3).map(tuple),
    min=NUMBERS,
    max=NUMBERS,
    display_condition=st.none() | st.builds(DisplayCondition, question_id=NAMES, op=st.just("in"), values=st.just(())),
)
VARIANTS = st.builds(
    Variant,
    id=st.just(ID),
    description=st.just("Look"),
    target_testers_min=st.integers(0, 9),
    target_testers_max=COUNTS,
    url=st.none() | st.just("https://a.example"),
    feedback_questions=st.lists(QUESTIONS, max_size=3).map(tuple),
    placement=st.none() | st.just(IFRAME) | st.just(Placement(element="window")),
    screen_capture=st.lists(
        st.builds(
            ScreenCaptureRule,
            type=st.sampled_from(list(validity.CAPTURE_SHAPES)),
            interval_seconds=COUNTS,
            min=COUNTS,
            max=COUNTS,
        ),
        max_size=2,
    ).map(tuple),
    audience_filters=st.lists(
        st.builds(
            AudienceFilter,
            field=NAMES,
            op=st.sampled_from(list(validity.FILTER_SHAPES)),
            values=st.none() | st.lists(NAMES, max_size=2).map(tuple),
            min=COUNTS,
            max=COUNTS,
        ),
        max_size=2,
    ).map(tuple),
    tech_constraints=st.lists(
        st.builds(
            TechConstraint,
            category=st.sampled_from(list(validity.TECH_VALUES)),
            rule=st.just("only"),
            values=st.lists(st.sampled_from(["android", "ios", "chrome"]), max_size=3).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
)
RULES = st.builds(
    PaymentRule, type=st.sampled_from(PayKind), amount_cents=COUNTS, rate_cents=COUNTS, cap_minutes=COUNTS
)


@given(st.lists(VARIANTS, min_size=1, max_size=3), st.lists(RULES, max_size=3), st.integers(1, 20), COUNTS)
@settings(deadline=None)
def test_whatever_the_schema_lets_through_is_judged(
    variants: list[Variant], rules: list[PaymentRule], target: int, paid_limit: int | None
) -> None:
    terms = a_job(*variants, payment_rules=tuple(rules), target_testers=target, paid_limit_minutes=paid_limit)
    for problem in terms_problems(terms):
        assert problem.pointer.startswith("/")
        assert problem.detail.endswith(".")


def test_a_hundred_problems_are_named_at_most() -> None:
    assert len(wrong(asking(*[a_question(SLIDER, labels=("same",) * 100)] * 2))) == 100


PAIRS = st.lists(st.integers(-9, 9), min_size=2, max_size=2).map(sorted)


@st.composite
def a_good_question(draw: st.DrawFn, name: str, earlier: tuple[str, ...]) -> FeedbackQuestion:
    kind = draw(st.sampled_from(InputType))
    words = draw(st.lists(st.text(max_size=5), min_size=2, max_size=2 if kind is SWITCH else 5, unique=True))
    low, high = draw(PAIRS)
    labels: dict[str, Any] = {"labels": tuple(words)}
    bounds: dict[str, Any] = draw(st.sampled_from([{}, {"min": low}, {"min": low, "max": high}]))
    extras = {
        CHOICE: {"options": options(*words), "multi_select": draw(st.booleans())},
        SWITCH: labels,
        SLIDER: labels,
        RANGE: labels,
        INTEGER: bounds,
        DECIMAL: bounds,
    }
    conditions = [DisplayCondition(question_id=asked, op="not_in", values=("1",)) for asked in earlier]
    condition = draw(st.sampled_from([None, *conditions]))
    return a_question(kind, name, display_condition=condition, **extras.get(kind, {}))


@st.composite
def a_good_job(draw: st.DrawFn) -> Terms:
    names = tuple(draw(st.lists(st.text(max_size=5), max_size=5, unique=True)))
    questions = tuple(draw(a_good_question(name, names[:index])) for index, name in enumerate(names))
    ranges = draw(st.lists(PAIRS, min_size=1, max_size=3))
    variants = [
        a_variant(target_testers_min=low + 9, target_testers_max=high + 10, feedback_questions=questions)
        for low, high in ranges
    ]
    least, most = sum(low + 9 for low, _ in ranges), sum(high + 10 for _, high in ranges)
    return a_job(*variants, target_testers=draw(st.integers(least, most)))


@given(a_good_job(), st.data())
@settings(deadline=None)
def test_a_job_whose_fields_agree_is_taken_until_one_no_longer_does(terms: Terms, data: st.DataObject) -> None:
    assert wrong(terms) == []
    index = data.draw(st.integers(0, len(terms.variants) - 1))
    broken = replace(terms.variants[index], feedback_questions=(a_question(CHOICE),))
    variants = (*terms.variants[:index], broken, *terms.variants[index + 1 :])
    assert wrong(replace(terms, variants=variants)) == [f"/variants/{index}/feedbackQuestions/0/options"]
