"""Ids that follow from what they name. New ids are made outside and come in with a command."""

from functools import lru_cache
from uuid import UUID, uuid5

_ACCESS = UUID("8f3c5c0e-4d0b-5e2a-9d7e-6a1f0c9b2d41")
_BOOKS = UUID("2a6d1f58-93c7-5b0e-8e44-c1f7a0d95b63")


def access_stream(role: str, name: str) -> UUID:
    """The stream of one principal's access: the same role and name are always the same principal."""
    return uuid5(_ACCESS, f"{role}:{name}")


def gateway_line_stream(reference: str) -> UUID:
    """The stream of one line of the gateway's statements, by the gateway's own name for it."""
    return uuid5(_BOOKS, f"gateway line:{reference}")


def gateway_payout_stream(payout_id: str) -> UUID:
    """The stream of one payout of the gateway to the platform's bank."""
    return uuid5(_BOOKS, f"gateway payout:{payout_id}")


def sent_payout_stream(withdrawal_id: UUID) -> UUID:
    """The stream of what the bank tells of one withdrawal."""
    return uuid5(_BOOKS, f"withdrawal:{withdrawal_id}")


def case_stream(key: str, ordinal: int) -> UUID:
    """The stream of one break: the key that every run gives it, and how many were settled under that key before."""
    return uuid5(_BOOKS, f"case:{ordinal}:{key}")


MONTHS_STREAM = uuid5(_BOOKS, "months")
"""The stream of the months that are closed."""

id_text = lru_cache(16_384)(str)
"""An id as books, rows and answers write it. One id stands in many of them at a time: its text is made once."""
