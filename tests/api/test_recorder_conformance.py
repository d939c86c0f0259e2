"""The library's own suites for recorders hold for ours."""

import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar
from unittest import TestCase

import pytest
from eventsourcing.tests.persistence import (
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)

from api.store import postgres, sqlite
from tests.postgres import a_database

PATIENCE_SECONDS = 30


class _OnAFile(TestCase):
    def setUp(self) -> None:
        self._threads_before = set(threading.enumerate())
        self._folder = tempfile.TemporaryDirectory()
        self._datastore = sqlite.Datastore(str(Path(self._folder.name) / "log.sqlite"))
        super().setUp()

    def tearDown(self) -> None:
        # The suite does not wait for its readers; a connection that is closed under one of them ends the process.
        for thread in set(threading.enumerate()) - self._threads_before:
            thread.join(PATIENCE_SECONDS)
        self._datastore.close()
        self._folder.cleanup()
        super().tearDown()

    def create_recorder(self) -> Any:
        recorder = sqlite.LogRecorder(self._datastore)
        recorder.create_table()
        return recorder


class _OnAServer(TestCase):
    server: ClassVar[str]

    def setUp(self) -> None:
        self._stack = ExitStack()
        self._datastore = postgres.Datastore(self._stack.enter_context(a_database(self.server)))
        super().setUp()

    def tearDown(self) -> None:
        self._datastore.close()
        self._stack.close()
        super().tearDown()

    def create_recorder(self) -> Any:
        recorder = postgres.LogRecorder(self._datastore)
        recorder.create_table()
        return recorder


@pytest.fixture(autouse=True, scope="module")
def server(postgres_server: str) -> None:
    _OnAServer.server = postgres_server


class TestAsApplicationRecorder(_OnAFile, ApplicationRecorderTestCase[sqlite.LogRecorder]):
    pass


class TestAsTrackingRecorder(_OnAFile, TrackingRecorderTestCase):
    pass


class TestAsProcessRecorder(_OnAFile, ProcessRecorderTestCase):
    pass


class TestNonInterleaving(_OnAFile, NonInterleavingNotificationIDsBaseCase):
    pass


class TestAsApplicationRecorderOnPostgres(_OnAServer, ApplicationRecorderTestCase[postgres.LogRecorder]):
    pass


class TestAsTrackingRecorderOnPostgres(_OnAServer, TrackingRecorderTestCase):
    pass


class TestAsProcessRecorderOnPostgres(_OnAServer, ProcessRecorderTestCase):
    pass


class TestNonInterleavingOnPostgres(_OnAServer, NonInterleavingNotificationIDsBaseCase):
    pass


del ApplicationRecorderTestCase, TrackingRecorderTestCase, ProcessRecorderTestCase
del NonInterleavingNotificationIDsBaseCase, _OnAFile
