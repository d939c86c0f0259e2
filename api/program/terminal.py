"""What all commands have in common: options, answers, and failing in one sentence."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from eventsourcing.persistence import MapperDeserialisationError, PersistenceError

from api.cli.export import ExportFailed, write_text
from api.cli.story import DemoFailed
from api.columns.wrong import WrongPartitions
from api.evidence.notes import WrongEvidence
from api.service.ports import StoreBusy, StoreFailed
from api.service.seals import WrongMasterKey
from api.settings import WrongSettings
from api.store.application import NotOurs
from domain.errors import Refusal
from projections.reconcile.statement import StatementWrong

Db = Annotated[
    str | None, typer.Option("--db", help="sqlite:///relative, sqlite:////absolute or postgresql://... [TALLYHOLD_DB]")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def show(value: Any, as_json: bool, text: Callable[[], str]) -> None:
    write_text([msgspec.json.encode(value).decode() if as_json else text(), "\n"], None)


def _database_errors() -> tuple[type[Exception], ...]:
    """Those of psycopg only where it was imported: it is large, and a SQLite file needs none of it."""
    psycopg = sys.modules.get("psycopg")
    others = () if psycopg is None else (psycopg.Error,)
    return StoreBusy, StoreFailed, MapperDeserialisationError, PersistenceError, sqlite3.Error, *others


@contextmanager
def failing_in_one_sentence() -> Iterator[None]:
    """Exit 2 for wrong settings, 1 for anything else that was foreseen; one sentence either way."""
    try:
        yield
    except WrongSettings as error:
        fail(str(error), 2)
    except (
        NotOurs,
        Refusal,
        WrongEvidence,
        WrongMasterKey,
        DemoFailed,
        ExportFailed,
        StatementWrong,
        WrongPartitions,
    ) as error:
        fail(str(error), 1)
    except _database_errors() as error:
        reason = " ".join(str(error).split()).rstrip(".?")
        fail(f"The database could not be used: {reason}.", 1)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        fail(f"A file{where} could not be used: {error.strerror}.", 1)


def fail(sentence: str, code: int) -> NoReturn:
    print(f"tallyhold: {sentence}", file=sys.stderr)
    raise typer.Exit(code)
