"""The program, called in processes that are forked from one which has read all modules.

Reading them is most of what a server's start takes, and tests start dozens. From there on a process goes the same way.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, TextIO

from api.main import main

_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, "api.program.serving"])


class Forked:
    """One call of the program, its standard output in a pipe; with signals that it finds ignored, as under nohup."""

    def __init__(
        self,
        *arguments: str,
        folder: Path,
        environment: Mapping[str, str],
        stderr: TextIO,
        ignored: Sequence[signal.Signals] = (),
    ) -> None:
        reading, writing = os.pipe()
        self.stdout = os.fdopen(reading)
        files = (_Inherited(writing), _Inherited(stderr.fileno()))
        self._process = _FORKS.Process(target=_call, args=(arguments, folder, environment, ignored, *files))
        try:
            self._process.start()
        finally:
            os.close(writing)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send_signal(self, number: int) -> None:
        """Nothing to a process that was seen to have ended."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> int:
        """How it ended, as `subprocess` tells it. Raises TimeoutError when it has not."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            raise TimeoutError(f"process {self.pid} still runs after {seconds} seconds")
        return self._process.exitcode


class _Inherited:
    """A file that the process has open too."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (DupFd(self._descriptor),)


def _opened(file: Any) -> int:
    """Its number in the process."""
    return int(file.detach())


def _call(
    arguments: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str],
    ignored: Sequence[signal.Signals],
    stdout: int,
    stderr: int,
) -> None:
    for mine, standard in ((stdout, 1), (stderr, 2)):
        os.dup2(mine, standard)
        os.close(mine)
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["tallyhold", *arguments]
    main()
