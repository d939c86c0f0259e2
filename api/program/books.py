"""Commands on the books: exports, statements, reconciliation, and why a cent."""

import asyncio
import sys
from datetime import date, tzinfo
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from api.cli.closing import close
from api.cli.explaining import explanation_text
from api.cli.export import JournalFormat, StatementFormat, export_journal, write_text
from api.cli.progress import progress
from api.cli.proofs import LogFormat, export_log
from api.cli.reconciling import read_statements, run, write_evidence
from api.http.schemas.instants import parse_instant
from api.program.platform import Platform, database_at, existing, log_of, run_command, run_commands, set_up, signing
from api.program.terminal import AsJson, Db, failing_in_one_sentence, show
from api.service.explain import explain_entry
from api.service.ids import new_id
from api.service.portable_proof import whole_log
from api.service.reconciliations import keep_run
from api.settings import WrongSettings, read_settings
from api.store.databases import SystemClock
from api.store.sql_snapshot import SQLReplays, SQLSnapshot, snapshot
from domain.errors import NotFound
from domain.times import Instant
from projections.ledger import entry_number
from projections.reconcile.journal import posted
from projections.reconcile.page import run_page
from projections.reconcile.period import Period
from projections.reconcile.report import breaks_csv, summary
from projections.statements.forms import FORMS
from projections.statements.months import Month, midnight, month_of, zone_of
from projections.statements.statement import statement as statement_of
from projections.times import iso

Timezone = Annotated[str, typer.Option(help="whose midnights count, like Europe/Berlin")]
STATEMENT_HELP = "a gateway's CSV or a bank's camt.053; may be given several times"


def export_journal_command(
    format_: Annotated[JournalFormat, typer.Option("--format", help="whose form")],
    out: Annotated[Path | None, typer.Option(help="a new file; else standard output")] = None,
    db: Db = None,
) -> None:
    """All journal entries, replayed from the log, with every day's balances asserted (hledger, beancount)."""
    with failing_in_one_sentence(), log_of(read_settings(db=db)) as log, progress("exporting") as told:
        export_journal(posted(log.events(log.position(), told)), format_, out)


