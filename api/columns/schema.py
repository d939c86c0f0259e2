"""The columns of a partition, one row an event. Money is whole cents in integers; times are milliseconds in UTC.

``event`` is the fact as it is stored, JSON; of it the ids and the cents are also columns of their own, so that sums can
be made without reading it. The rest of the envelope (who, why) stays in the log.
"""

from collections.abc import Mapping
from dataclasses import fields

import pyarrow as pa

from domain.catalogue import EVENTS

FORM = 1
"""Another number for every form that a program of before could not read."""

PARTIES = ("owner_id", "job_id", "tester_id")
CENTS = (
    "amount_cents",
    "hold_cents",
    "held_cents",
    "released_cents",
    "payout_cents",
    "fee_cents",
    "fee_returned_cents",
    "credits_cents",
    "receivable_cents",
    "difference_cents",
)
REPEATED = ("name", *PARTIES, "account")
"""What many events have in common: stored as numbers of a dictionary. For the others making one only takes time."""
OUTSIDE = ("account", "dated_at")
"""Of events that tell what happened at the gateway or the bank: which account is adjusted, and when it happened."""

SCHEMA = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("stream", pa.uuid(), nullable=False),
        pa.field("version", pa.int32(), nullable=False),
        pa.field("name", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("occurred_at", pa.int64(), nullable=False),
        pa.field("recorded_at", pa.int64(), nullable=False),
        *(pa.field(name, pa.uuid()) for name in PARTIES),
        *(pa.field(name, pa.int64()) for name in CENTS),
        pa.field("account", pa.string()),
        pa.field("dated_at", pa.int64()),
        pa.field("event", pa.binary(), nullable=False),
    ]
)


COLUMNS_OF: Mapping[str, frozenset[str]] = {
    name: frozenset(field.name for field in fields(event)) & {*PARTIES, *CENTS, *OUTSIDE}
    for name, event in EVENTS.items()
}
"""What of an event is a column of its own, by the event's name."""

_FOOTER = "tallyhold.{}".format


def footer_of(log: str, bucket: int) -> dict[str, str]:
    """What a partition's file says of itself."""
    return {_FOOTER("form"): str(FORM), _FOOTER("log"): log, _FOOTER("bucket"): str(bucket)}
