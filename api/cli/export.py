"""`tallyhold export`: the journal for other programs, to a file or to standard output."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from api.signals import forget_output
from projections.export.beancount import beancount
from projections.export.hledger import hledger
from projections.export.rows import journal_csv
from projections.reconcile.journal import Posted


class ExportFailed(Exception):
    """Nothing was exported; the sentence says why."""


class JournalFormat(StrEnum):
    HLEDGER = "hledger"
    BEANCOUNT = "beancount"
    CSV = "csv"
    PARQUET = "parquet"


class StatementFormat(StrEnum):
    JSON = "json"
    CSV = "csv"
    HTML = "html"


_TEXTS: Mapping[JournalFormat, Callable[[Iterable[Posted]], Iterator[str]]] = {
    JournalFormat.HLEDGER: hledger,
    JournalFormat.BEANCOUNT: beancount,
    JournalFormat.CSV: journal_csv,
}


def export_journal(entries: Iterable[Posted], wanted: JournalFormat, out: Path | None) -> None:
    """Write all entries in a form. Raises ExportFailed; a file is whole or not there."""
    if wanted is not JournalFormat.PARQUET:
        write_text(_TEXTS[wanted](entries), out)
        return
    write = parquet_forms().journal_parquet
    with _opened(out) as stream:
        write(entries, stream)


def write_text(pieces: Iterable[str], out: Path | None) -> None:
    """Write text to a new file, or to standard output. Raises ExportFailed; a file is whole or not there."""
    with _opened(out) as stream:
        for piece in pieces:
            stream.write(piece.encode())


def _opened(out: Path | None) -> AbstractContextManager[BinaryIO]:
    return _standard_output() if out is None else new_file(out)


def parquet_forms() -> ModuleType:
    """The module that writes Parquet. Raises ExportFailed where its library is not installed."""
    try:
        from projections.export import parquet  # noqa: PLC0415  (a large library, for this form alone)
    except ModuleNotFoundError as error:
        raise ExportFailed("Parquet needs the library pyarrow; install tallyhold[parquet].") from error
    return parquet


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name when it is whole.

    Raises ExportFailed where there is one already, or when it is interrupted: nothing is left of it then.
    """
    if path.exists():
        raise ExportFailed(f"There is already a file {path}; remove it or name another.")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise ExportFailed(f"The file {path} cannot be written: {error.strerror}.") from error
    made = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        made.chmod(0o644)
        made.replace(path)
    except KeyboardInterrupt:
        raise ExportFailed(f"Interrupted; the file {path} was not written.") from None
    except OSError as error:
        raise ExportFailed(f"The file {path} cannot be written: {error.strerror}.") from error
    finally:
        made.unlink(missing_ok=True)


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    """Standard output; whoever reads it may stop reading. Raises ExportFailed where it was closed from the start."""
    if sys.stdout is None:
        raise ExportFailed("Standard output is closed.")
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        forget_output()
