"""Copies of a database, whole or not there, taken beside whatever server there is.

A backup is one SQLite file with this program's tables, whichever store it was taken from. It can be verified and
reconciled as it is, and restored onto either store. Of a person's words it holds ciphertext only: the keys of persons
are copied apart, so that destroying a key and its copies erases the words in every copy of the log.
"""

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from uuid import UUID

from api.service.ports import StoreBusy, StoreFailed
from api.store import sqlite
from api.store.application import NotOurs, Tallyhold
from api.store.event_log import PAGE
from api.store.sealing_keys import SealingKeysFile, StoredKeys
from domain.access.events import Forgotten
from domain.catalogue import NAMES

_BESIDE = ("", "-wal", "-journal", "-shm")
"""What SQLite would take for a part of a new file of the name."""


def copy_sqlite(source: Path, file: Path, *, to_serve: bool = False) -> int:
    """Copy a database file, as it stands at one instant, to a new file; its number of events. Raises NotOurs.

    A file ``to_serve`` is written beside those who read it from the beginning.
    """
    with new_database(file) as made, telling(f"The database {source} cannot be copied"):
        place, wait = f"{source.as_uri()}?mode=ro", sqlite.BUSY_SECONDS
        with closing(sqlite3.connect(place, uri=True, timeout=wait, check_same_thread=False)) as original:
            _vacuum(original, made)
        if to_serve:
            sqlite.connect_to_write(made).close()
        return position_of(made)


def _vacuum(original: sqlite3.Connection, made: Path) -> None:
    """In a thread: this one hears signals only between two statements of Python, and the copy may take minutes."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(int).result()  # a signal amid the thread's start would leave it, and what it does, behind
        try:
            thread.submit(original.execute, "VACUUM INTO ?", (str(made),)).result()
        finally:
            original.interrupt()


def position_of(file: Path) -> int:
    """The number of events in a backup."""
    with opened(file, mode="ro") as copy:
        ((position,),) = copy.execute("SELECT position FROM head")
    return int(position)


def restore_sqlite(backup: Path, path: Path) -> int:
    """Make a database file of a backup; its number of events. Raises NotOurs where there is one already."""
    check_backup(backup)
    return copy_sqlite(backup, path, to_serve=True)


def check_backup(backup: Path) -> None:
    """Raises NotOurs for a file that is no backup which this program can read."""
    if not backup.is_file():
        raise NotOurs(f"There is no backup {backup}.")
    with telling(f"The backup {backup} cannot be read"):
        if not sqlite.is_made(backup):
            raise NotOurs(f"The file {backup} is no backup: it holds no log.")


@contextmanager
def new_database(file: Path) -> Iterator[Path]:
    """A place for a file of SQLite that gets its name when it is whole. Raises NotOurs where there is one already."""
    if taken := next((each for each in _named_like(file) if each.exists()), None):
        raise NotOurs(f"There is already a file {taken}; remove it or name another.")
    if not file.parent.is_dir():
        raise NotOurs(f"The file {file} cannot be made: there is no folder {file.parent}.")
    with telling(f"The file {file} cannot be made"), TemporaryDirectory(dir=file.parent, prefix=".copy-") as folder:
        made = Path(folder, "copy.sqlite")
        yield made
        _fsync(made)
        os.link(made, file)  # fails where somebody else has made the file meanwhile
        _fsync(file.parent)


def _named_like(file: Path) -> Iterable[Path]:
    return (file.with_name(file.name + suffix) for suffix in _BESIDE)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def opened(file: Path, *, mode: str = "rw") -> Iterator[sqlite3.Connection]:
    """One transaction on a file, which is in no other form afterwards than SQLite's plain one."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode={mode}", uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")
        if mode == "rw":
            connection.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def telling(what: str, *others: type[Exception]) -> Iterator[None]:
    """Raises NotOurs, with what could not be done, for an error of a store or of a file, and for these others."""
    foreseen: tuple[type[Exception], ...] = (sqlite3.Error, StoreBusy, StoreFailed, OSError, *others)
    try:
        yield
    except foreseen as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise NotOurs(f"{what}: {reason}.") from error


# -- the keys of persons -----------------------------------------------------------------------------------------------


class NoKeys(NotOurs):
    """There is no store of keys, or an empty one."""

    def __init__(self) -> None:
        super().__init__("The database has no keys of persons that could be copied.")


def copy_keys(keys: StoredKeys, file: Path) -> int:
    """Copy the keys of persons, still wrapped by the master key, to a new file; how many. Raises NotOurs."""
    if not keys.masters():
        raise NoKeys
    with new_database(file) as made, closing(SealingKeysFile(made)) as copy:
        rows = keys.rows()
        copy.fill(rows)
    return _count(rows)


def copied_keys(file: Path) -> Sequence[Sequence[Any]]:
    """The rows of a copy of the keys of persons. Raises NotOurs."""
    if not file.is_file():
        raise NotOurs(f"There is no backup {file}.")
    with telling(f"The file {file} is no backup of the keys of persons"), opened(file, mode="ro") as copy:
        return copy.execute("SELECT person_id, wrapped, master FROM keys").fetchall()


def restore_keys(copied: Sequence[Sequence[Any]], keys: StoredKeys, forgotten: Collection[UUID]) -> int:
    """Keep the keys that were copied, but for those who were forgotten; how many. Raises NotOurs.

    A copy made before somebody was forgotten still has the key, which must not come back.
    """
    gone = {str(person_id) for person_id in forgotten}
    kept = [(person, None, "") if person in gone else (person, *rest) for person, *rest in copied]
    keys.fill(kept)
    return _count(kept)


def _count(rows: Iterable[Sequence[Any]]) -> int:
    return sum(wrapped is not None for _, wrapped, _ in rows)


def forgotten(log: Tallyhold) -> Collection[UUID]:
    """Everybody whose key was destroyed, as the log has it."""
    found: set[UUID] = set()
    after = 0
    while page := log.recorder.select_notifications(after, PAGE, topics=[NAMES[Forgotten]], inclusive_of_start=False):
        found.update(cast(Any, log.mapper.to_domain_event(each)).event.principal_id for each in page)
        after = page[-1].id
    return found
