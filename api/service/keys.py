"""API keys: `th_` and 32 characters of chance. Only the hash is ever kept.

With 190 bits of chance nothing can be guessed from the hash, so that a fast hash suffices.
"""

import secrets
import string
from hashlib import sha256

_ALPHABET = string.digits + string.ascii_letters
_CHANCE = 32
LENGTH = 3 + _CHANCE


def new_key() -> str:
    """A new key."""
    return "th_" + "".join(secrets.choice(_ALPHABET) for _ in range(_CHANCE))


def is_well_formed(key: str) -> bool:
    """Whether a text can be a key at all."""
    return len(key) == LENGTH and key.startswith("th_")


def key_hash(key: str) -> str:
    """Under what a key is known."""
    return sha256(key.encode()).hexdigest()
