"""The hash tree over the log, as in RFC 9162 section 2.1: appended with each event, so that history can be proved.

Only the peaks are kept: the roots of the perfect subtrees whose sizes are the binary digits of the number of
leaves, the largest first. They suffice to append, and to tell the root.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import TypeAlias
from uuid import UUID

HASH_BYTES = 32


def leaf_bytes(stream: UUID, version: int, name: str, state: bytes) -> bytes:
    """What a leaf commits to: an event's stream, version, name and stored bytes, told apart by their lengths."""
    encoded = name.encode()
    return b"%b%b%b%b%b" % (stream.bytes, version.to_bytes(8), len(encoded).to_bytes(2), encoded, state)


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def append(size: int, peaks: bytes, leaves: Iterable[bytes]) -> bytes:
    """The peaks of a tree of ``size`` leaves after more leaves."""
    stack = [peaks[i : i + HASH_BYTES] for i in range(0, len(peaks), HASH_BYTES)]
    for leaf in leaves:
        node, digits = leaf_hash(leaf), size
        while digits & 1:
            node = node_hash(stack.pop(), node)
            digits >>= 1
        stack.append(node)
        size += 1
    return b"".join(stack)


def root(peaks: bytes) -> bytes:
    """The root hash of the tree; of an empty one, the hash of nothing."""
    if not peaks:
        return sha256(b"").digest()
    *rest, node = (peaks[i : i + HASH_BYTES] for i in range(0, len(peaks), HASH_BYTES))
    for left in reversed(rest):
        node = node_hash(left, node)
    return node


# -- proofs, sections 2.1.3 and 2.1.4 ----------------------------------------------------------------------------------

Subtree: TypeAlias = Callable[[int, int], bytes]
"""The hash of a complete subtree: of a height (0 is a leaf), and its number among those of this height, from 0."""


def root_at(size: int, subtree: Subtree) -> bytes:
    """The root of the tree over the first ``size`` leaves."""
    return _hash(0, size, subtree) if size else root(b"")


def inclusion(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The path that proves the leaf with this index, from 0, in the tree of ``size`` leaves."""
    begin, end, path = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_hash(middle, end, subtree))
            end = middle
        else:
            path.append(_hash(begin, middle, subtree))
            begin = middle
    return path[::-1]


def consistency(first: int, second: int, subtree: Subtree) -> list[bytes]:
    """The path that proves the tree of ``first`` leaves to be the beginning of that of ``second``."""
    begin, end, path, is_whole = 0, second, [], True
    while first and first != end:
        middle = begin + _split(end - begin)
        if first <= middle:
            path.append(_hash(middle, end, subtree))
            end = middle
        else:
            path.append(_hash(begin, middle, subtree))
            begin, is_whole = middle, False
    if first and not is_whole:
        path.append(_hash(begin, end, subtree))
    return path[::-1]


def _split(size: int) -> int:
    """The greatest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def _hash(begin: int, end: int, subtree: Subtree) -> bytes:
    peaks = []
    while begin < end:
        height = (end - begin).bit_length() - 1
        peaks.append(subtree(height, begin >> height))
        begin += 1 << height
    return root(b"".join(peaks))


def is_included(index: int, size: int, leaf: bytes, path: Sequence[bytes], expected: bytes) -> bool:
    """Whether a path proves a leaf's hash under a root."""
    if not 0 <= index < size:
        return False
    first, last, node = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if first & 1 or first == last:
            node = node_hash(step, node)
            first, last = _past_zeros(first, last)
        else:
            node = node_hash(node, step)
        first, last = first >> 1, last >> 1
    return last == 0 and node == expected


def is_consistent(first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes) -> bool:
    """Whether a path proves that a tree's first leaves were those of an earlier tree."""
    if first in (0, second):
        return not path and (first_root if first else root(b"")) == (second_root if first else first_root)
    if not path or not 0 < first < second:
        return False
    node, *steps = path if first & (first - 1) else [first_root, *path]
    low, last = _past_ones(first - 1, second - 1)
    earlier = later = node
    for step in steps:
        if last == 0:
            return False
        if low & 1 or low == last:
            earlier, later = node_hash(step, earlier), node_hash(step, later)
            low, last = _past_zeros(low, last)
        else:
            later = node_hash(later, step)
        low, last = low >> 1, last >> 1
    return last == 0 and earlier == first_root and later == second_root


def _past_zeros(low: int, last: int) -> tuple[int, int]:
    while low and not low & 1:
        low, last = low >> 1, last >> 1
    return low, last


def _past_ones(low: int, last: int) -> tuple[int, int]:
    while low & 1:
        low, last = low >> 1, last >> 1
    return low, last
