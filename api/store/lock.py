"""One server per SQLite file: a lock on a file beside it, which names the process that holds it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.store.application import NotOurs


@contextmanager
def server_lock(path: Path) -> Iterator[None]:
    """Hold the lock; the system frees it however the process ends. Raises NotOurs naming who holds it."""
    with path.with_name(path.name + ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise NotOurs(f"The database {path} is served by process {file.read().strip()} already.") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
