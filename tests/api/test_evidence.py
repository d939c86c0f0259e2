"""Proofs out of tiles, and checkpoints as signed notes: held against definitions and another's program."""

from contextlib import closing
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree, verify_consistency, verify_inclusion  # type: ignore[import-untyped]
from pymerkle.proof import MerkleProof  # type: ignore[import-untyped]

from api.evidence import tiles, tree
from api.evidence.notes import Checkpoint, SigningKey, VerifierKey, WrongEvidence, new_signing_key
from api.evidence.proof_file import checked
from api.service.access import register
from api.service.credits import rehearse_purchase
from api.service.evidence import Evidence
from api.service.jobs import command_job, create_job, status_body
from api.service.portable_proof import prove_job
from api.service.ports import StoreFailed
from api.store.checkpoint_files import CheckpointFiles, key_for_sandbox, make_key, read_signing_key, read_verifier_key
from domain.access.events import Role
from domain.job.commands import PauseJob
from domain.times import DAY
from projections.times import iso
from tests.builders import OWNER, some_terms
from tests.given import NOW
from tests.local import Local, Where, issue_keys, run

SIZES = st.integers(0, 700)


def leaf(number: int) -> bytes:
    return tree.leaf_hash(number.to_bytes(4))


class Forest:
    """Tiles in memory, grown in steps."""

    def __init__(self, *steps: int) -> None:
        self.tiles: dict[tuple[int, int], bytes] = {}
        size = 0
        for step in steps:
            leaves = [leaf(number) for number in range(size, size + step)]
            for level, number, hashes in tiles.grown(self.read, size, leaves):
                self.tiles[level, number] = hashes
            size += step
        self.subtree = tiles.subtrees(self.read)

    def read(self, level: int, number: int) -> bytes:
        return self.tiles.get((level, number), b"")


GROWN = Forest(1, 255, 3, 300, 66_000 - 559)
"""Three levels of tiles."""


def root_of(size: int) -> bytes:
    return tree.root(tree.append(0, b"", [number.to_bytes(4) for number in range(size)]))


@settings(deadline=None)
@given(SIZES, SIZES)
def test_tiles_have_the_root_of_any_size_however_they_grew(size: int, first: int) -> None:
    first = min(first, size)
    forest = Forest(first, size - first)
    assert tree.root_at(size, forest.subtree) == root_of(size)


def test_a_level_above_has_the_roots_of_full_tiles() -> None:
    assert len(GROWN.tiles[2, 0]) == tree.HASH_BYTES
    assert tree.root_at(66_000, GROWN.subtree) == root_of(66_000)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.data())
def test_inclusion_is_proved_as_another_program_proves_it(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion(index, size, GROWN.subtree)
    assert tree.is_included(index, size, leaf(index), path, root_of(size))
    oracle = InmemoryTree(algorithm="sha256")
    for number in range(size):
        oracle.append_entry(number.to_bytes(4))
    theirs: MerkleProof = oracle.prove_inclusion(index + 1, size)
    verify_inclusion(leaf(index), root_of(size), theirs)
    assert theirs.serialize()["path"][1:] == [step.hex() for step in path]


def root_between(begin: int, end: int) -> bytes:
    return tree.root(tree.append(0, b"", [number.to_bytes(4) for number in range(begin, end)]))


def defined_subproof(first: int, begin: int, end: int, is_whole: bool) -> list[bytes]:
    """SUBPROOF as section 2.1.4.1 defines it, of the leaves from ``begin`` to ``end``."""
    if first == end - begin:
        return [] if is_whole else [root_between(begin, end)]
    split = 1 << (end - begin - 1).bit_length() - 1
    if first <= split:
        return [*defined_subproof(first, begin, begin + split, is_whole), root_between(begin + split, end)]
    return [*defined_subproof(first - split, begin + split, end, False), root_between(begin, begin + split)]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.data())