def export_log_command(
    out: Annotated[Path, typer.Option(help="a new file; the checkpoint goes beside it")],
    format_: Annotated[LogFormat, typer.Option("--format", help="whose form")] = LogFormat.JSONL,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Every event of the log, readable and with its exact bytes, and the signed checkpoint that it belongs to."""
    with failing_in_one_sentence(), signing(read_settings(db=db)) as platform, progress("exporting") as told:
        checkpoint, note, _ = asyncio.run(platform.service.evidence.proving())
        export_log(whole_log(platform.audit, checkpoint.size, told), format_, note, out)
        said = {"file": str(out), "events": checkpoint.size}
        show(said, as_json, lambda: f"wrote {out}: {checkpoint.size} events, and beside it their checkpoint")


def export_statement_command(
    *,
    month: Annotated[str, typer.Option(help="like 2026-10")],
    format_: Annotated[StatementFormat, typer.Option("--format", help="json, csv, or a page to print")],
    owner: Annotated[UUID | None, typer.Option(help="an owner's principal id")] = None,
    tester: Annotated[UUID | None, typer.Option(help="a tester's principal id")] = None,
    timezone: Timezone = "UTC",
    out: Annotated[Path | None, typer.Option(help="a new file; else standard output")] = None,
    db: Db = None,
) -> None:
    """A month of an owner or a tester: opening, every movement with its job, fees apart, closing."""
    with failing_in_one_sentence():
        holder = owner or tester
        if holder is None or (owner and tester):
            raise WrongSettings("Give one of --owner and --tester.")
        wanted = _month(month, timezone)
        settings = read_settings(db=db)
        with log_of(settings) as log, snapshot(database_at(settings).reader()) as known, progress("reading") as told:
            if wanted.begins > (now := _now(known)):
                raise WrongSettings(f"The option --month must not be in the future; it is {iso(now)}.")
            events = log.events(known.position, told)
            made = statement_of(events, holder, wanted, _whole_until(known, wanted, now), is_owner=owner is not None)
        if not made.is_known:
            raise NotFound(f"There is no {'owner' if owner else 'tester'} {holder}.")
        write_text(FORMS[format_](made), out)


def reconcile_command(
    *,
    from_: Annotated[str | None, typer.Option("--from", help="movement counts from this time, or date")] = None,
    as_of: Annotated[str | None, typer.Option(help="only what had occurred by then")] = None,
    known_at: Annotated[str | None, typer.Option(help="only what had been recorded by then")] = None,
    timezone: Timezone = "UTC",
    statement: Annotated[list[Path] | None, typer.Option(help=STATEMENT_HELP)] = None,
    fee_basis_points: Annotated[
        int | None, typer.Option(min=0, max=10_000, help="what if: jobs posted since --from at another fee")
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="print the breaks as CSV")] = False,
    html: Annotated[Path | None, typer.Option(help="a new file: the run as a page to print")] = None,
    out: Annotated[Path | None, typer.Option(help="a new folder: the run as evidence")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="keep the run in the database, for operators to settle")] = False,
    db: Db = None,
) -> None:
    """Replay the log into books, and compare them with everything that tells of the same money; 1 if it differs."""
    with failing_in_one_sentence():
        settings = read_settings(db=db)
        if as_json and as_csv:
            raise WrongSettings("Ask for one of --json and --csv.")
        zone = _zone(timezone)
        given = (("from", from_), ("as-of", as_of), ("known-at", known_at))
        period = Period(*(_time(option, text, zone) for option, text in given))
        with log_of(settings) as log, snapshot(database_at(settings).reader()) as told, progress("reconciling") as bar:
            now = _now(told)
            for name, problem in period.problems(now):
                raise WrongSettings(f"The option --{_OPTIONS[name]} {problem}.")
            events = log.events(told.position, bar)
            statements = read_statements(statement or [], timezone)
            made = run(events, told, period, now, statements, timezone=timezone, fee_basis_points=fee_basis_points)
        # The log keeps a run for ever: before that come the files, for which there may be no place.
        if out is not None:
            write_evidence(out, made.result, made.document)
        if html is not None:
            write_text([run_page(made.document)], html)
        if keep:
            run_id = new_id()
            run_command(settings, lambda _: keep_run(run_id, made.kept))
            print(f"kept as reconciliation {run_id}", file=sys.stderr)
        if as_csv:
            write_text(breaks_csv(made.result), None)
        else:
            show(made.document, as_json, lambda: "\n".join(summary(made.document)))
        if not made.document["clean"]:
            raise typer.Exit(1)


def close_command(
    month: Annotated[str, typer.Option(help="like 2026-10; it must be over")],
    timezone: Timezone = "UTC",
    statement: Annotated[list[Path] | None, typer.Option(help=STATEMENT_HELP)] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Take in what the statements tell and close a month for good; nothing of it while anything differs.

    Statements of a month that is closed already are taken in as well, and it stays closed as it was.
    """
    with failing_in_one_sentence():
        settings = read_settings(db=db)
        wanted = _month(month, timezone)
        replays = SQLReplays(database_at(settings).reader)

        async def story(platform: Platform) -> dict[str, Any]:
            return await close(platform.service, replays.replay, wanted, statement or [])

        closed = run_commands(settings, existing, story)
        show(closed, as_json, lambda: _closed_text(closed))


def _closed_text(closed: dict[str, Any]) -> str:
    name, at = f"{closed['month']} ({closed['timezone']})", f"at position {closed['position']}"
    count = closed["booked"]
    told = [
        f"closed {name} {at}" if not closed["closedBefore"] else f"{name} was closed before; looked again {at}",
        f"tree root {closed['treeRoot']}",
        f"{count} line{'' if count == 1 else 's'} of statements taken into the books",
        f"kept as reconciliation {closed['reconciliation']}",
    ]
    return "\n".join(told)


def _month(name: str, timezone: str) -> Month:
    """Raises WrongSettings."""
    _zone(timezone)
    try:
        return month_of(name, timezone)
    except ValueError as error:
        raise WrongSettings(f"The option --month {error}.") from None


def _zone(timezone: str) -> tzinfo:
    """Raises WrongSettings."""
    try:
        return zone_of(timezone)
    except ValueError as error:
        raise WrongSettings(f"The option --timezone {error}.") from None


def _now(told: SQLSnapshot) -> Instant:
    """The platform's time."""
    return max(SystemClock().now(), told.last_time) if told.sandbox_now is None else told.sandbox_now


def _whole_until(told: SQLSnapshot, month: Month, now: Instant) -> Instant:
    """Up to when the log tells all of a month: a deadline that has passed may be unwritten, where nobody has served."""
    return now if told.next_due is None else min(now, max(told.next_due, month.begins))


_OPTIONS = {"from": "from", "asOf": "as-of", "knownAt": "known-at"}


def _time(option: str, text: str | None, zone: tzinfo) -> Instant | None:
    """A time of the command line; a date alone is its beginning in the time zone. Raises WrongSettings."""
    if text is None:
        return None
    try:
        if len(text) != len("2026-10-01"):
            return parse_instant(text)
        parse_instant(f"{text}T00:00:00Z")
        return midnight(date.fromisoformat(text), zone)
    except ValueError as error:
        raise WrongSettings(f"The option --{option} {error}, or a date.") from None


def explain_command(
    entry: Annotated[str, typer.Argument(help="an entry of the books, like 17-0")],
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Why an entry of the books is what it is: rule, calculation, event, command, and who decided."""
    with failing_in_one_sentence():
        number = entry_number(entry)
        if number is None:
            raise WrongSettings(f"The entry {entry!r} must be like 17-0: a position and a number.")
        with set_up(read_settings(db=db), existing) as platform:
            told = explain_entry(platform.audit, number, None)
        show(told, as_json, lambda: explanation_text(told))
