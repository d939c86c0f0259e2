"""`tallyhold reconcile`: reads statements, runs, and tells; with --out it leaves the run behind as files."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, NamedTuple

from api.cli.export import ExportFailed, write_text
from api.service.reconciliations import program
from domain.books.events import Reconciled, ToldByStatement
from domain.recorded import Recorded
from domain.times import Instant
from projections.reconcile.files import FileRead, Lines, StatementFile, sorted_lines
from projections.reconcile.kept import kept
from projections.reconcile.page import run_page
from projections.reconcile.period import Period
from projections.reconcile.reconciliation import Result, reconcile
from projections.reconcile.report import breaks_csv, document, roll_forward_csv
from projections.reconcile.told import Snapshot
from projections.statements.months import zone_of
from projections.times import iso_or_none


def statement_file(path: Path, zone: tzinfo = UTC) -> StatementFile:
    """A file that was named on the command line."""
    return StatementFile(str(path), path.name, lambda: path.open("rb"), zone)


class Statements(NamedTuple):
    """Files that were read to their ends: their lines, and what was read, with the SHA-256 of each by its path."""

    lines: Lines
    read: list[FileRead]
    hashes: dict[str, str]


def read_statements(paths: Iterable[Path], timezone: str) -> Statements:
    """Read each file once: it may be a pipe. Raises StatementWrong."""
    files = [statement_file(path, zone_of(timezone)) for path in paths]
    lines = sorted_lines(files)
    return Statements(lines, [file.read() for file in files], {file.name: file.read().sha256 for file in files})


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
    now: Instant,
    statements: Statements,
    *,
    timezone: str,
    fee_basis_points: int | None = None,
) -> Run:
    """Reconcile. Raises StatementWrong."""
    result = reconcile(log, told, period, now, statements.lines.gateway, statements.lines.bank, fee_basis_points)
    parameters = {
        "from": iso_or_none(period.begins),
        "asOf": iso_or_none(period.as_of),
        "knownAt": iso_or_none(period.known_at),
        "timezone": timezone,
        "feeBasisPoints": fee_basis_points,
        "program": program(),
    }
    made = document(result, parameters, statements.read)
    return Run(result, made, kept(result, made, period, timezone, statements.read), statements.hashes)


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