def test_consistency_is_proved_and_another_program_agrees(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, second))
    path = tree.consistency(first, second, GROWN.subtree)
    assert tree.is_consistent(first, second, path, root_of(first), root_of(second))
    oracle = InmemoryTree(algorithm="sha256")
    for number in range(second):
        oracle.append_entry(number.to_bytes(4))
    verify_consistency(root_of(first), root_of(second), oracle.prove_consistency(first, second))
    assert path == defined_subproof(first, 0, second, True)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 200), st.data())
def test_a_proof_of_something_else_is_none(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion(index, size, GROWN.subtree)
    root = root_of(size)
    assert not tree.is_included(index, size, leaf(index + 1), path, root)
    assert not tree.is_included(size, size, leaf(index), path, root)
    assert not tree.is_included(index, size, leaf(index), [*path, root], root)
    assert not tree.is_included(index, size, leaf(index), path, sha256(root).digest())
    if path:
        assert not tree.is_included(index, size, leaf(index), path[:-1], root)


@settings(deadline=None, max_examples=100)
@given(st.integers(2, 200), st.data())
def test_a_log_that_was_changed_is_not_consistent(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, second - 1))
    path = tree.consistency(first, second, GROWN.subtree)
    earlier, later = root_of(first), root_of(second)
    other = sha256(earlier).digest()
    assert not tree.is_consistent(first, second, path, other, later)
    assert not tree.is_consistent(first, second, path, earlier, other)
    assert not tree.is_consistent(first, second, [*path, other], earlier, later)
    assert not tree.is_consistent(first, second, [], earlier, later)
    assert not tree.is_consistent(second, first, path, later, earlier)


def test_an_empty_log_is_the_beginning_of_every_log() -> None:
    assert tree.is_consistent(0, 5, [], root_of(0), root_of(5))
    assert not tree.is_consistent(0, 5, [], root_of(1), root_of(5))
    assert tree.is_consistent(5, 5, [], root_of(5), root_of(5))
    assert not tree.is_consistent(5, 5, [], root_of(5), root_of(4))
    assert tree.consistency(0, 5, GROWN.subtree) == tree.consistency(5, 5, GROWN.subtree) == []


# -- notes -------------------------------------------------------------------------------------------------------------

GO_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
"""The pair of keys in the documentation of Go's note package."""

A_CHECKPOINT = Checkpoint("tallyhold/0123456789abcdef", 7, sha256(b"root").digest())


def test_keys_are_those_of_gos_tools() -> None:
    assert SigningKey(GO_SECRET).verifier.line == VerifierKey(GO_PUBLIC).line == GO_PUBLIC
    text = (
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    with pytest.raises(WrongEvidence, match="origin"):  # the signature fits; the text is no checkpoint
        VerifierKey(GO_PUBLIC).opened(text)


def test_a_checkpoint_has_three_lines_and_is_signed() -> None:
    key = SigningKey(GO_SECRET)
    note = key.signed(A_CHECKPOINT)
    origin, size, root, gap, signature = note.splitlines()
    assert (origin, size, len(root), gap) == ("tallyhold/0123456789abcdef", "7", 44, "")
    assert signature.startswith("— PeterNeumann ")
    assert key.verifier.opened(note) == A_CHECKPOINT
    assert key.verifier.opened(note + "— SomebodyElse AAAA\n") == A_CHECKPOINT


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace("\n7\n", "\n8\n"),
        lambda note: note.replace("0123", "0124"),
        lambda note: note.replace("— PeterNeumann", "— Somebody"),
        lambda note: note[:-9] + "AAAAAAA=\n",
        lambda note: note.replace("\n\n", "\n"),
        lambda note: "",
    ],
)
def test_a_note_that_was_changed_is_refused(change: object) -> None:
    note = change(SigningKey(GO_SECRET).signed(A_CHECKPOINT))  # type: ignore[operator]
    with pytest.raises(WrongEvidence):
        VerifierKey(GO_PUBLIC).opened(note)


def test_a_note_of_another_key_is_refused_by_name() -> None:
    with pytest.raises(WrongEvidence, match="PeterNeumann"):
        VerifierKey(GO_PUBLIC).opened(new_signing_key("PeterNeumann").signed(A_CHECKPOINT))


