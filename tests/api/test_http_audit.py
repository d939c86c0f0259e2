"""The audit trail over HTTP: checkpoints and proofs, held by a client that trusts nobody."""

import json
from base64 import b64decode
from pathlib import Path

import pytest

from api.evidence import tree
from api.evidence.notes import VerifierKey
from tests.api.server import Client, Platform, connected, done, listening, refused, wrong_fields
from tests.local import execute
from tests.program import as_json, create_key, failed
from tests.program import tallyhold as called


@pytest.fixture(scope="module")
def auditor(platform: Platform) -> Client:
    return platform.somebody("auditor")


def checkpoint(auditor: Client) -> tuple[int, bytes]:
    """The size and the root that the platform signs now."""
    said = done(auditor.get("/audit/checkpoint"))
    opened = VerifierKey(said["publicKey"]).opened(said["note"])
    assert (opened.origin, opened.size) == (said["origin"], said["size"])
    assert opened.root == b64decode(said["rootHash"])
    return opened.size, opened.root


def test_every_event_is_proved_to_be_in_the_log(owner: Client, auditor: Client) -> None:
    owner.post_job()
    size, root = checkpoint(auditor)
    for position in {1, size // 2, size}:
        proof = done(auditor.get("/audit/proof/inclusion", position=position, size=size))
        path = [b64decode(step) for step in proof["path"]]
        assert tree.is_included(position - 1, size, b64decode(proof["leafHash"]), path, root)
        assert b64decode(proof["rootHash"]) == root
    assert done(auditor.get("/audit/proof/inclusion", position=1))["size"] >= size


def test_a_later_log_is_proved_to_begin_with_an_earlier_one(owner: Client, auditor: Client) -> None:
    first, first_root = checkpoint(auditor)
    for _ in range(3):
        owner.post_job(1)
    second, second_root = checkpoint(auditor)
    assert second > first
    proof = done(auditor.get(f"/audit/proof/consistency?from={first}&to={second}"))
    path = [b64decode(step) for step in proof["path"]]
    assert tree.is_consistent(first, second, path, first_root, second_root)
    assert (b64decode(proof["fromRootHash"]), b64decode(proof["toRootHash"])) == (first_root, second_root)


def test_what_the_log_does_not_have_is_named(auditor: Client) -> None:
    size, _ = checkpoint(auditor)
    inclusion, consistency = "/audit/proof/inclusion", "/audit/proof/consistency"
    assert wrong_fields(auditor.get(inclusion)) == ["?position"]
    assert wrong_fields(auditor.get(inclusion, position=0)) == ["?position"]
    assert wrong_fields(auditor.get(inclusion, position=10**9)) == ["?position"]
    assert wrong_fields(auditor.get(inclusion, position=5, size=4)) == ["?position"]
    assert wrong_fields(auditor.get(inclusion, position=1, size=size + 10**6)) == ["?size"]
    assert wrong_fields(auditor.get(f"{consistency}?from=2&to=1")) == ["?from"]
    assert wrong_fields(auditor.get(f"{consistency}?from=1&to={10**9}")) == ["?to"]


def test_it_is_for_auditors_and_operators(platform: Platform, owner: Client, tester: Client) -> None:
    for path in ("/audit/checkpoint", "/audit/proof/inclusion?position=1"):
        for who in (owner, tester):
            refused(who.get(path), 403, "forbidden")
    done(platform.operator.get("/audit/checkpoint"))


def test_where_no_key_was_given_nothing_is_signed_but_proofs_are_made(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'real.sqlite'}"
    made = create_key(tmp_path, db, "auditor", "Ada")
    with listening(tmp_path, db) as url, connected(url) as (http, _):
        auditor = Client(http, made["role"], made["key"], made["keyId"], made["principalId"], None)
        problem = refused(auditor.get("/audit/checkpoint"), 503, "unavailable")
        assert "TALLYHOLD_CHECKPOINT_KEY" in problem["detail"]
        done(auditor.get("/audit/proof/inclusion", position=1))
    assert not (tmp_path / "real.sqlite.checkpoints").exists()


def test_checkpoints_lie_outside_the_database_and_the_log_is_verified_against_them(tmp_path: Path) -> None:
    path, key = tmp_path / "real.sqlite", tmp_path / "key"
    db, folder = f"sqlite:///{path}", tmp_path / "elsewhere"
    create_key(tmp_path, db, "owner", "Olga")
    public = called("checkpoint-key", str(key), "--name", "example").stdout.strip()
    where = {"TALLYHOLD_CHECKPOINT_KEY": str(key), "TALLYHOLD_CHECKPOINTS": str(folder)}
    with listening(tmp_path, db, **where):
        create_key(tmp_path, db, "owner", "Ada")
    (kept,) = folder.iterdir()
    assert VerifierKey(public).opened(kept.read_text()).size == 4
    outcome = called("verify", "--json", "--db", db, folder=tmp_path, **where)
    said = json.loads(outcome.stdout)
    assert (outcome.returncode, said["events"], said["checkpoints"], said["findings"]) == (0, 4, 1, [])
    assert "4 events are as they were written" in called("verify", "--db", db).stdout
    named = ("verify", "--db", db, "--checkpoint", str(kept))
    failed(called(*named), 2, "--key")
    assert called(*named, "--key", f"{key}.pub").returncode == 0
    failed(called(*named, "--key", str(kept)), 1, "not a verifier key")
    failed(called("verify", "--db", db, "--checkpoint", str(tmp_path / "none"), "--key", f"{key}.pub"), 1, "none")


def test_verify_fails_when_something_was_changed(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'a.sqlite'}"
    create_key(tmp_path, db, "owner", "Olga")
    execute(tmp_path / "a.sqlite", "UPDATE principals SET name = 'Mallory'")
    outcome = called("verify", "--db", db)
    failed(outcome, 1, "says name is 'Mallory'; by the log it is 'Olga'")
    said = json.loads(called("verify", "--json", "--db", db).stdout)
    assert [finding["position"] for finding in said["findings"]] == [None]
    assert as_json(tmp_path, "keys", "list", "--db", db)


def test_a_key_that_cannot_be_used_is_told_before_anything_is_served(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'a.sqlite'}"
    key = tmp_path / "key"
    key.write_text("nonsense")
    failed(called("serve", "--db", db, "--port", "0", TALLYHOLD_CHECKPOINT_KEY=str(key)), 1, "not a signing key")
    failed(called("checkpoint-key", str(key)), 1, "No key can be made")
    failed(called("checkpoint-key", str(tmp_path / "new"), "--name", "a b"), 1, "spaces")
