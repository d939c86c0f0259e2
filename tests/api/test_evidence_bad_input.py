"""Times, versions, positions, checkpoints and keys that cannot be are named, and nothing looks whole that is not."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.cli.export import ExportFailed
from api.cli.proofs import LogFormat, export_log
from api.evidence.proof_file import Stored
from api.service.seals import MasterKey
from domain.access.events import Role
from tests.api.server import Client, Json, Platform, done, refused
from tests.local import database, issue_keys
from tests.program import failed, tallyhold, url

FUTURE = "2999-01-01T00:00:00Z"
NO_ZONE = "2026-06-30T00:00:00"
ZONE = "must be an ISO 8601 time with an offset or Z, such as 2025-01-15T09:00:00Z"


def said(response: Any) -> list[tuple[str, str]]:
    """What a 400 says of each field."""
    return [(each["pointer"], each["detail"]) for each in refused(response, 400, "invalid_request")["errors"]]


def test_a_plus_that_the_query_lost_is_told_so(owner: Client) -> None:
    """An unescaped + is a space in a query; the time looks right to who sent it."""
    lost = [(f"?{name}", ZONE + "; a + is written %2B here") for name in ("asOf", "to")]
    response = owner.get("/owner/ledger?asOf=2025-01-15T09:00:00+01:00&to=2025-01-15T09:00:00.5+00:00")
    assert said(response) == lost
    done(owner.get("/owner/ledger?asOf=2025-01-15T09:00:00%2B01:00"))


@pytest.mark.parametrize("name", ["asOf", "knownAt"])
@pytest.mark.parametrize("path", ["/jobs/{}", "/owner/ledger", "/owner/billing"])
def test_a_time_without_zone_and_one_to_come_are_named(owner: Client, path: str, name: str) -> None:
    path = path.format(owner.post_job())
    wrong: Json = {name: NO_ZONE}
    assert said(owner.get(path, **wrong)) == [(f"?{name}", ZONE)]
    to_come: Json = {name: FUTURE}
    ((pointer, detail),) = said(owner.get(path, **to_come))
    assert pointer == f"?{name}"
    assert detail.startswith("must not be in the future; it is 20")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_stream_is_refused_before_it_begins(owner: Client, form: str) -> None:
    assert said(owner.get("/owner/ledger", asOf=NO_ZONE, format=form)) == [("?asOf", ZONE)]


def test_times_without_zone_are_named_where_the_trail_is_searched(operator: Client) -> None:
    asked: Json = {"from": NO_ZONE, "to": NO_ZONE}
    for path in ("/audit/events", "/audit/refusals"):
        assert said(operator.get(path, **asked)) == [("?from", ZONE), ("?to", ZONE)]


def test_a_version_that_never_was_is_named(owner: Client) -> None:
    job_id = owner.post_job()
    detail = "must be at most 1: the job has had no other versions"
    assert said(owner.get(f"/jobs/{job_id}", version=2)) == [("?version", detail)]
    path = f"/owner/jobs/{job_id}/pause"
    missed = refused(owner.post(path, headers={"if-match": '"9"'}), 412, "version_mismatch")
    assert missed["detail"] == "If-Match names version 9; the job is at version 1, and never had that one."
    assert (missed["currentVersion"], missed["events"]) == (1, [])
    done(owner.post(path))
    missed = refused(owner.post(path, headers={"if-match": '"1"'}), 412, "version_mismatch")
    assert missed["detail"] == "If-Match names version 1; the job is at version 2."
    assert [(each["version"], each["type"]) for each in missed["events"]] == [(2, "job.paused")]


def test_a_feed_that_begins_behind_the_end_would_miss_something(owner: Client, operator: Client) -> None:
    for who, path in ((owner, "/events"), (operator, "/audit/events")):
        ((pointer, detail),) = said(who.get(path, after=10**12))
        assert pointer == "?after"
        assert detail.startswith("must be at most ") and detail.endswith(": the log has no more events")
        end = detail.split()[4].rstrip(":")
        assert done(who.get(path, after=end))["data"] == []


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"position": 10**9}, "?position"),
        ({"position": 3, "size": 2}, "?position"),
        ({"position": 1, "size": 0}, "?size"),
        ({"position": 1, "size": 10**9}, "?size"),
    ],
)
def test_a_proof_of_what_is_not_in_the_tree_is_refused(operator: Client, asked: Json, pointer: str) -> None:
    assert [name for name, _ in said(operator.get("/audit/proof/inclusion", **asked))] == [pointer]


def test_a_reconciliation_of_what_has_not_come_is_refused(operator: Client) -> None:
    asked = {"from": FUTURE, "asOf": FUTURE, "knownAt": FUTURE}
    found = said(operator.post("/operator/reconciliations", asked))
    assert [pointer for pointer, _ in found] == ["/from", "/asOf", "/knownAt"]


@pytest.mark.parametrize("name", ["asOf", "knownAt"])
def test_a_reconciliation_that_begins_after_its_end_is_refused(operator: Client, name: str) -> None:
    asked = {"from": "2024-12-02T00:00:00Z", name: "2024-12-01T00:00:00Z"}
    detail = "must not be later than 2024-12-01T00:00:00Z, where the period ends"
    assert said(operator.post("/operator/reconciliations", asked)) == [("/from", detail)]


# -- on the command line -----------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tallyhold.sqlite"
    issue_keys(path, {"Olga": Role.OWNER})
    return path


@pytest.mark.parametrize("option", ["from", "as-of", "known-at"])
def test_the_command_line_names_the_option(path: Path, option: str) -> None:
    failed(tallyhold("reconcile", f"--{option}", NO_ZONE, "--db", url(path)), 2, f"The option --{option} {ZONE}")
    outcome = tallyhold("reconcile", f"--{option}", FUTURE, "--db", url(path))
    failed(outcome, 2, f"The option --{option} must not be in the future; it is ")
    assert outcome.stdout == ""


def test_the_command_line_names_a_beginning_after_the_end(path: Path) -> None:
    outcome = tallyhold("reconcile", "--from", "2025-02-01", "--as-of", "2025-01-01", "--db", url(path))
    failed(outcome, 2, "The option --from must not be later than 2025-01-01T00:00:00Z, where the period ends.")


def test_a_month_that_has_not_begun_has_no_statement(path: Path) -> None:
    who = ("--owner", str(UUID(int=9)), "--format", "csv", "--db", url(path))
    failed(tallyhold("export", "statement", "--month", "2999-01", *who), 2, "--month must not be in the future")


@pytest.mark.parametrize("command", [("explain", "1-0"), ("keys", "list"), ("export", "log", "--out", "log")])
def test_a_wrong_master_key_is_named(platform: Platform, tmp_path: Path, command: tuple[str, ...]) -> None:
    """By every command that opens texts, and wherever the settings say that the key is."""
    wrong = MasterKey(bytes(range(32)))
    file = tmp_path / "wrong"
    file.write_text(wrong.to_hex())
    asked = (*command, "--db", platform.db)
    said = f"The master key in {file} is {wrong.name}; the keys of this database were wrapped with "
    failed(tallyhold(*asked, folder=tmp_path, TALLYHOLD_MASTER_KEY_FILE=str(file)), 1, said)
    file.write_text("short")
    failed(tallyhold(*asked, folder=tmp_path, TALLYHOLD_MASTER_KEY_FILE=str(file)), 1, "64 hexadecimal digits")
    assert [one.name for one in tmp_path.iterdir()] == ["wrong"]


def test_a_checkpoint_of_another_log_a_wrong_key_and_no_checkpoint_are_named(
    platform: Platform, path: Path, tmp_path: Path
) -> None:
    theirs = database(platform.where)
    note = tmp_path / "theirs"
    note.write_text(done(platform.operator.get("/audit/checkpoint"))["note"])
    key = str(theirs.beside(".checkpoint-key.pub"))
    asked = ("verify", "--db", url(path), "--checkpoint")
    failed(tallyhold(*asked, str(note), "--key", key), 1, "is of another log, tallyhold/")
    failed(tallyhold(*asked, str(note)), 2, "Give --key FILE")
    failed(tallyhold(*asked, str(tmp_path / "none"), "--key", key), 1, "none: The file cannot be read: No such file")
    assert tallyhold("checkpoint-key", str(tmp_path / "mine")).returncode == 0
    mine = str(tmp_path / "mine.pub")
    failed(tallyhold(*asked, str(note), "--key", mine), 1, f"{note}: This is no checkpoint that tallyhold has signed")
    note.write_text(note.read_text().replace("\n", "\n9", 1))
    failed(tallyhold(*asked, str(note), "--key", key), 1, "signature of tallyhold-sandbox does not fit")


@pytest.fixture
def heard_ctrl_c() -> Iterator[None]:
    """As at a terminal: tests that were started in the background ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_ctrl_c")
def test_an_interrupted_export_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    stream = UUID(int=7)

    def events() -> Iterator[tuple[Json, Stored]]:
        yield {"position": 1}, Stored(1, stream, 1, "job.paused", "{}")
        os.kill(os.getpid(), signal.SIGINT)
        yield {"position": 2}, Stored(2, stream, 2, "job.resumed", "{}")

    out = tmp_path / "log"
    with pytest.raises(ExportFailed, match=f"Interrupted; the file {out} was not written"):
        export_log(events(), LogFormat.JSONL, "note", out)
    assert list(tmp_path.iterdir()) == []
