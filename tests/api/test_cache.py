"""What is kept is bounded: by its number, and streams by what they weigh, however large single ones grow."""

from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.service.cache import GenerationCache, WeighedCache
from api.service.work import Stream, kib
from domain.job.decider import JOB
from tests.builders import RATING, an_active_job, crowd, done_by, variant

SIZE = 3


class Value:
    """What can be seen to be let go of."""


@given(used=st.lists(st.integers(0, 4 * SIZE), max_size=60))
def test_the_last_that_were_used_are_held_and_never_more_than_twice_as_many(used: Sequence[int]) -> None:
    cache, alive = GenerationCache[int, Value](SIZE), WeakSet[Value]()
    for number in used:
        if cache.get(number) is None:
            value = Value()
            alive.add(value)
            cache.put(number, value)
            del value
        assert len(alive) <= 2 * SIZE
    newest_first = dict.fromkeys(reversed(used))
    assert all(cache.get(number) is not None for number in list(newest_first)[:SIZE])


class Growing(list[int]):
    """A value that weighs as much as it is long."""

    __hash__ = object.__hash__  # type: ignore[assignment]


@pytest.fixture
def cache() -> WeighedCache[str, Growing]:
    return WeighedCache(10, len)


def test_light_values_stay(cache: WeighedCache[str, Growing]) -> None:
    for number in range(10):
        cache.put(str(number), Growing([0]))
        cache.age()
    assert all(cache.get(str(number)) is not None for number in range(10))


def test_a_value_is_weighed_as_it_is_when_the_batch_that_brought_it_has_ended(
    cache: WeighedCache[str, Growing],
) -> None:
    value = Growing()
    cache.put("job", value)
    value.extend(range(11))
    cache.age()  # weighed, and now in the older generation
    cache.put("other", Growing(range(11)))
    cache.age()
    assert cache.get("job") is None
    assert cache.get("other") is not None


def test_values_that_grow_at_each_use_are_let_go_of_in_time(cache: WeighedCache[str, Growing]) -> None:
    alive: WeakSet[Growing] = WeakSet()
    for number in range(200):
        name = str(number // 20)
        value = cache.get(name)
        if value is None:
            value = Growing()
            alive.add(value)
            cache.put(name, value)
        value.append(number)
        cache.age()
        assert sum(map(len, alive)) <= 4 * 10 + 20
    assert len(alive) < 10


def test_what_is_used_stays_however_much_else_comes(cache: WeighedCache[str, Growing]) -> None:
    used = Growing([0])
    cache.put("used", used)
    for number in range(100):
        cache.put(str(number), Growing([0]))
        cache.age()
        assert cache.get("used") is used


def test_what_became_heavy_at_once_counts_when_it_is_weighed_again(cache: WeighedCache[str, Growing]) -> None:
    value = Growing([0])
    cache.put("heavy", value)
    cache.age()
    value.extend(range(100))
    cache.reweigh("heavy")
    cache.reweigh("nobody")
    cache.age()
    cache.put("other", Growing(range(11)))
    cache.age()
    assert cache.get("heavy") is None


def test_dropped_and_cleared_values_are_gone(cache: WeighedCache[str, Growing]) -> None:
    cache.put("old", Growing(range(11)))
    cache.age()
    cache.put("young", Growing([0]))
    cache.drop("old")
    assert cache.get("old") is None
    assert cache.get("young") is not None
    cache.clear()
    assert cache.get("young") is None


def test_a_job_weighs_its_assignments_and_its_texts() -> None:
    def weight(stream: Stream) -> int:
        return kib(stream)

    plain = weight(Stream(JOB.fold(an_active_job()), 1))
    crowded = weight(Stream(JOB.fold((*an_active_job(50), *done_by(*crowd(50)))), 151))
    wordy = replace(RATING, question_markdown="?" * 10_240)
    worded = weight(Stream(JOB.fold(an_active_job(variants=(variant(feedback_questions=(wordy,)),))), 1))
    assert crowded == plain + 50
    assert worded >= plain + 39
    assert weight(Stream(None, 0)) > 0
