"""The databases that a URL may name, and all that the program needs of one."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from api.service.ports import Clock
from api.store import backup, sqlite
from api.store.application import NotOurs, Tallyhold
from api.store.lock import rebuild_lock, server_lock
from api.store.sandbox_gateway import SandboxGateway, SQLiteGateway
from api.store.sealing_keys import SealingKeysFile, StoredKeys
from api.store.sessions import Reader, Session
from api.store.sqlite_checkpoints import DIGEST_ROWS, ROWS
from api.store.sqlite_session import SQLiteReader, SQLiteSession

FAR_CACHE_KIB = 32 * 1024
"""Enough for the inner pages of a log of 10 million events and its index; a larger one was no faster."""


class SystemClock:
    """The machine's time."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000


class Database(Protocol):
    """One database, of either kind. Raises NotOurs with a sentence for people."""

    @property
    def many_processes(self) -> bool:
        """Whether several processes may serve it at once."""

    def __str__(self) -> str:
        """Its name for people, without a password."""

    def is_there(self) -> bool:
        """Whether there is something under that name, be it ours or not."""

    def log(self) -> Tallyhold:
        """The log, made if there is none."""

    def existing_log(self) -> Tallyhold:
        """The log. Raises NotOurs if there is none: a mistyped name must not make one."""

    def clock(self) -> Clock:
        """The clock that everybody goes by who serves it."""

    def session(self, clock: Clock | None = None) -> Session:
        """To write; where the clock is the database's, it is set as often as the head is locked."""

    def background_session(self) -> Session:
        """To write what can be worked out again; whose commits need not survive a power cut."""

    def digest_session(self) -> Session:
        """A background session for who serves: where the commands' own do not wait for others, it does not either."""

    def reader(self, *, broken_text: bool = False) -> Reader:
        """To read; text that is none, after something damaged the database, is shown as well as it can be."""

    def serving_reader(self) -> Reader:
        """To read for who serves it: where many may, nobody is alone with it while such a reader has a connection."""

    @property
    def reader_elsewhere(self) -> Callable[[], Reader]:
        """Opens a reader; to be handed to another process, which then imports nothing of the other kind of database."""

    def far_reader(self) -> Reader:
        """To read here and there in the whole log, where what was read is seldom read again: it keeps little of it."""

    def beside(self, suffix: str) -> Path:
        """A file or folder that goes with it and lies outside of it."""

    def gateway(self) -> SandboxGateway:
        """The sandbox's payment gateway."""

    def has_sealing_keys(self) -> bool:
        """Whether there is a store of keys of persons with it."""

    def sealing_keys(self) -> StoredKeys:
        """The keys of persons, apart from the log; made if there are none."""

    def claim_mode(self, *, sandbox: bool) -> None:
        """Serve it in one mode for ever."""

    def served(self) -> AbstractContextManager[None]:
        """To be held by who serves it; where only one may, nobody else can. Raises NotOurs."""

    def unserved(self) -> AbstractContextManager[None]:
        """To be held by who needs that nobody serves it. Raises NotOurs."""

    def rebuilt_alone(self) -> AbstractContextManager[None]:
        """To be held by who rebuilds its read models: nobody else can meanwhile. Raises NotOurs."""

    def damage(self, most: int) -> Sequence[str]:
        """What the database itself finds wrong with how it keeps rows and indexes, as far as it can tell."""

    def back_up(self, file: Path) -> int:
        """Copy it to a new file, beside whatever server there is; the number of events. See backup."""

    def restore(self, file: Path) -> int:
        """Make it of a backup, where there is none yet; the number of events."""


@dataclass(frozen=True, slots=True)
class SQLiteDatabase:
    """A file: see Database."""

    path: Path
    many_processes: bool = False

    def __str__(self) -> str:
        return str(self.path)

    def is_there(self) -> bool:
        return self.path.exists()

    def log(self) -> Tallyhold:
        return sqlite.open_log(self.path)

    def existing_log(self) -> Tallyhold:
        if not self.path.exists():
            raise NotOurs(f"There is no database {self.path}.")
        return self.log()

    def clock(self) -> Clock:
        return SystemClock()

    def session(self, clock: Clock | None = None) -> Session:
        return SQLiteSession(self.path, checkpoint_rows=ROWS)

    def background_session(self) -> Session:
        return SQLiteSession(self.path, wait_seconds=sqlite.BUSY_SECONDS, is_durable=False)

    def digest_session(self) -> Session:
        return SQLiteSession(self.path, is_durable=False, checkpoint_rows=DIGEST_ROWS)

    def reader(self, *, broken_text: bool = False) -> Reader:
        return SQLiteReader.of(self.path, broken_text=broken_text)

    def serving_reader(self) -> Reader:
        return self.reader()

    @property
    def reader_elsewhere(self) -> Callable[[], Reader]:
        return partial(SQLiteReader.of, self.path)

    def far_reader(self) -> SQLiteReader:
        return SQLiteReader.of(self.path, cache_kib=FAR_CACHE_KIB)

    def beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def gateway(self) -> SQLiteGateway:
        return SQLiteGateway(self.beside(".gateway"))

    def has_sealing_keys(self) -> bool:
        return self.beside(".keys").exists()

    def sealing_keys(self) -> SealingKeysFile:
        return SealingKeysFile(self.beside(".keys"))

    def claim_mode(self, *, sandbox: bool) -> None:
        sqlite.claim_mode(self.path, sandbox=sandbox)

    def served(self) -> AbstractContextManager[None]:
        return server_lock(self.path)

    def unserved(self) -> AbstractContextManager[None]:
        return server_lock(self.path)

    def rebuilt_alone(self) -> AbstractContextManager[None]:
        return rebuild_lock(self.path)

    def damage(self, most: int) -> Sequence[str]:
        with closing(self.far_reader()) as reader:
            return [said for (said,) in reader.rows(f"PRAGMA integrity_check({most})") if said != "ok"]

    def back_up(self, file: Path) -> int:
        return backup.copy_sqlite(self.path, file)

    def restore(self, file: Path) -> int:
        return backup.restore_sqlite(file, self.path)


def database_of(path: Path | None, url: str) -> Database:
    """The database that a URL names; the path of its file, unless it is on a PostgreSQL server."""
    if path is not None:
        return SQLiteDatabase(path)
    from api.store.postgres_database import PostgresDatabase  # noqa: PLC0415  (a large library, for these alone)

    return PostgresDatabase(url)
