"""A proof is checked where there is neither database nor server; the exported log has all that its checkpoint signs."""

import csv
import json
from base64 import b64decode
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from uuid import UUID

import pyarrow.parquet as pq
import pytest

from api.cli.proofs import LogFormat, export_log
from api.evidence import tree
from api.evidence.notes import Checkpoint, VerifierKey, WrongEvidence, new_signing_key
from api.evidence.proof_file import About, Stored, checked, proof_pieces
from projections.export import parquet
from projections.export.log_rows import COLUMNS
from tests.api.server import Client, Json, Platform, done, refused
from tests.api.test_http_dispute_file import disputed, resolve
from tests.api.test_http_events import APPROVED, lived
from tests.local import database
from tests.program import failed, in_a_process_of_its_own
from tests.program import tallyhold as called


@pytest.fixture(scope="module")
def key(platform: Platform) -> Path:
    return database(platform.where).beside(".checkpoint-key.pub")


@pytest.fixture(scope="module")
def job_id(platform: Platform) -> str:
    return lived(platform.owner(), platform.tester())


@pytest.fixture(scope="module")
def document(platform: Platform, job_id: str, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("proof") / "job.proof"
    outcome = called("prove", "--job", job_id, "--out", str(out), "--db", platform.db)
    assert outcome.returncode == 0, outcome.stderr
    return out.read_bytes()


@pytest.fixture
def file(tmp_path: Path, document: bytes) -> Path:
    path = tmp_path / "job.proof"
    path.write_bytes(document)
    return path


def test_an_owner_gets_a_proof_of_its_job(platform: Platform, key: Path) -> None:
    owner = platform.owner()
    job_id = lived(owner, platform.tester())
    response = owner.get(f"/jobs/{job_id}/proof")
    done(response)
    proof = checked(response.content, VerifierKey(key.read_text()))
    assert (proof.about.kind, proof.about.id) == ("job", UUID(job_id))
    assert [event.type for event in proof.events] == APPROVED
    assert response.headers["tallyhold-position"] == str(proof.checkpoint.size)
    refused(platform.owner(0).get(f"/jobs/{job_id}/proof"), 403, "forbidden")


def paid(platform: Platform, owner: Client, tester: Client) -> None:
    """The tester did one of two slots, was paid, and took a dollar out."""
    job_id = owner.post_job(2)
    platform.tester().complete(job_id)
    tester.complete(job_id)
    done(owner.post(f"/owner/jobs/{job_id}/approve"))
    done(tester.post("/tester/wallet/withdrawals", {"amountCents": 100}), 201)


def test_a_tester_gets_a_proof_of_its_own_work_alone(
    platform: Platform, owner: Client, tester: Client, key: Path
) -> None:
    paid(platform, owner, tester)
    response = tester.get("/tester/proof")
    done(response)
    proof = checked(response.content, VerifierKey(key.read_text()))
    assert [event.type for event in proof.events] == [
        "job.slot_taken",
        "job.task_started",
        "job.task_completed",
        "job.payout_granted",
        "wallet.withdrawn",
    ]
    assert proof.about.id == UUID(tester.id)


def test_a_testers_proof_names_nobody_else_of_a_dispute(platform: Platform, owner: Client) -> None:
    ann, ben = platform.testers(2)
    job_id, (first, second) = disputed(owner, [ann, ben])
    resolve(platform, job_id, (first, 100), (second, 200))
    response = ann.get("/tester/proof")
    done(response)
    assert [event.type for event in checked(response.content, None).events][-2:] == [
        "job.payout_granted",
        "job.refunded",
    ]
    assert ben.id not in response.text and second not in response.text


def test_a_testers_events_are_each_there_once_and_in_order(
    platform: Platform, owner: Client, tester: Client, tmp_path: Path
) -> None:
    paid(platform, owner, tester)
    document = done(tester.get("/tester/proof"))
    events, file = document["events"], tmp_path / "tester.proof"
    for changed in ([*events, events[-1]], [events[0], *events], events[::-1]):
        with pytest.raises(WrongEvidence, match="out of order"):
            checked(json.dumps({**document, "events": changed}).encode(), None)
    file.write_text(json.dumps({**document, "events": events[1:]}))
    assert "of this tester there may be more events" in called("verify-proof", str(file)).stdout


def test_a_proof_needs_no_database_and_no_server(file: Path, key: Path, job_id: str) -> None:
    (file.parent / "key").write_bytes(key.read_bytes())
    outcome = called("verify-proof", str(file), "--key", str(file.parent / "key"), TALLYHOLD_DB="sqlite:////nowhere/x")
    assert outcome.returncode == 0, outcome.stderr
    assert f"{len(APPROVED)} events of job {job_id} are in the log tallyhold/" in outcome.stdout
    assert "by a key that you gave" in outcome.stdout
    assert f"versions 1 to {len(APPROVED)}; later ones would not be missed" in outcome.stdout
    said = json.loads(called("verify-proof", str(file), "--json").stdout)
    assert [event["type"] for event in said["events"]] == APPROVED
    assert said["key"] == key.read_text().strip()
    assert "compare it with one you trust" in called("verify-proof", str(file), "--job", job_id).stdout


def test_what_is_no_job_has_no_proof_of_a_job(platform: Platform, owner: Client, tester: Client) -> None:
    paid(platform, owner, tester)
    document = done(tester.get("/tester/proof"))
    withdrawn = document["events"][-1]
    assert (withdrawn["event"]["stream"], withdrawn["event"]["version"]) == (tester.id, 1)
    forged = {**document, "about": {"kind": "job", "id": tester.id}, "events": [withdrawn]}
    with pytest.raises(WrongEvidence, match="is not event 1 of job"):
        checked(json.dumps(forged).encode(), None)


TOO_DEEP = "[" * 100_000

CHANGES: dict[str, tuple[Callable[[Json], object], str]] = {
    "an event's bytes": (
        lambda file: amend(file, 3, state=file["events"][3]["event"]["state"] + " "),
        "is not in the log",
    ),
    "an event's type": (lambda file: amend(file, 3, type="job.paused"), "is not in the log"),
    "an event's position": (lambda file: amend(file, 3, position=1), "is not in the log"),
    "a position that is none": (lambda file: amend(file, 3, position=0), "is no whole proof"),
    "a position that is too great": (lambda file: amend(file, 3, position=2**70), "is no whole proof"),
    "a version that is none": (lambda file: amend(file, 3, version=-1), "is no whole proof"),
    "a version that is too great": (lambda file: amend(file, 3, version=2**70), "is no whole proof"),
    "a type that is too long": (lambda file: amend(file, 3, type="x" * 70_000), "is no whole proof"),
    "a tester's event, too deep": (lambda file: of_a_tester(file, '{"event":' + TOO_DEEP), "cannot be read"),
    "a tester's event, no object": (lambda file: of_a_tester(file, "[]"), "cannot be read"),
    "an event left out": (lambda file: file["events"].pop(2), "is not event 3 of job"),
    "another job": (lambda file: file["about"].update(id=str(UUID(int=7))), "is not event 1 of job"),
    "another kind": (lambda file: file["about"].update(kind="tester"), "is not one of tester"),
    "a kind that is none": (lambda file: file["about"].update(kind="cat"), "is no proof in the form"),
    "a path": (lambda file: file["events"][1]["path"].pop(), "is not in the log"),
    "a path of nonsense": (lambda file: file["events"][1].update(path=["x"]), "is not in the log"),
    "the checkpoint": (lambda file: file.update(checkpoint=file["checkpoint"].replace("\n", "0\n", 1)), "does not fit"),
    "the key": (lambda file: file.update(publicKey="x"), "not a verifier key"),
    "the form": (lambda file: file.update(format="tallyhold-proof-0"), "is no proof in the form"),
    "all events left out": (lambda file: file["events"].clear(), "proves no event of job"),
    "no events": (lambda file: file.pop("events"), "is no whole proof"),
}


def amend(file: Json, number: int, **changes: object) -> None:
    file["events"][number]["event"].update(changes)


def of_a_tester(file: Json, state: str) -> None:
    file["about"].update(kind="tester")
    amend(file, 0, state=state)


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_what_was_changed_is_found(document: bytes, change: Callable[[Json], object], words: str) -> None:
    file = json.loads(document)
    change(file)
    with pytest.raises(WrongEvidence, match=words):
        checked(json.dumps(file).encode(), None)


def test_what_is_nested_without_end_is_told(file: Path, document: bytes) -> None:
    file.write_bytes(b'{"more":' + TOO_DEEP.encode() + b"," + document[1:])
    failed(called("verify-proof", str(file)), 1, "is no whole proof")
    made_up = Stored(position=1, stream=UUID(int=1), version=1, type="job.created", state='{"event":' + TOO_DEEP)
    key = new_signing_key("theirs")
    checkpoint = Checkpoint("theirs", 1, made_up.leaf_hash())
    about = About("job", made_up.stream)
    file.write_bytes(b"".join(proof_pieces(about, key.signed(checkpoint), key.verifier.line, iter([(made_up, ())]))))
    failed(called("verify-proof", str(file)), 1, "cannot be read")


def test_half_a_proof_and_one_of_something_else_are_told(file: Path, job_id: str, tmp_path: Path) -> None:
    other = str(UUID(int=9))
    failed(called("verify-proof", str(file), "--job", other), 1, f"a proof of job {job_id}, not of job {other}")
    failed(called("verify-proof", str(file), "--tester", job_id), 1, f"a proof of job {job_id}, not of tester")
    failed(called("verify-proof", str(file), "--job", other, "--tester", other), 2, "--tester")
    made = called("checkpoint-key", str(tmp_path / "theirs")).stdout
    assert made
    failed(
        called("verify-proof", str(file), "--key", str(tmp_path / "theirs.pub")), 1, "no checkpoint that tallyhold has"
    )
    file.write_bytes(file.read_bytes()[:-20])
    failed(called("verify-proof", str(file)), 1, "is no whole proof")
    failed(called("verify-proof", str(tmp_path / "none")), 1, "cannot be read")


def test_what_cannot_be_proved_leaves_no_file(platform: Platform, owner: Client, tmp_path: Path) -> None:
    out = str(tmp_path / "x")
    failed(called("prove", "--out", out, "--db", platform.db), 2, "--job")
    for nobody in (str(UUID(int=9)), owner.id):
        for kind in ("job", "tester"):
            no_such = called("prove", f"--{kind}", nobody, "--out", out, "--db", platform.db)
            failed(no_such, 1, f"There is no {kind} {nobody}")
    db = f"sqlite:///{tmp_path / 'real.sqlite'}"
    called("keys", "create", "--role", "tester", "--name", "Ada", "--db", db)
    failed(called("prove", "--tester", str(UUID(int=9)), "--out", out, "--db", db), 2, "TALLYHOLD_CHECKPOINT_KEY")
    failed(called("export", "log", "--out", out, "--db", db), 2, "TALLYHOLD_CHECKPOINT_KEY")
    assert not Path(out).exists()


def rows_of(file: Path, form: str) -> list[Json]:
    """An exported log, as another program reads it."""
    match form:
        case "csv":
            return list(csv.DictReader(StringIO(file.read_text())))
        case "parquet":
            rows: list[Json] = pq.read_table(file).to_pylist()
            return rows
        case _:
            return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_the_exported_log_is_all_that_its_checkpoint_signs(
    platform: Platform, key: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / "log"
    outcome = called("export", "log", "--format", form, "--out", str(out), "--db", platform.db)
    assert outcome.returncode == 0, outcome.stderr
    checkpoint = VerifierKey(key.read_text()).opened((tmp_path / "log.checkpoint").read_text())
    rows = rows_of(out, form)
    leaves = [
        tree.leaf_bytes(UUID(row["stream"]), int(row["version"]), row["type"], row["stored"].encode()) for row in rows
    ]
    assert (len(leaves), tree.root(tree.append(0, b"", leaves))) == (checkpoint.size, checkpoint.root)
    again = called("export", "log", "--out", str(out), "--db", platform.db)
    failed(again, 1, "already a file")


def test_parquet_has_the_rows_of_csv(platform: Platform, tmp_path: Path) -> None:
    for form in ("csv", "parquet"):
        assert called("export", "log", "--format", form, "--out", str(tmp_path / form), "--db", platform.db).stdout
    table = pq.read_table(tmp_path / "parquet")
    assert {str(table.schema.field(name).type) for name in ("position", "version")} == {"int64"}
    shown = [{name: "" if cell is None else str(cell) for name, cell in row.items()} for row in table.to_pylist()]
    assert shown == rows_of(tmp_path / "csv", "csv")


def test_no_request_id_of_the_exported_log_is_a_formula(tmp_path: Path) -> None:
    names = ("eventId", "occurredAt", "recordedAt", "correlationId", "causationId", "payload")
    shown = dict.fromkeys(names) | {"position": 1, "stream": "s", "version": 1, "type": "t", "requestId": "=1+317"}
    shown["actor"] = {"kind": "owner", "id": None, "keyId": None}
    event = Stored(position=1, stream=UUID(int=1), version=1, type="t", state="{}")
    export_log([(shown, event)], LogFormat.CSV, "a note", tmp_path / "log")
    (row,) = rows_of(tmp_path / "log", "csv")
    assert (row["requestId"], row["stored"]) == ("'=1+317", "{}")


def test_groups_of_rows_are_as_long_as_memory_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = tuple(1 if kind is int else "é" * 10 for kind in COLUMNS.values())
    letters = sum(len(cell) for cell in row if isinstance(cell, str))
    monkeypatch.setattr(parquet, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(parquet, "LETTERS_AT_ONCE", 3 * letters)
    groups = {}
    for name, rows in (("long", [row] * 10), ("short", [(*row[:-1], None)] * 10), ("none", [])):
        with (tmp_path / name).open("wb") as out:
            parquet.log_parquet(rows, out)
        file = pq.ParquetFile(tmp_path / name)
        groups[name] = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert groups == {"long": [3, 3, 3, 1], "short": [4, 4, 2], "none": []}
    assert pq.read_table(tmp_path / "long").to_pylist() == [dict(zip(COLUMNS, row, strict=True))] * 10


@pytest.mark.parametrize("what", ["log", "journal"])
def test_parquet_needs_a_library_and_says_which(platform: Platform, tmp_path: Path, what: str) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError('No module named pyarrow')")
    out = tmp_path / "out"
    command = ("export", what, "--format", "parquet", "--out", str(out), "--db", platform.db)
    failed(in_a_process_of_its_own(*command, PYTHONPATH=str(tmp_path)), 1, "install tallyhold[parquet]")
    assert [file.name for file in tmp_path.iterdir() if "out" in file.name] == []


def test_paths_are_short(document: bytes) -> None:
    file = json.loads(document)
    assert all(len(b64decode(step)) == tree.HASH_BYTES for one in file["events"] for step in one["path"])
    assert max(len(one["path"]) for one in file["events"]) <= 20
