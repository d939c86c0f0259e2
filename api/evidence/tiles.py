"""The tree's inner nodes in tiles, so that a proof reads a few rows however long the log is.

A tile of level L holds up to 256 hashes of complete subtrees with 256^L leaves each; a full tile's own root is a hash
in the tile above it. The last tile of each level is filled as the log grows. Level 0 has the hash of every leaf.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from api.evidence.tree import HASH_BYTES, Subtree, node_hash

HEIGHT = 8
WIDTH = 1 << HEIGHT
TILE_BYTES = WIDTH * HASH_BYTES
TILES_KEPT = 128

ReadTile: TypeAlias = Callable[[int, int], bytes]
"""The hashes in the tile of a level and a number, both from 0; as many as there are."""


class WrongTiles(Exception):
    """A tile that must be there is not, has too few hashes, or other ones than the log's."""


def grown(read: ReadTile, size: int, leaves: Sequence[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """The tiles (level, number, hashes) that change when leaves' hashes follow on the first ``size``.

    Raises WrongTiles.
    """
    level, added = 0, list(leaves)
    while added:
        number, filled = divmod(size, WIDTH)
        held = _hashes(read(level, number), 0, filled) if filled else b""
        hashes = held + b"".join(added)
        added = []
        for place, begin in enumerate(range(0, len(hashes), TILE_BYTES), number):
            tile = hashes[begin : begin + TILE_BYTES]
            yield level, place, tile
            if len(tile) == TILE_BYTES:
                added.append(folded(tile))
        level, size = level + 1, number


def folded(hashes: bytes) -> bytes:
    """The root over hashes of which there are a power of two."""
    nodes = [hashes[begin : begin + HASH_BYTES] for begin in range(0, len(hashes), HASH_BYTES)]
    while len(nodes) > 1:
        nodes = [node_hash(left, right) for left, right in zip(nodes[::2], nodes[1::2], strict=True)]
    return nodes[0]


def subtrees(read: ReadTile) -> Subtree:
    """Complete subtrees out of tiles; the tiles that were read last are kept. One raises WrongTiles."""
    tile = lru_cache(TILES_KEPT)(read)

    def subtree(height: int, number: int) -> bytes:
        level, inside = divmod(height, HEIGHT)
        place, within = divmod(number << inside, WIDTH)
        return folded(_hashes(tile(level, place), within, 1 << inside))

    return subtree


def _hashes(tile: bytes, begin: int, count: int) -> bytes:
    """Hashes of a tile, so many of them, from a place in it. Raises WrongTiles."""
    found = tile[begin * HASH_BYTES : (begin + count) * HASH_BYTES]
    if len(found) != count * HASH_BYTES:
        raise WrongTiles
    return found
