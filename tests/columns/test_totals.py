"""Totals: however a log is cut and its parts are added, they are the same, and those of the books."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.columns.aggregates import EVOLVES
from api.columns.checking import POSTINGS
from domain.catalogue import NAMES
from domain.job.events import Paused
from domain.ledger.accounts import HOLDERS, AccountKind, account
from domain.ledger.rules import POSTING_RULES
from domain.recorded import Recorded
from projections.columns.buckets import bucket_of
from projections.columns.fold import Fold, StreamEvents, WrongHistory
from projections.columns.totals import (
    Key,
    Measure,
    Totals,
    contradictions,
    differences,
    events,
    kind_cents,
    merged,
    without_zeros,
)
from projections.reconcile.accounts import Accounts
from projections.reconcile.journal import posted
from projections.reconcile.period import Period
from tests.simulation.books import File

numbers = st.dictionaries(
    st.builds(Key, st.sampled_from(Measure), st.sampled_from(["a", "b"]), st.sampled_from(["", "x", "y"])),
    st.integers(-(10**20), 10**20),
).map(without_zeros)


def columns_of(recorded: Sequence[Recorded[object]]) -> StreamEvents:
    return StreamEvents(
        recorded[0].stream,
        [one.version for one in recorded],
        [one.position for one in recorded],
        [one.occurred_at for one in recorded],
        [one.event for one in recorded],
    )


def folded(streams: Iterable[StreamEvents]) -> Totals:
    fold = Fold(EVOLVES)
    for one in streams:
        fold.add(one)
    return fold.totals()


@pytest.fixture(scope="module")
def file(file_of_a_year: Path) -> File:
    return File(file_of_a_year)


@pytest.fixture(scope="module")
def streams(file: File) -> list[StreamEvents]:
    return [columns_of(recorded) for recorded in file.streams.values()]


@settings(deadline=None)
@given(numbers, numbers, numbers)
def test_adding_is_associative_and_commutative_and_nothing_adds_nothing(a: Totals, b: Totals, c: Totals) -> None:
    assert merged([merged([a, b]), c]) == merged([a, merged([b, c])]) == merged([c, a, b])
    assert merged([a, {}]) == a == merged([a])
    assert merged([a, {key: -number for key, number in a.items()}]) == {}


@settings(max_examples=25, deadline=None)
@given(parts=st.integers(1, 7), seed=st.integers(0, 2**32))
def test_however_a_log_is_cut_its_parts_add_up_to_the_whole(streams: list[StreamEvents], parts: int, seed: int) -> None:
    chance = Random(seed)
    cut: list[list[StreamEvents]] = [[] for _ in range(parts)]
    for one in streams:
        chance.choice(cut).append(one)
    chance.shuffle(cut)
    assert merged(map(folded, cut)) == folded(streams)


def test_the_totals_are_those_of_the_books(file: File, streams: list[StreamEvents]) -> None:
    whole, books = folded(streams), Accounts(Period())
    for one in posted(file.recorded):
        list(books.post(one))
    for kind, total in books.by_kind().items():
        assert kind_cents(whole, kind) == total.closing_cents
        assert whole.get(Key(Measure.DEBITS, kind.value), 0) == total.debit_cents
        assert whole.get(Key(Measure.CREDITS, kind.value), 0) == total.credit_cents
    balances = {key.which: cents for key, cents in whole.items() if key.measure == Measure.BALANCE}
    assert balances == {line.account.name: line.closing_cents for line in books.lines() if line.closing_cents}
    assert events(whole) == len(file.recorded)
    entries = sum(number for key, number in whole.items() if key.measure == Measure.ENTRIES)
    assert entries == books.entries
    assert len({key.which for key in whole if key.measure == Measure.CENTS}) >= 12
    assert list(contradictions(whole, len(file.recorded))) == []


def test_a_number_that_is_off_contradicts_the_others(file: File, streams: list[StreamEvents]) -> None:
    whole, position = folded(streams), len(file.recorded)
    for key in whole:
        if key.measure in (Measure.EVENTS, Measure.POSITIONS, Measure.DEBITS, Measure.CREDITS, Measure.STATE):
            assert list(contradictions(merged([whole, {key: 1}]), position)), key
    overdrawn = merged([whole, {Key(Measure.BALANCE, AccountKind.TESTER_PAYABLE, "tester:x:payable"): -1}])
    assert [one.name for one in contradictions(overdrawn, position)] == ["account tester:x:payable"]
    assert [one.name for one in contradictions(whole, position + 1)] == ["events", "sum of positions"]


@settings(deadline=None)
@given(numbers, numbers)
def test_two_totals_differ_in_exactly_the_numbers_that_differ(one: Totals, other: Totals) -> None:
    found = list(differences("one", one, "other", other))
    minus = merged([one, {key: -number for key, number in other.items()}])
    assert [item.left_number - item.right_number for item in found] == [minus[key] for key in sorted(minus)]


def test_a_version_that_is_missing_is_named_by_the_position_after_it(streams: list[StreamEvents]) -> None:
    long = max(streams, key=lambda one: len(one.events))
    lacking = StreamEvents(long.stream, *(column[:2] + column[3:] for column in map(list, long[1:])))
    with pytest.raises(WrongHistory, match=f"position {long.positions[3]} is version 4 of stream .* must be 3"):
        folded([lacking])


def test_an_event_that_cannot_follow_is_named_by_its_position() -> None:
    with pytest.raises(WrongHistory, match=r"position 9 of stream .*Paused cannot be a job's first event"):
        folded([StreamEvents(UUID(int=1), [1], [9], [0], [Paused()])])


def test_a_stream_lies_in_its_bucket_for_ever() -> None:
    some = UUID("01a20d82-97b7-7ae4-9801-0617b1a1ef30")
    assert [bucket_of(some, buckets) for buckets in (1, 64, 4_096)] == [0, 10, 3_338]


def test_every_event_belongs_to_an_aggregate() -> None:
    assert set(EVOLVES) == set(NAMES)


def test_the_columns_have_a_posting_for_every_rule() -> None:
    rules = {
        (NAMES[event], rule.type.value, rule.debit.value, rule.credit.value)
        for event, rules in POSTING_RULES.items()
        for rule in rules
    }
    assert {one[:4] for one in POSTINGS} == rules
    assert len(POSTINGS) == len(rules)


def test_accounts_that_are_somebodys_are_told_apart_by_the_id_in_their_name() -> None:
    for kind in AccountKind:
        name = account(kind, owner_id=UUID(int=1), job_id=UUID(int=2), tester_id=UUID(int=3)).name
        holder = HOLDERS.get(kind)
        ids = {"owner_id": UUID(int=1), "job_id": UUID(int=2), "tester_id": UUID(int=3)}
        assert name == kind.value if holder is None else str(ids[holder]) in name
