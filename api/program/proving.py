"""Commands on evidence: checkpoints, proofs, and whether everything is as it was written."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, cast
from uuid import UUID

import typer

from api.cli.progress import progress
from api.cli.proofs import proof_text, read_proof, write_pieces
from api.evidence.notes import Checkpoint, VerifierKey, WrongEvidence
from api.evidence.proof_file import JOB, TESTER
from api.program.platform import (
    checkpoints_of,
    existing,
    key_of,
    master_key_of,
    signing,
)
from api.program.terminal import AsJson, Db, failing_in_one_sentence, show
from api.service.portable_proof import prove_job, prove_tester
from api.settings import Settings, WrongSettings, read_settings
from api.store.checkpoint_files import (
    PUBLIC_SUFFIX,
    CheckpointFiles,
    make_key,
    read_note,
    read_verifier_key,
)
from api.store.databases import Database
from api.store.findings import Finding
from api.store.sealing_keys import read_master_key, unopened
from api.store.verify import MAX_FINDINGS, Verdict, verify
from domain.errors import NotFound


def make_checkpoint_key(
    file: Annotated[Path, typer.Argument(help="a new file for the secret key; the public one goes beside it")],
    name: Annotated[str, typer.Option(help="stands in every signature")] = "tallyhold",
    as_json: AsJson = False,
) -> None:
    """Make the key that signs checkpoints, for TALLYHOLD_CHECKPOINT_KEY. Keep it apart from the database."""
    with failing_in_one_sentence():
        public = make_key(file, name).verifier.line
        show({"key": public}, as_json, lambda: public)


def prove_command(
    out: Annotated[Path, typer.Option(help="a new file for the proof")],
    job: Annotated[UUID | None, typer.Option(help="the id of a job")] = None,
    tester: Annotated[UUID | None, typer.Option(help="the id of a tester")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Write a job's or a tester's events with proof that they are in the log, for whoever has the public key."""
    with failing_in_one_sentence():
        if (job is None) == (tester is None):
            raise WrongSettings("Give one of --job and --tester.")
        with signing(read_settings(db=db)) as platform:
            if tester and platform.reads.tester_named(str(tester)) is None:
                raise NotFound(f"There is no tester {tester}.")
            evidence, audit = platform.service.evidence, platform.audit
            proving = prove_job(evidence, audit, job) if job else prove_tester(evidence, audit, cast(UUID, tester))
            size, pieces = asyncio.run(proving)
            write_pieces(pieces, out)
        said = {"file": str(out), "size": size}
        show(said, as_json, lambda: f"wrote {out}, proved by a checkpoint over {size} events")


def verify_proof_command(
    file: Annotated[Path, typer.Argument(help="a proof, as prove or the server has written it")],
    key: Annotated[Path | None, typer.Option(help="a file with the verifier key that you trust")] = None,
    job: Annotated[UUID | None, typer.Option(help="the job that it must be of")] = None,
    tester: Annotated[UUID | None, typer.Option(help="the tester that it must be of")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a portable proof. Needs no database and no server."""
    with failing_in_one_sentence():
        if job is not None and tester is not None:
            raise WrongSettings("Give one of --job and --tester, or neither.")
        trusted = read_verifier_key(key) if key else None
        wanted = job or tester
        proof = read_proof(file, trusted, JOB if job else TESTER, str(wanted) if wanted else None)
        said = {"about": {"kind": proof.about.kind, "id": str(proof.about.id)}, "size": proof.checkpoint.size}
        body = {**said, "origin": proof.checkpoint.origin, "key": proof.key, "events": list(proof.facts())}
        show(body, as_json, lambda: proof_text(proof, trusted is not None))


def verify_command(
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="a file with a signed checkpoint; may be given several times")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="a file with the verifier key of the checkpoints")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Check the whole log against its hashes and checkpoints, and what was worked out of it against a replay.

    Changes nothing. Without --checkpoint: against all in the folder of checkpoints.
    """
    with failing_in_one_sentence():
        settings = read_settings(db=db)
        database = existing(settings)
        checkpoints = _opened_checkpoints(settings, database, checkpoint, key)
        with progress("verifying") as told:
            verdict = verify(database, checkpoints, told)
        verdict.findings += islice(_unopened_keys(settings, database), MAX_FINDINGS)
        show(_verdict_body(verdict), as_json, lambda: _verdict_text(verdict))
        if verdict.findings:
            raise WrongEvidence(f"Not as it was written: {verdict.findings[0].sentence}")


def _unopened_keys(settings: Settings, database: Database) -> Iterator[Finding]:
    """Keys of persons that are not as they were wrapped; tried only where they and the master key lie."""
    file = settings.master_key_file or master_key_of(database)
    if file.exists() and database.has_sealing_keys():
        with closing(database.sealing_keys()) as keys:
            yield from map(Finding, unopened(keys, read_master_key(file)))


def _opened_checkpoints(
    settings: Settings, database: Database, given: list[Path] | None, key: Path | None
) -> list[Checkpoint]:
    """What to hold the log to, each by its signature. Raises WrongEvidence, and WrongSettings without a key."""
    files = given or CheckpointFiles(settings.checkpoints or checkpoints_of(database)).paths()
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
    made = key_of(database).with_name(key_of(database).name + PUBLIC_SUFFIX)
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
        f"and {verdict.rows} rows of read models, audit index and tiles with a replay"
    )
