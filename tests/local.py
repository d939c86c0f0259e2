"""The platform over one database, in this process: the real service and store, with a clock that is moved by hand."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from uuid import UUID

import msgspec
import psycopg

from api.service.access import register_with_key
from api.service.committer import Reply
from api.service.evidence import Evidence
from api.service.ports import Digest, Gateway
from api.service.seals import MasterKey, Seals
from api.service.service import Service
from api.service.work import Context, UseCase
from api.store.checkpoint_files import CheckpointFiles
from api.store.databases import Database, SQLiteDatabase
from api.store.postgres import with_marks
from api.store.postgres_database import PostgresDatabase
from api.store.postgres_session import named_rows
from api.store.sealing_keys import StoredKeys
from api.store.sql_audit import SQLAudit
from api.store.sql_digest import SQLDigest
from api.store.sql_reads import SQLReads
from api.store.sql_snapshot import SQLReplays
from api.store.sql_store import SQLStore
from domain.access.events import Role
from domain.recorded import SYSTEM
from domain.times import Instant
from projections.replay import TABLES
from tests.given import NOW

T = TypeVar("T")
Row = tuple[Any, ...]
Tables = dict[str, list[Row]]
Where = Path | str
"""A file of SQLite, or the URL of a PostgreSQL database."""
MASTER_KEY = MasterKey(bytes(32))


class HandClock:
    """Time stands still until it is moved."""

    def __init__(self, at: Instant) -> None:
        self.at = at

    def now(self) -> Instant:
        return self.at


def database(where: Where) -> Database:
    return PostgresDatabase(where) if isinstance(where, str) else SQLiteDatabase(where)


def a_digest(where: Where) -> SQLDigest:
    return SQLDigest(database(where).reader(), database(where).digest_session())


def work_through(digest: Digest) -> None:
    """All that the log has now."""
    while step := digest.next_step():
        digest.keep(step)


@contextmanager
def audit_of(where: Where) -> Iterator[SQLAudit]:
    """The audit trail of a database that a Local wrote."""
    with closing(database(where).sealing_keys()) as keys:
        audit = SQLAudit(database(where).far_reader(), Seals(keys, MASTER_KEY))
        with closing(audit):
            yield audit


def master_key_of_locals(folder: Path) -> Path:
    """A file with the master key that a Local seals with."""
    file = folder / "local.master"
    file.write_text(MASTER_KEY.to_hex())
    return file


def claimed(database: Database, keys: StoredKeys) -> MasterKey:
    """The master key of Locals: a new store of keys belongs to it, and who serves the database finds its file."""
    file = database.beside(".master")
    if not file.exists():
        file.write_text(MASTER_KEY.to_hex())
    keys.claim(MASTER_KEY.name)
    return MASTER_KEY


def url_of(where: Where) -> str:
    """As in the settings."""
    return where if isinstance(where, str) else f"sqlite:///{where}"


@contextmanager
def head_locked(where: Where) -> Iterator[None]:
    """Somebody else writes meanwhile."""
    with opened(where) as connection:
        if isinstance(where, str):
            connection.execute("SELECT 1 FROM head FOR UPDATE")
        else:
            connection.isolation_level = None
            connection.execute("BEGIN IMMEDIATE")
        yield
        connection.rollback()


def new_database(where: Where, at: Instant = NOW) -> None:
    """An empty database that was made at an instant of the test's own."""
    database(where).log().close()
    execute(where, "UPDATE head SET last_time = ?", at)


class Local:
    """One process's part of the platform; several of them may share a database.

    ``make_store`` gives a store that fails where a test wants it to. Without ``chance`` the same life is the same
    bytes: sealing keys and nonces are all zero. Without ``service.start()`` nobody watches the clock and no purchase
    is asked again: only commands and reads make deadlines pass.
    """

    def __init__(
        self,
        path: Where,
        clock: HandClock | None = None,
        gateway: Gateway | None = None,
        make_store: Callable[..., SQLStore] = SQLStore,
        chance: Callable[[int], bytes] = bytes,
    ) -> None:
        self.path = path
        self.database = database(path)
        if not self.database.is_there():
            new_database(path)
        self.clock = clock or HandClock(NOW)
        self.log = self.database.log()
        self.store = make_store(self.database.session(), self.log.mapper)
        self.keys = self.database.sealing_keys()
        self.seals = Seals(self.keys, claimed(self.database, self.keys), chance)
        self.reads = SQLReads(self.database.reader(), self.seals.open)
        self.digest = a_digest(path)
        self.audit = SQLAudit(self.database.far_reader(), self.seals)
        evidence = Evidence(self.digest, None, CheckpointFiles(Path("never-written")))
        self.service = Service(
            self.store,
            self.reads,
            self.clock,
            gateway,
            evidence=evidence,
            audit=self.audit,
            seals=self.seals,
            replays=SQLReplays(self.database.reader),
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


def run(story: Coroutine[Any, Any, T]) -> T:
    """Play a story on a loop of its own."""
    return asyncio.run(story)


class Key(NamedTuple):
    """A principal with a key to show."""

    id: UUID
    public_id: int | None
    key: str


def issue_keys(path: Where, principals: Mapping[str, Role]) -> dict[str, Key]:
    """A principal and a key for each name."""

    async def story() -> dict[str, Key]:
        async with Local(path) as local:
            replies = {name: await local.ask(register_with_key(role, name)) for name, role in principals.items()}
            bodies = {name: msgspec.json.decode(reply.body) for name, reply in replies.items()}
            return {name: Key(UUID(b["principalId"]), b["publicId"], b["key"]) for name, b in bodies.items()}

    return run(story())


@contextmanager
def opened(where: Where) -> Iterator[Any]:
    """A connection past the program; what is changed on it is committed in the end."""
    if isinstance(where, str):
        with psycopg.connect(where, row_factory=named_rows) as connection:
            yield connection
    else:
        with closing(sqlite3.connect(where)) as file, file:
            yield file


def query(where: Where, sql: str, *params: object) -> list[Row]:
    """What the database says, read past the program."""
    with opened(where) as connection:
        return [tuple(row) for row in connection.execute(marked(where, sql), params).fetchall()]


def execute(where: Where, sql: str, *params: object) -> None:
    """Change the database behind the program's back."""
    with opened(where) as connection:
        connection.execute(marked(where, sql), params)


def marked(where: Where, sql: str) -> str:
    return with_marks(sql) if isinstance(where, str) else sql


def tables(where: Where) -> Tables:
    """Every row of every read model."""
    with opened(where) as connection:
        return {
            table.name: [
                tuple(row)
                for row in connection.execute(
                    f"SELECT {', '.join(table.columns)} FROM {table.name} ORDER BY {table.primary_key}"
                )
            ]
            for table in TABLES
        }


def everything(where: Where) -> Tables:
    """Every row of every table: what must be the same when nothing was to be written."""
    with opened(where) as connection:

        def rows(sql: str) -> list[Row]:
            return [tuple(row) for row in connection.execute(sql)]

        names = sorted(name for (name,) in rows(ALL_TABLES if isinstance(where, Path) else ALL_POSTGRES_TABLES))
        return {name: sorted(rows(f"SELECT * FROM {name}"), key=repr) for name in names}


ALL_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
ALL_POSTGRES_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


def stored_bytes(where: Where) -> bytes:
    """All that lies in the database, to look for what must not be there."""
    if isinstance(where, str):
        return repr(everything(where)).encode()
    return b"".join(path.read_bytes() for path in where.parent.rglob(where.name + "*") if path.is_file())
