"""Ids that follow from what they name. New ids are made outside and come in with a command."""

from functools import lru_cache
from uuid import UUID, uuid5

_ACCESS = UUID("8f3c5c0e-4d0b-5e2a-9d7e-6a1f0c9b2d41")


def access_stream(role: str, name: str) -> UUID:
    """The stream of one principal's access: the same role and name are always the same principal."""
    return uuid5(_ACCESS, f"{role}:{name}")


id_text = lru_cache(16_384)(str)
"""An id as books, rows and answers write it. One id stands in many of them at a time: its text is made once."""
