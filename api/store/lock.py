"""Locks of a SQLite file: each on a file beside it, which names the process that holds it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from api.store.application import NotOurs


def server_lock(path: Path) -> AbstractContextManager[None]:
    """One server per file. Raises NotOurs naming who holds it."""
    return _held(path, ".lock", f"The database {path} is served by process")


def rebuild_lock(path: Path) -> AbstractContextManager[None]:
    """One rebuild at a time. Raises NotOurs naming who holds it."""
    return _held(path, ".rebuild-lock", f"The read models of {path} are being rebuilt by process")


@contextmanager
def _held(path: Path, suffix: str, by: str) -> Iterator[None]:
    """Hold a lock; the system frees it however the process ends. Raises NotOurs."""
    lock = path.with_name(path.name + suffix)
    with lock.open("a+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise NotOurs(f"{by} {file.read().decode().strip()} already.") from None
        try:
            file.truncate(0)
            file.write(b"%d" % os.getpid())
        except OSError as error:
            raise NotOurs(f"The lock {lock} cannot be written: {error.strerror}.") from error
        yield
