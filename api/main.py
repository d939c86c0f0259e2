"""The program `tallyhold`: the one place where the parts are wired together."""

import asyncio
import gc
import json
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast
from uuid import UUID

import msgspec
import psycopg
import typer
from starlette.applications import Starlette

from api.cli import demo as demo_story
from api.cli.explaining import show_explanation
from api.cli.export import ExportFailed, JournalFormat, StatementFormat, export_journal, write_text
from api.cli.progress import progress
from api.cli.proofs import LogFormat, export_log, proof_text, read_proof, write_pieces
from api.cli.reconciling import run, write_evidence
from api.evidence.notes import Checkpoint, SigningKey, VerifierKey, WrongEvidence
from api.evidence.proof_file import JOB, TESTER
from api.http.access_log import AccessLog
from api.http.app import make_app
from api.http.rate_limit import RateLimit
from api.http.routes import ROUTES, WITHOUT_SANDBOX
from api.http.schemas.base import parse_instant
from api.http.server import Server, say_where
from api.logs import configure
from api.service import access
from api.service.committer import Reply
from api.service.evidence import Evidence
from api.service.explain import explain_entry
from api.service.portable_proof import prove_job, prove_tester, whole_log
from api.service.ports import StoreBusy, StoreFailed
from api.service.seals import WrongMasterKey
from api.service.service import Service
from api.service.work import Context, UseCase
from api.settings import Settings, WrongSettings, read_settings, sqlite_path
from api.store.application import NotOurs, Tallyhold
from api.store.checkpoint_files import (
    PUBLIC_SUFFIX,
    CheckpointFiles,
    key_for_sandbox,
    make_key,
    read_note,
    read_signing_key,
    read_verifier_key,
)
from api.store.databases import Database, database_of
from api.store.event_log import EventLog
from api.store.rebuild import is_outdated, rebuild
from api.store.sandbox_gateway import SandboxGateway
from api.store.sealing_keys import make_master_key, open_seals, read_master_key
from api.store.sql_audit import SQLAudit
from api.store.sql_digest import SQLDigest
from api.store.sql_reads import SQLReads
from api.store.sql_snapshot import snapshot
from api.store.sql_store import SQLStore
from api.store.verify import Verdict, verify
from api.workers import Workers, listening_socket
from domain.access.events import Role
from domain.errors import NotFound, Refusal
from domain.recorded import CONSOLE
from domain.times import Instant
from projections.ledger import entry_number
from projections.reconcile.journal import posted
from projections.reconcile.page import run_page
from projections.reconcile.period import Period
from projections.reconcile.report import breaks_csv, summary
from projections.reconcile.statement import StatementWrong
from projections.statements.forms import FORMS
from projections.statements.months import month_of
from projections.statements.statement import statement as statement_of

