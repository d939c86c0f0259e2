"""The names in the log: each event of each aggregate once, and for ever."""

import inspect
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any, get_args

import pytest

from domain.access import events as access
from domain.books import events as books
from domain.catalogue import EVENTS, NAMES
from domain.credits import events as credits
from domain.job import events as job
from domain.tester import events as wallet

AGGREGATES: dict[str, tuple[ModuleType, Any]] = {
    "job": (job, job.JobEvent),
    "credits": (credits, credits.CreditsEvent),
    "wallet": (wallet, wallet.WalletEvent),
    "access": (access, access.AccessEvent),
    "books": (books, books.BooksEvent),
}
PARTS_OF_EVENTS = (job.Claim, job.Flags, job.Verdict, books.StatementFile, books.FoundBreak)


def events_of(union: Any) -> set[type]:
    """The members of a union of events; an aggregate with one event has no union."""
    return set(get_args(union) or (union,))


def test_every_event_of_every_aggregate_is_in_the_catalogue_once() -> None:
    every = [event for _, union in AGGREGATES.values() for event in events_of(union)]
    assert sorted(map(repr, EVENTS.values())) == sorted(map(repr, every))


@pytest.mark.parametrize("prefix", AGGREGATES)
def test_names_begin_with_their_aggregate(prefix: str) -> None:
    _, union = AGGREGATES[prefix]
    assert {event for name, event in EVENTS.items() if name.split(".")[0] == prefix} == events_of(union)


@pytest.mark.parametrize("prefix", AGGREGATES)
def test_no_event_class_is_left_out_of_its_aggregate(prefix: str) -> None:
    module, union = AGGREGATES[prefix]
    defined = {
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and is_dataclass(kind)
    }
    assert defined - set(PARTS_OF_EVENTS) == events_of(union)


def test_names_and_events_map_both_ways() -> None:
    assert {name: NAMES[event] for name, event in EVENTS.items()} == {name: name for name in EVENTS}
    assert len(NAMES) == len(EVENTS)


@pytest.mark.parametrize("event", [*EVENTS.values(), *PARTS_OF_EVENTS])
def test_events_are_frozen_slotted_and_keyword_only(event: Any) -> None:
    assert event.__dataclass_params__.frozen
    assert hasattr(event, "__slots__")
    assert all(f.kw_only for f in fields(event))
