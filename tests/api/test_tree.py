"""The hash tree is that of RFC 9162, section 2.1: held against its definition, known roots, and another's program."""

from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree, verify_consistency, verify_inclusion  # type: ignore[import-untyped]

from api.evidence import tree
from tests.given import NOW
from tests.local import HandClock, new_database
from tests.simulation.books import File
from tests.simulation.drivers import InProcess
from tests.simulation.history import history

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""The roots over the first 0 to 8 of these leaves, as the tests of Certificate Transparency have them."""

ENTRIES = st.lists(st.binary(max_size=40), max_size=40)


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH as section 2.1.1 defines it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + defined_root(leaves[:split]) + defined_root(leaves[split:])).digest()


def root_of(leaves: list[bytes]) -> bytes:
    return tree.root(tree.append(0, b"", leaves))


def test_their_tree_hashes_as_the_rfc_says() -> None:
    """The oracle's own prefixes for leaves and nodes."""
    oracle = InmemoryTree(algorithm="sha256")
    assert (oracle.leaf_prefix, oracle.node_prefix) == (b"\x00", b"\x01")


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_the_known_roots_come_out(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size]


@given(ENTRIES)
def test_the_root_is_that_of_the_definition(leaves: list[bytes]) -> None:
    assert root_of(leaves) == defined_root(leaves)


@settings(deadline=None)
@given(ENTRIES)
def test_the_root_is_that_of_another_program(leaves: list[bytes]) -> None:
    oracle = InmemoryTree(algorithm="sha256")
    for leaf in leaves:
        oracle.append_entry(leaf)
    assert oracle.get_root() == root_of(leaves)


@given(ENTRIES, st.lists(st.integers(0, 40), max_size=5))
def test_appending_in_parts_gives_the_same_tree(leaves: list[bytes], cuts: list[int]) -> None:
    peaks = b""
    for begin, end in pairwise([0, *sorted(min(cut, len(leaves)) for cut in cuts), len(leaves)]):
        peaks = tree.append(begin, peaks, leaves[begin:end])
    assert peaks == tree.append(0, b"", leaves)


@given(ENTRIES)
def test_there_is_a_peak_for_each_binary_digit_of_the_size(leaves: list[bytes]) -> None:
    peaks = tree.append(0, b"", leaves)
    assert len(peaks) == tree.HASH_BYTES * len(leaves).bit_count()


@given(st.binary(max_size=30), st.text(max_size=10), st.binary(max_size=30), st.text(max_size=10))
def test_no_two_events_have_one_leaf(state: bytes, name: str, other_state: bytes, other_name: str) -> None:
    """Where one field ends and the next begins is told by lengths, not guessed."""
    stream = UUID(int=1)
    same = tree.leaf_bytes(stream, 1, name, state) == tree.leaf_bytes(stream, 1, other_name, other_state)
    assert same == ((name, state) == (other_name, other_state))


def test_a_leaf_commits_to_stream_and_version_too() -> None:
    leaves = {tree.leaf_bytes(UUID(int=stream), version, "a", b"{}") for stream in (1, 2) for version in (1, 2, 256)}
    assert len(leaves) == 6


def test_the_head_of_a_log_proves_every_event_of_it(tmp_path: Path) -> None:
    """Anybody's tree over the stored bytes has the root of the head; inclusion and consistency can be proved."""
    path = tmp_path / "tallyhold.sqlite"
    new_database(path)
    driver = InProcess(path, HandClock(NOW))
    for moment in history(Random(3), 60, NOW):
        driver.move_to(moment.at)
        driver.ask(moment.command)
    driver.close()
    file = File(path)
    oracle = InmemoryTree(algorithm="sha256")
    for one in file.stored:
        oracle.append_entry(tree.leaf_bytes(one.stream, one.version, one.name, one.state))
    root = tree.root(file.head["peaks"])
    assert oracle.get_root() == root
    half, size = len(file.stored) // 2, len(file.stored)
    earlier = tree.root(tree.append(0, b"", [tree.leaf_bytes(*one[:2], *one[3:]) for one in file.stored[:half]]))
    verify_consistency(earlier, root, oracle.prove_consistency(half, size))
    for position in (1, half, size):
        one = file.stored[position - 1]
        leaf = tree.leaf_hash(tree.leaf_bytes(one.stream, one.version, one.name, one.state))
        verify_inclusion(leaf, root, oracle.prove_inclusion(position, size))