app = typer.Typer(help="Jobs with escrow: every cent explained.", no_args_is_help=True, add_completion=False)
keys_app = typer.Typer(help="Principals and their API keys.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
export_app = typer.Typer(help="The books for other programs.", no_args_is_help=True)
app.add_typer(export_app, name="export")

Db = Annotated[
    str | None, typer.Option("--db", help="sqlite:///relative, sqlite:////absolute or postgresql://… [TALLYHOLD_DB]")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
KEYS_AT_ONCE = 500
SANDBOX_KEY = "tallyhold-sandbox"


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
    ) -> None:
        self.log: Tallyhold = database.log()
        if is_outdated(database):
            self.log.close()
            raise NotOurs(f"The read models of {database} are of another version: call tallyhold migrate.")
        clock = database.clock()
        self._store = SQLStore(database.session(clock), self.log.mapper)
        self._keys = database.sealing_keys()
        self.seals = open_seals(self._keys, master_key_file or database.beside(".master"))
        self.reads = SQLReads(database.reader(), self.seals.open)
        self._gateway = gateway
        self._digest = SQLDigest(database.reader(), database.background_session())
        self.audit = SQLAudit(database.reader(), self.seals)
        self._evidence = Evidence(self._digest, key, CheckpointFiles(checkpoints or _checkpoints_of(database)))
        self.service = Service(
            self._store,
            self.reads,
            clock,
            gateway,
            evidence=self._evidence,
            audit=self.audit,
            gateway_book=gateway,
            seals=self.seals,
        )
        if gateway is not None:
            gateway.now = self.service.committer.now

    def close(self) -> None:
        self._evidence.close()
        self._digest.close()
        self.audit.close()
        self.reads.close()
        self._keys.close()
        self._store.close()
        self.log.close()
        if self._gateway is not None:
            self._gateway.close()


def _checkpoints_of(database: Database) -> Path:
    return database.beside(".checkpoints")


def _key_of(database: Database) -> Path:
    return database.beside(".checkpoint-key")


@contextmanager
def _platform(database: Database, **options: Any) -> Iterator[Platform]:
    platform = Platform(database, **options)
    try:
        yield platform
    finally:
        platform.close()


def _database(settings: Settings) -> Database:
    return database_of(sqlite_path(settings.db), settings.db)


@app.command()
def serve(
    db: Db = None,
    host: Annotated[str | None, typer.Option(help="address to listen on [TALLYHOLD_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="port; 0 picks one [TALLYHOLD_PORT]")] = None,
    sandbox: Annotated[
        bool | None, typer.Option("--sandbox", help="virtual clock and test payments [TALLYHOLD_SANDBOX]")
    ] = None,
    access_log: Annotated[
        bool | None, typer.Option("--access-log/--no-access-log", help="a line a request [TALLYHOLD_ACCESS_LOG]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="processes that serve together; PostgreSQL only [TALLYHOLD_WORKERS]")
    ] = None,
) -> None:
    """Serve the HTTP API until SIGTERM."""
    with _failing_in_one_sentence():
        settings = read_settings(db=db, host=host, port=port, sandbox=sandbox, access_log=access_log, workers=workers)
        configure(settings.log_level)
        database = _database(settings)
        if settings.workers > 1 and not database.many_processes:
            raise WrongSettings("Several workers need PostgreSQL: a SQLite file is served by one process.")
        database.log().close()
        with database.served():
            database.claim_mode(sandbox=settings.sandbox)
            if settings.workers > 1:
                _serve_together(database, settings)
            else:
                _serve_alone(database, settings, say_where)


def _serve_alone(
    database: Database,
    settings: Settings,
    listening: Callable[[socket.socket], object],
    place: socket.socket | None = None,
) -> None:
    gateway = database.gateway() if settings.sandbox else None
    with _platform(
        database,
        gateway=gateway,
        key=_signing_key(settings, database),
        checkpoints=settings.checkpoints,
        master_key_file=settings.master_key_file,
    ) as platform:
        _serve(platform, settings, listening, place)


def _serve_together(database: Database, settings: Settings) -> None:
    try:
        place = listening_socket(settings.host, settings.port)
    except OSError as error:
        raise NotOurs(_nothing_can_listen(settings)) from error

    def work(place: socket.socket, listening: Callable[[], object]) -> int:
        try:
            with _failing_in_one_sentence():
                _serve_alone(database, settings, lambda _: listening(), place)
        except typer.Exit as ended:
            return ended.exit_code
        return 0

    # Keys that are not there yet are made once, before there are several who would.
    with _platform(database, key=_signing_key(settings, database), master_key_file=settings.master_key_file):
        pass
    with place:
        if Workers(settings.workers, work, place).run(lambda: say_where(place)):
            raise NotOurs("A worker has failed; what it said of that is above.")


def _nothing_can_listen(settings: Settings) -> str:
    return f"Nothing can listen on {settings.host} port {settings.port}; is it taken?"


def _signing_key(settings: Settings, database: Database) -> SigningKey | None:
    """The key that signs checkpoints. Raises WrongEvidence for one that cannot be read."""
    if settings.checkpoint_key is not None:
        return read_signing_key(settings.checkpoint_key)
    return key_for_sandbox(_key_of(database), SANDBOX_KEY) if settings.sandbox else None


def tune_interpreter() -> None:
    """Make this process fit for serving.

    What lives as long as the process needs no collecting, and the states of streams are many and hold no cycles: by
    default collecting them took a tenth of all time. The commit thread, done after each fsync, must not wait five
    milliseconds to say so.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    sys.setswitchinterval(0.0005)


def _serve(
    platform: Platform, settings: Settings, listening: Callable[[socket.socket], object], place: socket.socket | None
) -> None:
    service = platform.service

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.start()
        tune_interpreter()
        yield
        await service.close()

    routes = ROUTES if settings.sandbox else WITHOUT_SANDBOX
    access_log = AccessLog(sys.stderr if settings.access_log else None)
    starlette = make_app(service, routes, access_log, RateLimit(settings.requests_per_second), lifespan)
    server = Server(
        starlette, host=settings.host, port=settings.port, refuse=service.refuse_from_now, listening=listening
    )
    with suppress(SystemExit):  # uvicorn has told the reason to its log
        server.run(None if place is None else [place])
    if not server.started:
        raise NotOurs(_nothing_can_listen(settings))


@app.command("rebuild")
def rebuild_command(db: Db = None) -> None:
    """Make all read models anew from the log, beside whatever server there is."""
    with _failing_in_one_sentence():
        count = _rebuild(_existing(read_settings(db=db)))
        print(f"rebuilt from {count} events")


@app.command("explain")
def explain_command(
    entry: Annotated[str, typer.Argument(help="an entry of the books, like 17-0")],
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Why an entry of the books is what it is: rule, calculation, event, command, and who decided."""
    with _failing_in_one_sentence():
        number = entry_number(entry)
        if number is None:
            raise WrongSettings(f"The entry {entry!r} must be like 17-0: a position and a number.")
        with _platform(_existing(read_settings(db=db))) as platform:
            told = explain_entry(platform.audit, number, None)
        print(json.dumps(told)) if as_json else show_explanation(told)


@app.command("prove")
def prove_command(
    out: Annotated[Path, typer.Option(help="a new file for the proof")],
    job: Annotated[UUID | None, typer.Option(help="the id of a job")] = None,
    tester: Annotated[UUID | None, typer.Option(help="the id of a tester")] = None,
    db: Db = None,
) -> None:
    """Write a job's or a tester's events with proof that they are in the log, for whoever has the public key."""
    with _failing_in_one_sentence():
        if (job is None) == (tester is None):
            raise WrongSettings("Give one of --job and --tester.")
        with _signing(read_settings(db=db)) as platform:
            evidence, audit = platform.service.evidence, platform.audit
            proving = prove_job(evidence, audit, job) if job else prove_tester(evidence, audit, cast(UUID, tester))
            size, pieces = asyncio.run(proving)
            write_pieces(pieces, out)
        print(f"wrote {out}, proved by a checkpoint over {size} events")


@app.command("verify-proof")
def verify_proof_command(
    file: Annotated[Path, typer.Argument(help="a proof, as prove or the server has written it")],
    key: Annotated[Path | None, typer.Option(help="a file with the verifier key that you trust")] = None,
    job: Annotated[UUID | None, typer.Option(help="the job that it must be of")] = None,
    tester: Annotated[UUID | None, typer.Option(help="the tester that it must be of")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a portable proof. Needs no database and no server."""
    with _failing_in_one_sentence():
        if job is not None and tester is not None:
            raise WrongSettings("Give one of --job and --tester, or neither.")
        trusted = read_verifier_key(key) if key else None
        wanted = job or tester
        proof = read_proof(file, trusted, JOB if job else TESTER, str(wanted) if wanted else None)
        said = {"about": {"kind": proof.about.kind, "id": str(proof.about.id)}, "size": proof.checkpoint.size}
        body = {**said, "origin": proof.checkpoint.origin, "key": proof.key, "events": list(proof.facts())}
        _show(body, as_json, lambda: proof_text(proof, trusted is not None))


@contextmanager
def _signing(settings: Settings) -> Iterator[Platform]:
    """The platform of a database that is there, with the key that signs its checkpoints. Raises WrongSettings."""
    database = _existing(settings)
    file = settings.checkpoint_key or _key_of(database)
    if not file.exists():
        raise WrongSettings("Set TALLYHOLD_CHECKPOINT_KEY to the file of the key that signs checkpoints.")
    with _platform(database, key=read_signing_key(file)) as platform:
        yield platform


@app.command()
def migrate(db: Db = None) -> None:
    """Make the tables, or bring read models of another version up to this program's. Stop the servers first."""
    with _failing_in_one_sentence():
        database = _database(read_settings(db=db))
        database.log().close()
        if is_outdated(database):
            print(f"read models rebuilt from {_rebuild(database)} events")
        print(f"{database} is ready for this program")


@app.command("checkpoint-key")
def make_checkpoint_key(
    file: Annotated[Path, typer.Argument(help="a new file for the secret key; the public one goes beside it")],
    name: Annotated[str, typer.Option(help="stands in every signature")] = "tallyhold",
) -> None:
    """Make the key that signs checkpoints, for TALLYHOLD_CHECKPOINT_KEY. Keep it apart from the database."""
    with _failing_in_one_sentence():
        print(make_key(file, name).verifier.line)


@app.command("verify")
def verify_command(
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="a file with a signed checkpoint; may be given several times")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="a file with the verifier key of the checkpoints")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Check the whole log against its hashes and checkpoints, and the read models against a replay. Changes nothing.

    Without --checkpoint: against all in the folder of checkpoints.
    """
    with _failing_in_one_sentence():
        settings = read_settings(db=db)
        database = _existing(settings)
        checkpoints = _opened_checkpoints(settings, database, checkpoint, key)
        with progress("verifying") as told:
            verdict = verify(database, checkpoints, told)
        _show(_verdict_body(verdict), as_json, lambda: _verdict_text(verdict))
        if verdict.findings:
            raise WrongEvidence(f"Not as it was written: {verdict.findings[0].sentence}")


def _opened_checkpoints(
    settings: Settings, database: Database, given: list[Path] | None, key: Path | None
) -> list[Checkpoint]:
    """What to hold the log to, each by its signature. Raises WrongEvidence, and WrongSettings without a key."""
    files = given or CheckpointFiles(settings.checkpoints or _checkpoints_of(database)).paths()
    if not files:
        return []
    verifier = _verifier(settings, database, key)
    return [_opened(verifier, file) for file in files]


def _opened(verifier: VerifierKey, file: Path) -> Checkpoint:
    try:
        return verifier.opened(read_note(file))
    except WrongEvidence as error:
        raise WrongEvidence(f"{file}: {error}") from None


def _verifier(settings: Settings, database: Database, key: Path | None) -> VerifierKey:
    made = _key_of(database).with_name(_key_of(database).name + PUBLIC_SUFFIX)
    chosen = key or settings.checkpoint_key or (made if made.exists() else None)
    if chosen is None:
        raise WrongSettings(
            "Give --key FILE with the verifier key of the checkpoints, or set TALLYHOLD_CHECKPOINT_KEY."
        )
    return read_verifier_key(chosen)


def _verdict_body(verdict: Verdict) -> dict[str, Any]:
    return {
        "events": verdict.events,
        "rootHash": verdict.root.hex(),
        "checkpoints": verdict.checkpoints,
        "rows": verdict.rows,
        "findings": [{"position": each.position, "sentence": each.sentence} for each in verdict.findings],
    }


def _verdict_text(verdict: Verdict) -> str:
    if verdict.findings:
        return "\n".join(each.sentence for each in verdict.findings)
    held = f"{verdict.checkpoints} checkpoints" if verdict.checkpoints else "no checkpoint (none was given)"
    return (
        f"{verdict.events} events are as they were written, root {verdict.root.hex()}; they agree with {held}, "
        f"and {verdict.rows} rows of read models with a replay"
    )


def _rebuild(database: Database) -> int:
    with progress("rebuilding read models") as told:
        return rebuild(database, told)


@app.command()
def forget(
    tester: Annotated[str, typer.Option(help="the tester's UUID or public number")],
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Erase all personal text about a tester for ever: answers, and what others wrote. No money changes."""
    with _failing_in_one_sentence():
        settings = read_settings(db=db)
        with _set_up(settings, _existing) as platform:
            stream, tester_id = _tester(platform.reads, tester)
            # First the key, then the record: what is recorded as erased has been.
            platform.seals.destroy(tester_id)
        forgotten = _command(settings, lambda _: access.record_erasure(stream))
        _show(forgotten, as_json, lambda: f"forgotten: tester {forgotten['publicId']}, {tester_id}")


def _tester(reads: SQLReads, named: str) -> tuple[UUID, UUID]:
    """The stream and the id of a tester. Raises NotFound."""
    found = reads.tester_named(named)
    if found is None:
        raise NotFound(f"There is no tester {named}; give a tester's UUID or public number.")
    return found


@app.command("rotate-master-key")
def rotate_master_key(
    new: Annotated[Path, typer.Option(help="file of the new master key; made if it is not there")],
    db: Db = None,
) -> None:
    """Wrap the keys of all persons with another master key. Not beside a server, which has the old one."""
    with _failing_in_one_sentence():
        settings = read_settings(db=db)
        with _existing(settings).served(), _set_up(settings, _existing) as platform:
            make_master_key(new)
            count = platform.seals.rewrap(read_master_key(new))
        print(f"{count} keys are wrapped with the master key in {new}; serve with TALLYHOLD_MASTER_KEY_FILE={new}")


@app.command()
def demo(
    db: Annotated[
        str | None, typer.Option("--db", help="keep the database: sqlite:///FILE or postgresql://…, a new one")
    ] = None,
) -> None:
    """Play a job's whole life against a real server, and show every event, entry and balance."""
    with _failing_in_one_sentence():
        settings = read_settings(db=db)
        kept = settings.db if "db" in settings.model_fields_set else None
        if kept is not None and (database := _database(settings)).is_there():
            raise demo_story.DemoFailed(f"{database} exists already; the demo needs a name for a new database.")
        demo_story.play(kept, _reading)


@contextmanager
def _reading(url: str) -> Iterator[tuple[Tallyhold, SQLReads]]:
    with _platform(_database(Settings(db=url))) as platform:
        yield platform.log, platform.reads


@keys_app.command("create")
def create_key(
    role: Annotated[Role, typer.Option(help="what its holder may do")],
    name: Annotated[str, typer.Option(help="the same role and name is the same principal")],
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Make a key; it is shown once."""
    with _failing_in_one_sentence():
        name = name.strip()
        if not 1 <= len(name) <= 100:
            raise WrongSettings("The name must have 1 to 100 characters.")
        made = _command(read_settings(db=db), lambda _: access.register_with_key(role, name))
        _show(made, as_json, lambda: f"{made['key']}\n{role} {made['name']}, key id {made['keyId']}; shown only now")


@keys_app.command("list")
def list_keys(db: Db = None, as_json: AsJson = False) -> None:
    """All keys, the newest first; never the keys themselves."""
    with _failing_in_one_sentence(), _set_up(read_settings(db=db), _existing) as platform:
        items = list(_all_keys(platform.reads))
        _show(items, as_json, lambda: "\n".join(map(_key_line, items)))


def _all_keys(reads: SQLReads) -> Iterator[dict[str, Any]]:
    before: int | None = None
    while True:
        page = reads.keys(before, KEYS_AT_ONCE)
        yield from page.items
        before = page.last
        if before is None:
            return


def _key_line(key: dict[str, Any]) -> str:
    state = "revoked" if key["revokedAt"] else "valid"
    return f"{key['keyId']}  {key['role']:<8}  {state:<7}  {key['name']}"


@keys_app.command("revoke")
def revoke_key(key_id: UUID, db: Db = None, as_json: AsJson = False) -> None:
    """Make a key worthless, at once and for ever."""

    def use_case(platform: Platform) -> UseCase:
        stream = platform.reads.stream_of_key(key_id)
        if stream is None:
            raise NotFound(f"There is no key {key_id}.")
        return access.revoke_key(stream, key_id)

    with _failing_in_one_sentence():
        settings = read_settings(db=db)
        _existing(settings)
        revoked = _command(settings, use_case)
        _show(revoked, as_json, lambda: f"revoked {key_id}")


@export_app.command("journal")
def export_journal_command(
    format_: Annotated[JournalFormat, typer.Option("--format", help="whose form")],
    out: Annotated[Path | None, typer.Option(help="a new file; else standard output")] = None,
    db: Db = None,
) -> None:
    """All journal entries, replayed from the log, with every day's balances asserted (hledger, beancount)."""
    with _failing_in_one_sentence(), _log_of(read_settings(db=db)) as log, progress("exporting") as told:
        export_journal(posted(log.events(log.position(), told)), format_, out)


@export_app.command("log")
def export_log_command(
    out: Annotated[Path, typer.Option(help="a new file; the checkpoint goes beside it")],
    format_: Annotated[LogFormat, typer.Option("--format", help="whose form")] = LogFormat.JSONL,
    db: Db = None,
) -> None:
    """Every event of the log, readable and with its exact bytes, and the signed checkpoint that it belongs to."""
    with _failing_in_one_sentence(), _signing(read_settings(db=db)) as platform, progress("exporting") as told:
        checkpoint, note, _ = asyncio.run(platform.service.evidence.proving())
        export_log(whole_log(platform.audit, checkpoint.size, told), format_, note, out)
        print(f"wrote {out}: {checkpoint.size} events, and beside it their checkpoint")


@export_app.command("statement")
def export_statement_command(
    *,
    month: Annotated[str, typer.Option(help="like 2026-10, in UTC")],
    format_: Annotated[StatementFormat, typer.Option("--format", help="json, csv, or a page to print")],
    owner: Annotated[UUID | None, typer.Option(help="an owner's principal id")] = None,
    tester: Annotated[UUID | None, typer.Option(help="a tester's principal id")] = None,
    out: Annotated[Path | None, typer.Option(help="a new file; else standard output")] = None,
    db: Db = None,
) -> None:
    """A month of an owner or a tester: opening, every movement with its job, fees apart, closing."""
    with _failing_in_one_sentence():
        holder = owner or tester
        if holder is None or (owner and tester):
            raise WrongSettings("Give one of --owner and --tester.")
        try:
            wanted = month_of(month)
        except ValueError as error:
            raise WrongSettings(f"The option --month {error}.") from None
        with _log_of(read_settings(db=db)) as log, progress("reading") as told:
            events = log.events(log.position(), told)
            made = statement_of(events, holder, wanted, is_owner=owner is not None)
        write_text(FORMS[format_](made), out)


@app.command("reconcile")
def reconcile_command(
    *,
    from_: Annotated[str | None, typer.Option("--from", help="movement counts from this time, or date (UTC)")] = None,
    as_of: Annotated[str | None, typer.Option(help="only what had occurred by then")] = None,
    known_at: Annotated[str | None, typer.Option(help="only what had been recorded by then")] = None,
    statement: Annotated[list[Path] | None, typer.Option(help="a gateway's CSV; may be given several times")] = None,
    fee_basis_points: Annotated[
        int | None, typer.Option(min=0, max=10_000, help="what if: jobs posted since --from at another fee")
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="print the breaks as CSV")] = False,
    html: Annotated[Path | None, typer.Option(help="a new file: the run as a page to print")] = None,
    out: Annotated[Path | None, typer.Option(help="a new folder: the run as evidence")] = None,
    db: Db = None,
) -> None:
    """Replay the log into books, and compare them with everything that tells of the same money; 1 if it differs."""
    with _failing_in_one_sentence():
        settings = read_settings(db=db)
        if as_json and as_csv:
            raise WrongSettings("Ask for one of --json and --csv.")
        period = Period(_time("from", from_), _time("as-of", as_of), _time("known-at", known_at))
        with _log_of(settings) as log, snapshot(_database(settings).reader()) as told, progress("reconciling") as bar:
            events = log.events(told.position, bar)
            result, made = run(events, told, period, statement or [], fee_basis_points)
        if out is not None:
            write_evidence(out, result, made)
        if html is not None:
            write_text([run_page(made)], html)
        if as_csv:
            sys.stdout.writelines(breaks_csv(result))
        else:
            _show(made, as_json, lambda: "\n".join(summary(made)))
        if not made["clean"]:
            raise typer.Exit(1)


def _time(option: str, text: str | None) -> Instant | None:
    """A time of the command line; a date alone is its beginning in UTC. Raises WrongSettings."""
    if text is None:
        return None
    try:
        return parse_instant(f"{text}T00:00:00Z" if len(text) == len("2026-10-01") else text)
    except ValueError as error:
        raise WrongSettings(f"The option --{option} {error}, or a date.") from None


@contextmanager
def _log_of(settings: Settings) -> Iterator[EventLog]:
    """The log of a database that is there, to be read beside whatever server there is."""
    application = _existing(settings).log()
    try:
        yield EventLog(application)
    finally:
        application.close()


def _set_up(settings: Settings, find: Callable[[Settings], Database]) -> AbstractContextManager[Platform]:
    """The platform over the database that is found for the settings."""
    return _platform(find(settings), master_key_file=settings.master_key_file)


def _existing(settings: Settings) -> Database:
    """The database. Raises NotOurs if there is none: a mistyped name must not make one."""
    database = _database(settings)
    database.existing_log().close()
    return database


def _command(settings: Settings, make: Callable[[Platform], UseCase]) -> dict[str, Any]:
    """Decide one command beside whatever server there is."""

    async def run(platform: Platform) -> Reply:
        platform.service.committer.start()
        try:
            return await platform.service.command(make(platform), Context(CONSOLE))
        finally:
            await platform.service.committer.close()

    with _set_up(settings, _database) as platform:
        body: dict[str, Any] = msgspec.json.decode(asyncio.run(run(platform)).body)
        return body


def _show(value: Any, as_json: bool, text: Callable[[], str]) -> None:
    print(json.dumps(value) if as_json else text())


@contextmanager
def _failing_in_one_sentence() -> Iterator[None]:
    """Exit 2 for wrong settings, 1 for anything else that was foreseen; one sentence either way."""
    try:
        yield
    except WrongSettings as error:
        _fail(str(error), 2)
    except (
        NotOurs,
        Refusal,
        WrongEvidence,
        WrongMasterKey,
        demo_story.DemoFailed,
        ExportFailed,
        StatementWrong,
    ) as error:
        _fail(str(error), 1)
    except (StoreBusy, StoreFailed, sqlite3.Error, psycopg.Error) as error:
        _fail(f"The database could not be used: {error}.", 1)


def _fail(sentence: str, code: int) -> NoReturn:
    print(f"tallyhold: {sentence}", file=sys.stderr)
    raise typer.Exit(code)


def main() -> None:
    """The entry point."""
    app()


if __name__ == "__main__":
    main()
