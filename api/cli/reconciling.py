"""`tallyhold reconcile`: reads statements, runs, and tells; with --out it leaves the run behind as files."""

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from api.cli.export import ExportFailed, write_text
from api.service.reconciliations import program
from domain.books.events import Reconciled, ToldByStatement
from domain.recorded import Recorded
from projections.reconcile.kept import kept
from projections.reconcile.page import run_page
from projections.reconcile.period import Period
from projections.reconcile.reconciliation import Result, reconcile
from projections.reconcile.report import FileRead, breaks_csv, document, roll_forward_csv
from projections.reconcile.statement import StatementLine, StatementWrong, read_statement
from projections.reconcile.told import Snapshot
from projections.times import iso_or_none

MAX_LINE_BYTES = 65_536


class Statement:
    """A file that is read once; its hash is of all of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = sha256()
        self._lines = 0

    def lines(self) -> Iterator[StatementLine]:
        """Raises StatementWrong, also for a file that cannot be read."""
        try:
            with self._path.open("rb") as file:
                yield from read_statement(str(self._path), self._texts(file))
        except OSError as error:
            raise StatementWrong(str(self._path), 1, f"the file cannot be read: {error.strerror}") from error

    def _texts(self, file: BinaryIO) -> Iterator[str]:
        while raw := file.readline(MAX_LINE_BYTES):
            self._lines += 1
            if len(raw) == MAX_LINE_BYTES:
                raise StatementWrong(str(self._path), self._lines, f"is longer than {MAX_LINE_BYTES} bytes")
            self._hash.update(raw)
            yield raw.decode("utf-8")

    def read(self) -> FileRead:
        """What was read."""
        return FileRead(self._path.name, self._hash.hexdigest(), self._lines)


class Run(NamedTuple):
    """A reconciliation, its document, the event that may keep it, and the SHA-256 of each file by its path."""

    result: Result
    document: dict[str, Any]
    kept: Reconciled
    hashes: dict[str, str]

    def bookings(self) -> Iterator[ToldByStatement]:
        """What the files tell that is not in the books yet."""
        return self.result.bookings(self.hashes)


def run(
    log: Iterable[Recorded[Any]],
    told: Snapshot,
    period: Period,
    files: list[Path],
    *,
    timezone: str,
    fee_basis_points: int | None = None,
) -> Run:
    """Reconcile. Raises StatementWrong."""
    statements = [Statement(path) for path in files]
    lines = [line for statement in statements for line in statement.lines()] if files else None
    result = reconcile(log, told, period, lines, fee_basis_points)
    parameters = {
        "from": iso_or_none(period.begins),
        "asOf": iso_or_none(period.as_of),
        "knownAt": iso_or_none(period.known_at),
        "timezone": timezone,
        "feeBasisPoints": fee_basis_points,
        "program": program(),
    }
    read = [statement.read() for statement in statements]
    made = document(result, parameters, read)
    hashes = {str(path): one.sha256 for path, one in zip(files, read, strict=True)}
    return Run(result, made, kept(result, made, period, timezone, read), hashes)


def write_evidence(folder: Path, result: Result, told: dict[str, Any]) -> None:
    """Leave a run behind in a new folder. Raises ExportFailed."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise ExportFailed(f"There is already a {folder}; a run is left in a new folder.") from None
    except OSError as error:
        raise ExportFailed(f"The folder {folder} cannot be made: {error.strerror}.") from error
    write_text([json.dumps(told, indent=2), "\n"], folder / "run.json")
    write_text(breaks_csv(result), folder / "breaks.csv")
    write_text(roll_forward_csv(result), folder / "roll_forward.csv")
    write_text([run_page(told)], folder / "run.html")
