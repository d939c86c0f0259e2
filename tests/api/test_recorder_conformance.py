"""The library's own suites for recorders hold for ours."""

import tempfile
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


class _OnAFile(TestCase):
    def setUp(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._datastore = Datastore(str(Path(self._folder.name) / "log.sqlite"))
        super().setUp()

    def tearDown(self) -> None:
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
