"""Running the platform: principals and their keys, and the sandbox's clock."""

from typing import Annotated, Literal

from pydantic import Field

from api.http.schemas.base import Answer, Request
from api.http.schemas.common import Page
from api.http.schemas.fields import NOT_BLANK, Id, IdOut, InstantIn, InstantOut
from domain.access.events import Role


class PrincipalBody(Request):
    role: Role
    name: Annotated[str, Field(max_length=100, pattern=NOT_BLANK, description="Printable characters only.")]


class KeyBody(Request):
    """A further key for a principal."""

    principal_id: Id


class ClockBody(Request):
    """How far the sandbox's clock moves on; ten years at most. A dry run does not tell what would fall due."""

    advance_seconds: Annotated[int, Field(ge=0, le=315_360_000)]


class StatementQuery(Request):
    """Charges at or after ``from`` and before ``to``."""

    from_: Annotated[InstantIn | None, Field(alias="from")] = None
    to: InstantIn | None = None


class PrincipalAnswer(Answer):
    """``publicId`` is the number of a tester, null for the others."""

    principal_id: IdOut
    role: Role
    name: str
    public_id: int | None


class KeyAnswer(Answer):
    """``key`` is shown once; null when the answer is a repeat."""

    key_id: IdOut
    key: str | None
    role: Role
    name: str
    principal_id: IdOut
    public_id: int | None


class KeyRevoked(Answer):
    """A revoked key is worthless for ever."""

    key_id: IdOut
    revoked: Literal[True]


class KeyItem(Answer):
    key_id: IdOut
    principal_id: IdOut
    role: Role
    name: str
    created_at: InstantOut
    revoked_at: InstantOut | None


class KeyPage(Page[KeyItem]):
    pass


class ClockAnswer(Answer):
    """The instant at which the sandbox's clock stands now."""

    now: InstantOut
