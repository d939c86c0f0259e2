"""Keys of persons in a place of their own: whoever has the log, or a copy of it, does not have them."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from threading import Lock
from typing import Any
from uuid import UUID

from api.service.seals import MasterKey, Seals, WrongMasterKey
from api.store import sqlite
from api.store.application import NotOurs
from api.store.sqlite_session import translated

_CLAIM = ""
"""In the place of a person: which master key this store belongs to, from its beginning."""


class KeysMissing(NotOurs):
    """The store of keys is not there, or empty, and the log is not new: in a new one everybody would seem forgotten."""

    def __init__(self) -> None:
        super().__init__(
            "The keys of persons that belong to this database are not there; put them back, or restore a copy: "
            "tallyhold restore FILE --sealing-keys."
        )


class StoredKeys:
    """See SealingKeys. A destroyed key leaves an empty row, so that it is never made again.

    Raises StoreBusy and StoreFailed.
    """

    _SHARED = ""
    """What keeps a row that is read as it is until the end of the statement."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._lock = Lock()

    def close(self) -> None: ...

    def _run(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """A statement, durable when it returns; its rows."""
        raise NotImplementedError

    def _transaction(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def wrapped(self, person_id: UUID) -> bytes | None:
        with self._lock:
            rows = self._run(f"SELECT wrapped FROM {self._table} WHERE person_id = ?", (str(person_id),))
        return bytes(rows[0][0]) if rows and rows[0][0] is not None else None

    def is_destroyed(self, person_id: UUID) -> bool:
        with self._lock:
            rows = self._run(f"SELECT wrapped FROM {self._table} WHERE person_id = ?", (str(person_id),))
        return bool(rows) and rows[0][0] is None

    def add(self, person_id: UUID, wrapped: bytes, master: str) -> None:
        row = (str(person_id), wrapped, master)
        with self._lock:
            added = self._run(
                f"INSERT INTO {self._table} SELECT ?, ?, ? "
                f"FROM {self._table} WHERE person_id = ? AND master = ?{self._SHARED} "
                "ON CONFLICT (person_id) DO UPDATE SET master = keys.master RETURNING 1",
                (*row, _CLAIM, master),
            )
        if not added:
            raise WrongMasterKey(f"The master key of this database is another one than {master} by now.")

    def _add(self, name: str, wrapped: bytes | None, master: str) -> None:
        self._run(f"INSERT INTO {self._table} VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (name, wrapped, master))

    def rewrap(self, change: Callable[[UUID, bytes], bytes], master: str) -> int:
        with self._lock, self._transaction():
            # First: who adds a key waits from here on, and what was added before is seen.
            self._run(f"UPDATE {self._table} SET master = ? WHERE person_id = ?", (master, _CLAIM))
            rows = self._run(f"SELECT person_id, wrapped FROM {self._table} WHERE wrapped IS NOT NULL", ())
            for person_id, wrapped in rows:
                self._run(
                    f"UPDATE {self._table} SET wrapped = ?, master = ? WHERE person_id = ? AND wrapped IS NOT NULL",
                    (change(UUID(person_id), bytes(wrapped)), master, person_id),
                )
        return len(rows)

    def destroy(self, person_id: UUID) -> None:
        with self._lock:
            self._run(
                f"INSERT INTO {self._table} VALUES (?, NULL, '') "
                "ON CONFLICT (person_id) DO UPDATE SET wrapped = NULL, master = ''",
                (str(person_id),),
            )

    def rows(self) -> list[Sequence[Any]]:
        """All that is kept, at one instant, for ``fill`` of another store."""
        with self._lock:
            return self._run(f"SELECT person_id, wrapped, master FROM {self._table}", ())

    def fill(self, rows: Iterable[Sequence[Any]]) -> None:
        """Keep what another store has kept, all or nothing. Raises NotOurs if this one has keys of its own."""
        with self._lock, self._transaction():
            if self._run(f"SELECT 1 FROM {self._table} WHERE person_id <> ? LIMIT 1", (_CLAIM,)):
                raise NotOurs("The database has keys of persons already; restore them to one that has none.")
            self._run(f"DELETE FROM {self._table}", ())
            for person_id, wrapped, master in rows:
                self._add(person_id, wrapped, master)

    def claim(self, master: str) -> None:
        """Belong to a master key, unless there is one already: two hosts that begin at once must not have two."""
        with self._lock:
            self._add(_CLAIM, None, master)

    def masters(self) -> frozenset[str]:
        with self._lock:
            rows = self._run(
                f"SELECT DISTINCT master FROM {self._table} WHERE wrapped IS NOT NULL OR person_id = ?", (_CLAIM,)
            )
        return frozenset(name for (name,) in rows)


class SealingKeysFile(StoredKeys):
    """Keys in a file beside the database."""

    def __init__(self, path: Path) -> None:
        super().__init__("keys")
        if not path.exists():
            path.touch(mode=0o600)
        self._connection = sqlite.connect(str(path))
        # What is destroyed is overwritten, and no log of changes remembers it.
        self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS keys "
            "(person_id TEXT PRIMARY KEY, wrapped BLOB, master TEXT NOT NULL) WITHOUT ROWID"
        )

    def close(self) -> None:
        self._connection.close()

    @translated
    def _run(self, sql: str, params: Sequence[Any]) -> list[Any]:
        return self._connection.execute(sql, params).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._run("BEGIN IMMEDIATE", ())
        try:
            yield
            self._run("COMMIT", ())
        except BaseException:
            if self._connection.in_transaction:  # some errors have ended it
                self._connection.execute("ROLLBACK")
            raise


def open_seals(keys: StoredKeys, master_file: Path, *, is_new: bool) -> Seals:
    """The seals over a store of keys; that of a new log gets a new master key. Raises NotOurs, and WrongMasterKey.

    Whether the log ``is_new`` has to be asked before: whoever writes its first event has claimed the store by then.
    """
    if not keys.masters():
        if not is_new:
            raise KeysMissing
        make_master_key(master_file)
    master = read_master_key(master_file)
    keys.claim(master.name)
    masters = keys.masters()
    if masters - {master.name}:
        raise WrongMasterKey(
            f"The master key in {master_file} is {master.name}; the keys of this database were wrapped with "
            f"{', '.join(sorted(masters))}."
        )
    return Seals(keys, master)


def unopened(keys: StoredKeys, master: MasterKey) -> Iterator[str]:
    """A sentence about each person's key that the master key does not open."""
    for person_id, wrapped, name in keys.rows():
        try:
            if wrapped is not None:
                master.unwrap(UUID(person_id), bytes(wrapped))
        except WrongMasterKey:
            yield f"The key of person {person_id}, wrapped with {name}, is not opened by the master key {master.name}."


def read_master_key(file: Path) -> MasterKey:
    """The master key in a file: 64 hexadecimal digits. Raises WrongMasterKey with a sentence for people."""
    try:
        return MasterKey(bytes.fromhex(file.read_text().strip()))
    except OSError as error:
        raise WrongMasterKey(f"The master key {file} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise WrongMasterKey(f"The file {file} holds no master key: that is 64 hexadecimal digits.") from None


def make_master_key(file: Path) -> None:
    """Write a new master key, readable by nobody else, where there is no such file yet.

    It has its name only once it is whole: another process may look for it at the same time.
    """
    if file.exists():
        return
    descriptor, written = mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w") as opened:
            opened.write(MasterKey.new().to_hex() + "\n")
            opened.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(written, file)
    finally:
        Path(written).unlink()
