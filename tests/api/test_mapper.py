"""What is in the log can be read for ever, and what is read is what was written."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import MapperDeserialisationError, Notification

from api.store.mapper import EventMapper, to_recorded, to_state
from api.store.sqlite import open_log
from domain.catalogue import EVENTS, NAMES
from domain.recorded import CONSOLE, SYSTEM, Actor, ActorKind, Recorded
from tests.api import golden

FILES = sorted(golden.FOLDER.glob("*.json"))


@pytest.fixture
def mapper(tmp_path: Path) -> Any:
    with_log = open_log(tmp_path / "tallyhold.sqlite")
    yield with_log.mapper
    with_log.close()


def test_every_event_of_the_catalogue_has_an_example_and_a_golden_file() -> None:
    assert sorted(NAMES[type(example)] for example in golden.EXAMPLES) == sorted(EVENTS)
    assert all(golden.files().values())


def test_every_form_that_is_written_today_is_among_the_golden_files() -> None:
    """If this fails: a form was changed. Is the old one still read? Then `python -m tests.api.golden`."""
    assert [file.name for file, _ in golden.missing()] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_golden_file_is_read_for_ever(file: Path) -> None:
    read = golden.read(file)
    assert type(read.event) is EVENTS[golden.name_of(file)]
    assert read == golden.recorded(read.event)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_was_read_is_written_and_read_again_the_same(file: Path) -> None:
    read = golden.read(file)
    assert to_recorded(read.stream, read.version, read.position, golden.name_of(file), to_state(read)) == read


@pytest.mark.parametrize("example", golden.EXAMPLES, ids=lambda example: NAMES[type(example)])
def test_the_newest_golden_file_says_what_its_example_says(example: object) -> None:
    assert golden.read(golden.files()[NAMES[type(example)]][-1]).event == example


@pytest.mark.parametrize("example", golden.EXAMPLES, ids=lambda example: NAMES[type(example)])
def test_the_librarys_mapper_reads_what_it_writes(example: object, mapper: EventMapper) -> None:
    recorded = golden.recorded(example)
    stored = mapper.to_stored_event(recorded)
    assert (stored.topic, stored.originator_id, stored.originator_version) == (
        NAMES[type(example)],
        recorded.stream,
        recorded.version,
    )
    notification = Notification(stored.originator_id, stored.originator_version, stored.topic, stored.state, id=7)
    assert mapper.to_domain_event(notification) == recorded
    assert mapper.to_domain_event(stored).position == 0


@pytest.mark.parametrize(
    "actor", [SYSTEM, CONSOLE, *(Actor(kind, UUID(int=1), UUID(int=2)) for kind in ActorKind)], ids=str
)
def test_every_kind_of_actor_is_kept(actor: Actor) -> None:
    recorded = Recorded(
        stream=golden.STREAM,
        version=1,
        position=1,
        event_id=UUID(int=1),
        occurred_at=0,
        recorded_at=0,
        actor=actor,
        request_id=None,
        correlation_id=UUID(int=1),
        causation_id=None,
        event=golden.EXAMPLES[1],
    )
    assert to_recorded(golden.STREAM, 1, 1, "job.paused", to_state(recorded)) == recorded


def test_the_stored_form_is_an_object_of_the_envelope_and_the_event() -> None:
    assert list(json.loads(to_state(golden.recorded(golden.EXAMPLES[1])))) == [
        "event_id",
        "occurred_at",
        "recorded_at",
        "actor",
        "request_id",
        "correlation_id",
        "causation_id",
        "event",
    ]


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("job.unheard_of", b"{}"),
        ("job.paused", b"not JSON"),
        ("job.paused", b"{}"),
        ("credits.held", to_state(golden.recorded(golden.EXAMPLES[1]))),
    ],
)
def test_what_is_not_known_is_not_guessed(name: str, state: bytes) -> None:
    with pytest.raises(MapperDeserialisationError, match="position 7"):
        to_recorded(golden.STREAM, 1, 7, name, state)
