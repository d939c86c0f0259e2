"""Who may use the platform: a principal, its role, and its keys. A key itself is nowhere, only its hash."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID


class Role(StrEnum):
    OWNER = "owner"
    TESTER = "tester"
    OPERATOR = "operator"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """``public_id`` is the number by which a tester is shown to owners; null for other roles."""

    principal_id: UUID
    role: Role
    name: str
    public_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyIssued:
    key_id: UUID
    key_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevoked:
    key_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """The key under which all personal text about the principal was sealed is destroyed: nobody can read it any more.

    Money, and the API keys with which it can be withdrawn, are as they were.
    """

    principal_id: UUID


AccessEvent: TypeAlias = Registered | KeyIssued | KeyRevoked | Forgotten
