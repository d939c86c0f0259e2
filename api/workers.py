"""Several processes that serve one address: forked before anything runs, watched, and ended together."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from types import FrameType

from api.signals import hangups_are_ignored

log = logging.getLogger("tallyhold.workers")

PAUSE_SECONDS = 1.0
"""Between the end of a worker that nobody asked to end, and the next one in its place."""

LAST_SECONDS = 10
"""So long after they were asked to end, workers that still run are killed."""
FOR_GOOD = 3
"""The exit code of a worker whose successor could not serve either: then all end."""

Work = Callable[[socket.socket, Callable[[], object]], int]
"""Serves on a listening socket, calls the second when it does, and gives the exit code."""


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that all workers accept from. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2_048)


def _ends() -> list[signal.Signals]:
    """The signals that end all."""
    ends = [signal.SIGTERM, signal.SIGINT]
    return ends if hangups_are_ignored() else [*ends, signal.SIGHUP]


def _end_with(parent: int) -> None:
    """Be ended as by the parent when it has ended: only it holds the other end of the pipe."""
    os.read(parent, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _tell(pipe: int) -> None:
    """Say that one serves; the other end sees the end of the pipe when all have said so, or have ended."""
    os.write(pipe, b".")
    os.close(pipe)


class Workers:
    """See the module. The parent serves nothing itself."""

    def __init__(self, count: int, work: Work, place: socket.socket) -> None:
        self._count = count
        self._work = work
        self._place = place
        self._running: set[int] = set()
        self._ending = False
        self._killed = False
        self._parent, self._held_by_parent = os.pipe()

    def run(self, listening: Callable[[], None]) -> int:
        """Return when all have ended after SIGTERM, SIGINT or SIGHUP; 1 if they could not begin, go on or end."""
        for number in _ends():
            signal.signal(number, self._end)
        signal.signal(signal.SIGALRM, self._kill)
        begun, tell = os.pipe()
        for _ in range(self._count):
            self._start(partial(_tell, tell))
        os.close(tell)
        said = 0
        while said < self._count and (more := os.read(begun, self._count)):
            said += len(more)
        could_not_begin = said < self._count and not self._ending
        if could_not_begin:
            self._end(signal.SIGTERM, None)
        elif not self._ending:
            listening()
        return int(self._watch() or could_not_begin or self._killed)

    def _start(self, listening: Callable[[], object]) -> None:
        # No signal comes between: a worker would take it for one to its parent, and a parent would not know the worker.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ends())
        child = os.fork()
        if child == 0:
            self._be_a_worker(listening, before)
        self._running.add(child)
        if self._ending:  # asked to end between two of them
            os.kill(child, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _be_a_worker(self, listening: Callable[[], object], heard: Iterable[int]) -> None:
        code = 1
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal hangs up on all; the parent ends the workers
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
        os.close(self._held_by_parent)
        threading.Thread(target=_end_with, args=(self._parent,), daemon=True).start()
        try:
            code = self._work(self._place, listening)
        finally:
            os._exit(code)

    def _watch(self) -> bool:
        """Whether they had to end because none could serve any longer."""
        is_for_good = False
        while self._running:
            child, status = os.wait()
            self._running.discard(child)
            if os.waitstatus_to_exitcode(status) == FOR_GOOD and not self._ending:
                is_for_good = True
                self._end(signal.SIGTERM, None)
            if self._ending:
                continue
            log.error("worker %d ended; another one takes its place", child)
            time.sleep(PAUSE_SECONDS)
            if not self._ending:
                self._start(lambda: None)
        return is_for_good

    def _end(self, number: int, frame: FrameType | None) -> None:
        if not self._ending:
            signal.alarm(LAST_SECONDS)
        self._ending = True
        self._send(signal.SIGTERM)

    def _kill(self, number: int, frame: FrameType | None) -> None:
        self._killed = True
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        for child in self._running:
            with suppress(ProcessLookupError):
                os.kill(child, number)
