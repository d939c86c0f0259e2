"""A database on a PostgreSQL server, and all that the program needs of one."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from api.service.ports import Clock
from api.store import postgres
from api.store.application import Tallyhold
from api.store.postgres_backup import copy_postgres, restore_postgres
from api.store.postgres_gateway import PostgresGateway
from api.store.postgres_sealing_keys import SealingKeysSchema
from api.store.postgres_session import PostgresReader, PostgresSession
from api.store.sessions import Reader, Session


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A database on a PostgreSQL server: see Database."""

    conninfo: str
    many_processes: bool = True

    def __str__(self) -> str:
        return postgres.shown(self.conninfo)

    def is_there(self) -> bool:
        with postgres.telling(self.conninfo):
            return postgres.is_made(self.conninfo)

    def log(self) -> Tallyhold:
        return postgres.open_log(self.conninfo)

    def existing_log(self) -> Tallyhold:
        return postgres.open_log(self.conninfo, make_it=False)

    def clock(self) -> Clock:
        return postgres.DatabaseClock()

    def session(self, clock: Clock | None = None) -> Session:
        return PostgresSession(self.conninfo, clock if isinstance(clock, postgres.DatabaseClock) else None)

    def background_session(self) -> Session:
        return PostgresSession(self.conninfo, is_durable=False)

    def digest_session(self) -> Session:
        return self.background_session()

    def reader(self, *, broken_text: bool = False) -> Reader:
        return PostgresReader(self.conninfo)

    def serving_reader(self) -> Reader:
        return PostgresReader(self.conninfo, serves=True)

    @property
    def reader_elsewhere(self) -> Callable[[], Reader]:
        return partial(PostgresReader, self.conninfo)

    def far_reader(self) -> Reader:
        return self.reader()

    def beside(self, suffix: str) -> Path:
        # The XDG base directory for what is kept between runs: every command finds it, from whatever folder.
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "tallyhold"
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        return state / (postgres.name_of(self.conninfo) + suffix)

    def gateway(self) -> PostgresGateway:
        return PostgresGateway(self.conninfo)

    def has_sealing_keys(self) -> bool:
        with closing(self.reader()) as reader:
            ((is_there,),) = reader.rows("SELECT to_regclass('tallyhold_keys.keys') IS NOT NULL")
        return bool(is_there)

    def sealing_keys(self) -> SealingKeysSchema:
        with postgres.telling(self.conninfo):
            return SealingKeysSchema(self.conninfo)

    def claim_mode(self, *, sandbox: bool) -> None:
        postgres.claim_mode(self.conninfo, sandbox=sandbox)

    def served(self) -> AbstractContextManager[None]:
        return postgres.served(self.conninfo)

    def unserved(self) -> AbstractContextManager[None]:
        return postgres.unserved(self.conninfo)

    def rebuilt_alone(self) -> AbstractContextManager[None]:
        return postgres.rebuilt_alone(self.conninfo)

    def damage(self, most: int) -> Sequence[str]:
        return ()  # there is no check that every server lets us run; its administrators have amcheck

    def back_up(self, file: Path) -> int:
        return copy_postgres(self.conninfo, file)

    def restore(self, file: Path) -> int:
        return restore_postgres(file, self.conninfo)
