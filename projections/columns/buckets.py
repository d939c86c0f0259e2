"""Which bucket a stream lies in. All events of a stream lie in one, so that each bucket can be folded by itself."""

from uuid import UUID
from zlib import crc32


def bucket_of(stream: UUID, buckets: int) -> int:
    """From 0: the CRC-32 of the 16 bytes of the stream's id, modulo the number of buckets. The same for ever."""
    return crc32(stream.bytes) % buckets
