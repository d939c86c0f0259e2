"""The library's own suites for recorders hold for ours."""

import tempfile
import threading
from pathlib import Path
from typing import Any
from unittest import TestCase

from eventsourcing.tests.persistence import (
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)

from api.store.sqlite import Datastore, LogRecorder

PATIENCE_SECONDS = 30


class _OnAFile(TestCase):
    def setUp(self) -> None:
        self._threads_before = set(threading.enumerate())
        self._folder = tempfile.TemporaryDirectory()
        self._datastore = Datastore(str(Path(self._folder.name) / "log.sqlite"))
        super().setUp()

    def tearDown(self) -> None:
        # The suite does not wait for its readers; a connection that is closed under one of them ends the process.
        for thread in set(threading.enumerate()) - self._threads_before:
            thread.join(PATIENCE_SECONDS)
        self._datastore.close()
        self._folder.cleanup()
        super().tearDown()

    def create_recorder(self) -> Any:
        recorder = LogRecorder(self._datastore)
        recorder.create_table()
        return recorder


class TestAsApplicationRecorder(_OnAFile, ApplicationRecorderTestCase[LogRecorder]):
    pass


class TestAsTrackingRecorder(_OnAFile, TrackingRecorderTestCase):
    pass


class TestAsProcessRecorder(_OnAFile, ProcessRecorderTestCase):
    pass


class TestNonInterleaving(_OnAFile, NonInterleavingNotificationIDsBaseCase):
    pass


del ApplicationRecorderTestCase, TrackingRecorderTestCase, ProcessRecorderTestCase
del NonInterleavingNotificationIDsBaseCase, _OnAFile
