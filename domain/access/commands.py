"""What can be asked of a principal's access."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from domain.access.events import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """``public_id`` must be free; only a tester keeps it."""

    principal_id: UUID
    role: Role
    name: str
    public_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueKey:
    key_id: UUID
    key_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeKey:
    key_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Record that all personal text about the principal was erased."""


AccessCommand: TypeAlias = Register | IssueKey | RevokeKey | Forget
