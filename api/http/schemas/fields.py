"""The field types that several schemas share, and the patterns that texts are held to."""

from typing import Annotated, Any, TypeAlias
from uuid import UUID

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from api.http.schemas.instants import parse_instant
from domain.catalogue import EVENTS
from domain.job.feedback import GREATEST_INTEGER
from domain.money import MAX_HOLD_CENTS
from domain.recorded import ActorKind

NOT_BLANK = r"[^\s\x1c-\x1f]"
"""Something is left when blanks around it are taken away; for Python the separators are blanks too."""
SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
UUID_TEXT = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
UTC_TEXT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z$"
TESTER_TEXT = rf"({UUID_TEXT})|(^[1-9][0-9]{{0,17}}$)"
ACTOR_TEXT = rf"({UUID_TEXT})|(^({'|'.join(kind.value for kind in ActorKind)})$)"
_EVENT_TYPE = f"({'|'.join(name.replace('.', '[.]') for name in EVENTS)})"
EVENT_TYPE_TEXT = f"^{_EVENT_TYPE}$"
EVENT_TYPES_TEXT = f"^{_EVENT_TYPE}(,{_EVENT_TYPE})*$"
REQUEST_ID_TEXT = "^[A-Za-z0-9._:/+=-]+$"
WEB_URL = r'^[hH][tT][tT][pP][sS]?://[^\x00-\x20\x7f\\<>"/?#:@][^\x00-\x20\x7f\\<>"]*$'

PHRASES = {
    SLUG: "a slug of small letters, digits and single hyphens",
    TESTER_TEXT: "a tester's UUID, a public id as digits",
    ACTOR_TEXT: f"a principal's UUID or one of {', '.join(ActorKind)}",
    EVENT_TYPE_TEXT: f"one of {', '.join(EVENTS)}",
    EVENT_TYPES_TEXT: f"one or more of {', '.join(EVENTS)}, with commas between them,",
    REQUEST_ID_TEXT: "a request's id: A-Z a-z 0-9 . _ : / + = - alone",
    WEB_URL: "an http or https URL without spaces",
}
"""How a sentence names what a pattern wants."""


class _UuidText:
    """A UUID in its usual form alone, without the braces and prefixes that UUID parsers also take."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(pattern=UUID_TEXT, strict=True)
        return core_schema.chain_schema([text, core_schema.uuid_schema(strict=False)])

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": "uuid"}


class _InstantText:
    """A date-time text that becomes milliseconds since the epoch."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(max_length=100, strict=True)
        return core_schema.no_info_after_validator_function(parse_instant, text)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": "date-time", "maxLength": 100}


Id: TypeAlias = Annotated[UUID, _UuidText()]
InstantIn: TypeAlias = Annotated[int, _InstantText()]
IdOut: TypeAlias = Annotated[str, Field(pattern=UUID_TEXT), WithJsonSchema({"type": "string", "format": "uuid"})]
InstantOut: TypeAlias = Annotated[
    str, Field(pattern=UTC_TEXT), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""A time in UTC with Z, in milliseconds at most."""

Cents: TypeAlias = Annotated[int, Field(ge=0, le=MAX_HOLD_CENTS)]
"""Money that a client names, in cents; no more than a job can hold."""

MovedCents: TypeAlias = Annotated[int, Field(ge=1, le=100_000_000)]
LongText: TypeAlias = Annotated[str, Field(max_length=10_000)]
RequiredText: TypeAlias = Annotated[str, Field(max_length=10_000, pattern=NOT_BLANK)]
Label: TypeAlias = Annotated[str, Field(max_length=500, pattern=NOT_BLANK)]
Word: TypeAlias = Annotated[str, Field(max_length=64, pattern=NOT_BLANK)]
Name: TypeAlias = Annotated[str, Field(max_length=128, pattern=NOT_BLANK)]
Secret: TypeAlias = Annotated[str, Field(min_length=1, max_length=128)]
Whole: TypeAlias = Annotated[int, Field(ge=-GREATEST_INTEGER, le=GREATEST_INTEGER)]
Number: TypeAlias = Whole | Annotated[float, Field(ge=-GREATEST_INTEGER, le=GREATEST_INTEGER, allow_inf_nan=False)]
