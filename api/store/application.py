"""The `eventsourcing` library's application over one of our stores."""

from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import InfrastructureFactory, Mapper, ProcessRecorder
from eventsourcing.utils import Environment

from api.store.mapper import EventMapper
from api.store.schema import APPLICATION


class Tallyhold(Application[UUID]):
    """The library's application: its recorder, mapper and notification log."""

    name = APPLICATION
    recorder: ProcessRecorder

    def __init__(self, factory: type[InfrastructureFactory[Any]], env: dict[str, str]) -> None:
        self._factory_class = factory
        super().__init__(env)

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        return self._factory_class(env)

    def construct_mapper(self) -> Mapper[UUID]:
        return EventMapper(transcoder=self.construct_transcoder())


class NotOurs(Exception):
    """A database that this program may not use; the sentence says why."""


class OtherVersion(NotOurs):
    """A database of this program in another version."""
