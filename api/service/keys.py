"""API keys: `th_`, 32 characters of chance, 6 of checksum. Only the hash is ever kept.

With 190 bits of chance nothing can be guessed from the hash, so that a fast hash suffices.
"""

import secrets
import string
from hashlib import sha256
from zlib import crc32

_ALPHABET = string.digits + string.ascii_letters
_CHANCE = 32
_CHECKSUM = 6
_LENGTH = 3 + _CHANCE + _CHECKSUM


def new_key() -> str:
    """A new key."""
    chance = "".join(secrets.choice(_ALPHABET) for _ in range(_CHANCE))
    return f"th_{chance}{_checksum(chance)}"


def is_well_formed(key: str) -> bool:
    """Whether a text can be a key at all; a mistyped one is told without looking it up."""
    return (
        len(key) == _LENGTH
        and key.startswith("th_")
        and key.isascii()
        and key[-_CHECKSUM:] == _checksum(key[3:-_CHECKSUM])
    )


def key_hash(key: str) -> str:
    """Under what a key is known."""
    return sha256(key.encode()).hexdigest()


def _checksum(chance: str) -> str:
    value = crc32(chance.encode())
    digits = []
    for _ in range(_CHECKSUM):
        value, digit = divmod(value, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)
