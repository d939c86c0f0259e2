"""New ids: UUIDs of version 7 (RFC 9562), so that rows keyed by them are appended in the order of time."""

import os
import time
from uuid import UUID


def new_id() -> UUID:
    """A new id: 48 bits of real milliseconds, then 74 of chance."""
    milliseconds = time.time_ns() // 1_000_000
    chance = int.from_bytes(os.urandom(10))
    value = milliseconds << 80 | chance
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
