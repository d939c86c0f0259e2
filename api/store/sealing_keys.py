"""Keys of persons in a database of their own: whoever has the log, or a copy of it, does not have them."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from threading import Lock
from uuid import UUID

from api.service.seals import MasterKey, Seals, WrongMasterKey
from api.store.sqlite import connect


class SealingKeysFile:
    """See SealingKeys. A destroyed key leaves an empty row, so that it is never made again."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._lock = Lock()
        self._connection = connect(str(path))
        # What is destroyed is overwritten, and no log of changes remembers it.
        self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS keys "
            "(person_id TEXT PRIMARY KEY, wrapped BLOB, master TEXT NOT NULL) WITHOUT ROWID"
        )

    def close(self) -> None:
        self._connection.close()

    def wrapped(self, person_id: UUID) -> bytes | None:
        with self._lock:
            row = self._connection.execute("SELECT wrapped FROM keys WHERE person_id = ?", (str(person_id),)).fetchone()
        return row[0] if row else None

    def add(self, person_id: UUID, wrapped: bytes, master: str) -> None:
        with self._lock:
            self._connection.execute("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", (str(person_id), wrapped, master))

    def rewrap(self, change: Callable[[bytes], bytes], master: str) -> int:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                rows = self._connection.execute(
                    "SELECT person_id, wrapped FROM keys WHERE wrapped IS NOT NULL"
                ).fetchall()
                changed = [(change(wrapped), master, person_id) for person_id, wrapped in rows]
                self._connection.executemany("UPDATE keys SET wrapped = ?, master = ? WHERE person_id = ?", changed)
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
        return len(rows)

    def destroy(self, person_id: UUID) -> None:
        with self._lock:
            self._connection.execute(
                "INSERT INTO keys VALUES (?, NULL, '') "
                "ON CONFLICT (person_id) DO UPDATE SET wrapped = NULL, master = ''",
                (str(person_id),),
            )

    def masters(self) -> frozenset[str]:
        with self._lock:
            rows = self._connection.execute("SELECT DISTINCT master FROM keys WHERE wrapped IS NOT NULL").fetchall()
        return frozenset(name for (name,) in rows)


def keys_path(database: Path) -> Path:
    """Where the keys of a database's persons lie."""
    return database.with_name(database.name + ".keys")


def master_path(database: Path) -> Path:
    """Where the master key of a database lies unless the settings say otherwise."""
    return database.with_name(database.name + ".master")


def open_seals(keys: SealingKeysFile, master_file: Path) -> Seals:
    """The seals over a store of keys; a new store gets a new master key. Raises WrongMasterKey."""
    masters = keys.masters()
    if not masters:
        make_master_key(master_file)
    master = read_master_key(master_file)
    if masters - {master.name}:
        raise WrongMasterKey(
            f"The master key in {master_file} is {master.name}; the keys of this database were wrapped with "
            f"{', '.join(sorted(masters))}."
        )
    return Seals(keys, master)


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
