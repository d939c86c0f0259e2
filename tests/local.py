"""The platform over one file, in this process: the real service and store, with a clock that is moved by hand."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from uuid import UUID

import msgspec

from api.service.access import register_with_key
from api.service.committer import Reply
from api.service.evidence import Evidence
from api.service.ports import Gateway
from api.service.seals import MasterKey, Seals
from api.service.service import Service
from api.service.work import Context, UseCase
from api.store.checkpoint_files import CheckpointFiles
from api.store.sealing_keys import SealingKeysFile, keys_path
from api.store.sqlite import Tallyhold, connect, open_log
from api.store.sqlite_audit import SQLiteAudit
from api.store.sqlite_digest import SQLiteDigest
from api.store.sqlite_reads import SQLiteReads
from api.store.sqlite_store import SQLiteStore
from domain.access.events import Role
from domain.recorded import SYSTEM
from domain.times import Instant
from projections.replay import TABLES
from tests.given import NOW

T = TypeVar("T")
Row = tuple[Any, ...]
Tables = dict[str, list[Row]]


class HandClock:
    """Time stands still until it is moved."""

    def __init__(self, at: Instant) -> None:
        self.at = at

    def now(self) -> Instant:
        return self.at


def new_database(path: Path, at: Instant = NOW) -> None:
    """An empty database that was made at an instant of the test's own."""
    open_log(path).close()
    with closing(connect(str(path))) as connection:
        connection.execute("UPDATE head SET last_time = ?", (at,))


class Local:
    """One process's part of the platform; several of them may share a file.

    ``make_store`` gives a store that fails where a test wants it to. Without ``chance`` the same life is the same
    bytes: sealing keys and nonces are all zero. Without ``service.start()`` nobody watches the clock and no purchase
    is asked again: only commands and reads make deadlines pass.
    """

    def __init__(
        self,
        path: Path,
        clock: HandClock | None = None,
        gateway: Gateway | None = None,
        make_store: Callable[[Tallyhold, Path], SQLiteStore] = SQLiteStore,
        chance: Callable[[int], bytes] = bytes,
    ) -> None:
        if not path.exists():
            new_database(path)
        self.path = path
        self.clock = clock or HandClock(NOW)
        self.log = open_log(path)
        self.store = make_store(self.log, path)
        self.keys = SealingKeysFile(keys_path(path))
        self.seals = Seals(self.keys, MasterKey(bytes(32)), chance)
        self.reads = SQLiteReads(path, self.seals.open)
        self.digest = SQLiteDigest(path)
        self.audit = SQLiteAudit(path, self.seals)
        evidence = Evidence(self.digest, None, CheckpointFiles(path.with_name("checkpoints")))
        self.service = Service(
            self.store, self.reads, self.clock, gateway, evidence=evidence, audit=self.audit, seals=self.seals
        )
        self.committer = self.service.committer

    def close(self) -> None:
        """As when a process ends: nothing more is written."""
        self.service.evidence.close()
        self.digest.close()
        self.audit.close()
        self.reads.close()
        self.keys.close()
        self.store.close()
        self.log.close()

    async def __aenter__(self) -> Self:
        self.committer.start()
        await self.committer.catch_up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.committer.close()
        self.close()

    def ask(self, use_case: UseCase, **context: Any) -> "asyncio.Future[Reply]":
        """Queue a command, as a request does."""
        return self.committer.submit(use_case, Context(**{"actor": SYSTEM, **context}))


@contextmanager
def audit_of(path: Path) -> Iterator[SQLiteAudit]:
    """The audit trail of a file that a Local wrote."""
    with closing(SealingKeysFile(keys_path(path))) as keys, closing(_audit(path, keys)) as audit:
        yield audit


def _audit(path: Path, keys: SealingKeysFile) -> SQLiteAudit:
    return SQLiteAudit(path, Seals(keys, MasterKey(bytes(32))))


def run(story: Coroutine[Any, Any, T]) -> T:
    """Play a story on a loop of its own."""
    return asyncio.run(story)


class Key(NamedTuple):
    """A principal with a key to show."""

    id: UUID
    public_id: int | None
    key: str


def issue_keys(path: Path, principals: Mapping[str, Role]) -> dict[str, Key]:
    """A principal and a key for each name."""

    async def story() -> dict[str, Key]:
        async with Local(path) as local:
            replies = {name: await local.ask(register_with_key(role, name)) for name, role in principals.items()}
            bodies = {name: msgspec.json.decode(reply.body) for name, reply in replies.items()}
            return {name: Key(UUID(b["principalId"]), b["publicId"], b["key"]) for name, b in bodies.items()}

    return run(story())


def query(path: Path, sql: str, *params: object) -> list[Row]:
    """What the file says, read past the program."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql, params).fetchall()


def execute(path: Path, sql: str, *params: object) -> None:
    """Change the file behind the program's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql, params)


def tables(path: Path) -> Tables:
    """Every row of every read model."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            table.name: connection.execute(
                f"SELECT {', '.join(table.columns)} FROM {table.name} ORDER BY {table.primary_key}"
            ).fetchall()
            for table in TABLES
        }


def everything(path: Path) -> Tables:
    """Every row of every table: what must be the same when nothing was to be written."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in sorted(names)}
