"""The hash tree over the log, as in RFC 9162 section 2.1: appended with each event, so that history can be proved.

Only the peaks are kept: the roots of the perfect subtrees whose sizes are the binary digits of the number of
leaves, the largest first. They suffice to append, and to tell the root.
"""

from collections.abc import Iterable
from hashlib import sha256
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
