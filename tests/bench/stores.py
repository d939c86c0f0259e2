"""The databases of a run: all of one kind, each as durable as the platform asks for."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from api.settings import sqlite_path
from api.store.databases import Database, database_of
from tests.postgres import a_database, own_server

Goals = Mapping[str, float]
"""By the name of a store."""


class Store(Protocol):
    """One kind of database."""

    @property
    def name(self) -> str: ...

    def new(self, folder: Path) -> AbstractContextManager[str]:
        """The URL of a database that is not there yet, or is empty; in the end it is gone, or goes with the folder."""


@dataclass(frozen=True, slots=True)
class SQLiteFiles:
    """Files of SQLite, with ``synchronous=FULL``."""

    name: str = "sqlite"

    @contextmanager
    def new(self, folder: Path) -> Iterator[str]:
        yield f"sqlite:///{folder / f'tallyhold-{uuid4().hex}.sqlite'}"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """Databases on a PostgreSQL server, with fsync."""

    url: str
    name: str = "postgres"

    @contextmanager
    def new(self, folder: Path) -> Iterator[str]:
        with a_database(self.url) as url:
            yield url


STORES = ("sqlite", "postgres")


@contextmanager
def store_of(name: str) -> Iterator[Store]:
    """The store that a run asks for; a server of its own is stopped in the end."""
    if name == "sqlite":
        yield SQLiteFiles()
    else:
        with own_server(is_durable=True) as server:
            yield PostgresServer(server.url)


def database_at(url: str) -> Database:
    """As the program opens it."""
    return database_of(sqlite_path(url), url)
