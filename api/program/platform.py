"""All parts over one database, wired together."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from api.evidence.notes import SigningKey
from api.service.committer import Reply
from api.service.evidence import Evidence
from api.service.refusals import Unavailable
from api.service.service import Service
from api.service.work import Context, UseCase
from api.settings import Settings, WrongSettings, sqlite_path
from api.store.application import OtherVersion, Tallyhold
from api.store.checkpoint_files import (
    CheckpointFiles,
    read_signing_key,
)
from api.store.databases import Database, database_of
from api.store.event_log import EventLog
from api.store.rebuild import is_outdated
from api.store.sandbox_gateway import SandboxGateway
from api.store.sealing_keys import KeysMissing, open_seals
from api.store.sql_audit import SQLAudit
from api.store.sql_digest import SQLDigest
from api.store.sql_reads import SQLReads
from api.store.sql_snapshot import SQLReplays
from api.store.sql_store import SQLStore
from domain.recorded import CONSOLE

T = TypeVar("T")


class Platform:
    """All parts over one database. Raises NotOurs when it cannot be used."""

    def __init__(
        self,
        database: Database,
        *,
        gateway: SandboxGateway | None = None,
        key: SigningKey | None = None,
        checkpoints: Path | None = None,
        master_key_file: Path | None = None,
        serves: bool = False,
    ) -> None:
        with ExitStack() as opened:
            if gateway is not None:
                opened.callback(gateway.close)
            self.log: Tallyhold = opened.enter_context(closing(database.log()))
            if is_outdated(database):
                raise OtherVersion(f"The read models of {database} are of another version: call tallyhold migrate.")
            is_new = EventLog(self.log).position() == 0
            if not is_new and not database.has_sealing_keys():
                raise KeysMissing  # none are made beside a backup, nor is it made ready to be written
            clock = database.clock()
            store = opened.enter_context(closing(SQLStore(database.session(clock), self.log.mapper)))
            keys = opened.enter_context(closing(database.sealing_keys()))
            self.seals = open_seals(keys, master_key_file or master_key_of(database), is_new=is_new)
            reader = database.serving_reader() if serves else database.reader()
            self.reads = opened.enter_context(closing(SQLReads(reader, self.seals.open)))
            digest = opened.enter_context(closing(SQLDigest(database.reader(), database.digest_session())))
            self.audit = opened.enter_context(closing(SQLAudit(database.far_reader(), self.seals)))
            files = CheckpointFiles(checkpoints or checkpoints_of(database))
            evidence = opened.enter_context(closing(Evidence(digest, key, files)))
            self.service = Service(
                store,
                self.reads,
                clock,
                gateway,
                evidence=evidence,
                audit=self.audit,
                gateway_book=gateway,
                seals=self.seals,
                replays=SQLReplays(database.reader),
            )
            if gateway is not None:
                gateway.now = self.service.committer.now
            self._opened = opened.pop_all()

    def close(self) -> None:
        self._opened.close()


def checkpoints_of(database: Database) -> Path:
    return database.beside(".checkpoints")


def master_key_of(database: Database) -> Path:
    return database.beside(".master")


def key_of(database: Database) -> Path:
    return database.beside(".checkpoint-key")


def database_at(settings: Settings) -> Database:
    return database_of(sqlite_path(settings.db), settings.db)


@contextmanager
def open_platform(database: Database, **options: Any) -> Iterator[Platform]:
    platform = Platform(database, **options)
    try:
        yield platform
    finally:
        platform.close()


def check_forms(database: Database) -> None:
    """Make the log, if there is none. Raises StoreFailed if a later version of this program has written it."""
    with closing(database.log()) as log:
        EventLog(log).check_newest()


def existing(settings: Settings) -> Database:
    """The database. Raises NotOurs if there is none: a mistyped name must not make one."""
    database = database_at(settings)
    database.existing_log().close()
    return database


def set_up(settings: Settings, find: Callable[[Settings], Database]) -> AbstractContextManager[Platform]:
    """The platform over the database that is found for the settings."""
    return open_platform(find(settings), master_key_file=settings.master_key_file)


@contextmanager
def log_of(settings: Settings) -> Iterator[EventLog]:
    """The log of a database that is there, to be read beside whatever server there is."""
    with closing(database_at(settings).existing_log()) as application:
        yield EventLog(application)


@contextmanager
def signing(settings: Settings) -> Iterator[Platform]:
    """The platform of a database that is there, with the key that signs its checkpoints. Raises WrongSettings."""
    database = existing(settings)
    file = settings.checkpoint_key or key_of(database)
    if not file.exists():
        raise WrongSettings("Set TALLYHOLD_CHECKPOINT_KEY to the file of the key that signs checkpoints.")
    with open_platform(database, key=read_signing_key(file), master_key_file=settings.master_key_file) as platform:
        yield platform


def run_commands(
    settings: Settings, find: Callable[[Settings], Database], story: Callable[[Platform], Awaitable[T]]
) -> T:
    """Decide commands beside whatever server there is."""

    async def run(platform: Platform) -> T:
        platform.service.committer.start()
        try:
            return await story(platform)
        except Unavailable as refusal:
            raise refusal.__cause__ or refusal from None
        finally:
            await platform.service.committer.close()

    # What has failed is told by its sentence.
    logging.getLogger("tallyhold").addHandler(logging.NullHandler())
    with set_up(settings, find) as platform:
        return asyncio.run(run(platform))


def run_command(settings: Settings, make: Callable[[Platform], UseCase]) -> dict[str, Any]:
    """Decide one command beside whatever server there is."""

    async def story(platform: Platform) -> Reply:
        return await platform.service.command(make(platform), Context(CONSOLE))

    body: dict[str, Any] = msgspec.json.decode(run_commands(settings, database_at, story).body)
    return body
