"""New ids: UUIDs of version 7 (RFC 9562), so that rows keyed by them are appended in the order of time."""

import time
from random import getrandbits
from uuid import UUID

from msgspec import convert

_LOW_62 = (1 << 62) - 1


def new_id() -> UUID:
    """A new id: 48 bits of real milliseconds, then 74 of chance. An id is no secret: no check rests on guessing it."""
    milliseconds = time.time_ns() // 1_000_000
    chance = getrandbits(74)
    number = milliseconds << 80 | 0x7 << 76 | chance >> 62 << 64 | 0x2 << 62 | chance & _LOW_62
    return convert(number.to_bytes(16), UUID)
