"""`tallyhold prove`, `verify-proof` and `export log`: evidence that leaves the house."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from api.cli.export import ExportFailed, new_file, parquet_forms
from api.evidence.notes import VerifierKey, WrongEvidence
from api.evidence.proof_file import JOB, TESTER, Proof, Stored, checked
from projections.export.csv_text import csv_line
from projections.export.log_rows import COLUMNS, log_row

MAX_PROOF_BYTES = 1 << 30
CHECKPOINT_SUFFIX = ".checkpoint"


class LogFormat(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


def write_pieces(pieces: Iterable[bytes], out: Path) -> None:
    """A new file of these pieces, whole or not there. Raises ExportFailed."""
    with new_file(out) as stream:
        for piece in pieces:
            stream.write(piece)


def read_proof(path: Path, trusted: VerifierKey | None, kind: str | None, wanted: str | None) -> Proof:
    """The proof in a file, of the job or tester that is wanted, if one is. Raises WrongEvidence."""
    try:
        if path.stat().st_size > MAX_PROOF_BYTES:
            raise WrongEvidence(f"The file {path} is too long for a proof.")
        document = path.read_bytes()
    except OSError as error:
        raise WrongEvidence(f"The file {path} cannot be read: {error.strerror}.") from None
    try:
        proof = checked(document, trusted)
    except WrongEvidence as error:
        raise WrongEvidence(f"{path}: {error}") from None
    if wanted is not None and (proof.about.kind, str(proof.about.id)) != (kind, wanted):
        raise WrongEvidence(f"{path}: This is a proof of {proof.about.kind} {proof.about.id}, not of {kind} {wanted}.")
    return proof


def proof_text(proof: Proof, is_trusted: bool) -> str:
    """What a proof says, a line for each event."""
    lines = [f"{one.position:>10}  {one.version:>5}  {one.type}" for one in proof.events]
    by = "a key that you gave" if is_trusted else f"the key in the file; compare it with one you trust: {proof.key}"
    whole = (
        f"{len(proof.events)} events of {proof.about.kind} {proof.about.id} are in the log {proof.checkpoint.origin}"
    )
    lines.append(f"{whole} of {proof.checkpoint.size} events, root {proof.checkpoint.root.hex()}, signed by {by}")
    lines.append(_LEFT_OUT[proof.about.kind].format(len(proof.events)))
    return "\n".join(lines)


_LEFT_OUT = {
    JOB: "they are versions 1 to {}; later ones would not be missed",
    TESTER: "of this tester there may be more events: those that are left out would not be missed",
}
"""What cannot be proved of a job's events, and of a tester's."""


# -- the log for other programs --------------------------------------------------------------------------------------

Told = Callable[[int, int], None]
Rows = Iterable[tuple[dict[str, Any], Stored]]


def export_log(events: Rows, wanted: LogFormat, note: str, out: Path) -> None:
    """Every event, readable and with its exact bytes, and beside it the checkpoint that it belongs to.

    The log appears last: where there is one, its checkpoint is there. Raises ExportFailed.
    """
    beside = out.with_name(out.name + CHECKPOINT_SUFFIX)
    if beside.exists():
        raise ExportFailed(f"There is already a file {beside}; remove it or name another.")
    write = parquet_forms().log_parquet if wanted is LogFormat.PARQUET else None
    with new_file(out) as stream:
        if write is not None:
            write((log_row(shown, stored.state) for shown, stored in events), stream)
        else:
            stream.writelines(_TEXTS[wanted](events))
        write_pieces([note.encode()], beside)


def _jsonl(events: Rows) -> Iterator[bytes]:
    for shown, stored in events:
        yield msgspec.json.encode({**shown, "stored": stored.state}) + b"\n"


def _csv(events: Rows) -> Iterator[bytes]:
    yield csv_line(COLUMNS).encode()
    for shown, stored in events:
        yield csv_line(log_row(shown, stored.state)).encode()


_TEXTS: Mapping[LogFormat, Callable[[Rows], Iterator[bytes]]] = {LogFormat.JSONL: _jsonl, LogFormat.CSV: _csv}
