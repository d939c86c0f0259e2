"""Ids that follow from what they name. New ids are made outside and come in with a command."""

from uuid import UUID, uuid5

_ACCESS = UUID("8f3c5c0e-4d0b-5e2a-9d7e-6a1f0c9b2d41")


def access_stream(role: str, name: str) -> UUID:
    """The stream of one principal's access: the same role and name are always the same principal."""
    return uuid5(_ACCESS, f"{role}:{name}")