@pytest.mark.parametrize(
    "line", ["", "a", GO_PUBLIC[:-1], GO_PUBLIC.replace("c7", "c8"), GO_PUBLIC.replace("c7", "zz")]
)
def test_what_is_no_key_is_told(line: str) -> None:
    with pytest.raises(WrongEvidence, match="not a verifier key"):
        VerifierKey(line)
    with pytest.raises(WrongEvidence, match="not a signing key"):
        SigningKey("PRIVATE+KEY+" + line)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n"])
def test_a_keys_name_fits_into_a_note(name: str) -> None:
    with pytest.raises(WrongEvidence):
        new_signing_key(name)


def test_a_key_lies_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = make_key(path, "tallyhold")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_signing_key(path).line == key_for_sandbox(path, "other").line == made.line
    public = tmp_path / "key.pub"
    assert read_verifier_key(public).line == read_verifier_key(path).line == made.verifier.line
    with pytest.raises(WrongEvidence, match=r"No key can be made in .*key: File exists\."):
        make_key(path, "tallyhold")
    with pytest.raises(WrongEvidence, match=r"key\.pub: "):
        read_signing_key(public)
    with pytest.raises(WrongEvidence, match="nowhere"):
        read_verifier_key(tmp_path / "nowhere")


def test_there_is_one_file_a_day(tmp_path: Path) -> None:
    files = CheckpointFiles(tmp_path / "checkpoints")
    assert files.paths() == []
    for day, note in (("2026-06-30", "a"), ("2026-07-01", "b"), ("2026-07-01", "c")):
        files.write(day, note)
    assert [(path.name, path.read_text()) for path in files.paths()] == [
        ("2026-06-30.checkpoint", "a"),
        ("2026-07-01.checkpoint", "c"),
    ]


def test_the_log_is_worked_through_though_checkpoints_cannot_be_written(where: Where, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    files = CheckpointFiles(tmp_path / "a file" / "checkpoints")
    issue_keys(where, {"Olga": Role.OWNER})
    with pytest.raises(StoreFailed, match=r"The checkpoint .*2026-06-30.checkpoint cannot be written: Not a directory"):
        files.write("2026-06-30", "a")
    local = Local(where)

    async def story() -> None:
        async with local:
            with closing(Evidence(local.digest, new_signing_key("tallyhold"), files)) as evidence:
                for _ in range(2):  # the second time nothing has come meanwhile
                    await evidence.keep_up(NOW)
            assert local.digest.position() == local.digest.head()[1] > 0

    run(story())


def test_a_checkpoint_is_written_when_there_is_a_newer_one(where: Where) -> None:
    days: list[str] = []

    class Files:
        def write(self, day: str, note: str) -> None:
            days.append(day)

    async def story() -> None:
        async with Local(where) as local:
            with closing(Evidence(local.digest, new_signing_key("tallyhold"), Files())) as evidence:
                for now in (NOW, NOW, NOW + DAY):
                    await evidence.publish(now)
                assert len(days) == 1
                await local.ask(register(Role.OWNER, "Olga"))
                await evidence.finish(NOW + DAY)

    run(story())
    assert days == [iso(NOW)[:10], iso(NOW + DAY)[:10]]


def test_a_proof_has_nothing_that_its_checkpoint_does_not_sign(where: Where, tmp_path: Path) -> None:
    """It is made as it is taken in; by then the job may have gone on."""
    job_id, key = UUID(int=1), new_signing_key("tallyhold")

    async def story() -> bytes:
        async with Local(where) as local:
            await local.ask(rehearse_purchase(OWNER, UUID(int=2), 10_000))
            await local.ask(create_job(job_id, OWNER, some_terms()))
            with closing(Evidence(local.digest, key, CheckpointFiles(tmp_path))) as evidence:
                _, pieces = await prove_job(evidence, local.audit, job_id)
            await local.ask(command_job(job_id, PauseJob(), status_body))
            return b"".join(pieces)

    proof = checked(run(story()), key.verifier)
    assert [event.type for event in proof.events] == ["job.created"]
