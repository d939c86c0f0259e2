"""The tables of a database: the log, its head, kept answers, and the rows of the read models."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from operator import attrgetter
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from api.evidence import tree
from api.store.row_statements import insert
from projections.read_model import Table
from projections.replay import TABLES

SCHEMA_VERSION = 7
APPLICATION = "tallyhold"
"""Stored with the checkpoint of the read models."""
RECENT_STREAMS = 16_384

stream_key: Callable[[UUID], str] = lru_cache(RECENT_STREAMS)(attrgetter("hex"))
"""A stream's id as it is stored."""

SELECT_EVENTS = "SELECT originator_id, originator_version, position, topic, state FROM stored_events"
INSERT_EVENTS = insert(
    "stored_events",
    {
        "position": "INTEGER",
        "originator_id": "TEXT",
        "originator_version": "INTEGER",
        "topic": "TEXT",
        "state": "BLOB",
    },
)

DIGEST = {
    "tiles": "CREATE TABLE IF NOT EXISTS tiles (level INTEGER NOT NULL, number INTEGER NOT NULL, "
    "hashes BLOB NOT NULL, PRIMARY KEY (level, number))",
    "audit_index": "CREATE TABLE IF NOT EXISTS audit_index (key INTEGER NOT NULL, block INTEGER NOT NULL, "
    "places INTEGER NOT NULL, PRIMARY KEY (key, block)) WITHOUT ROWID",
}
"""The tables that are worked out of the log behind the commands."""

FIRST_TO_BE_MADE_ANEW = (TABLES[0].name, next(iter(DIGEST)))
"""Of the tables that are made anew together, those of read models and those of the digest, the one that is dropped
first: nothing is made anew while somebody holds both."""

LOG = (
    "CREATE TABLE IF NOT EXISTS stored_events (position INTEGER PRIMARY KEY, originator_id TEXT NOT NULL, "
    "originator_version INTEGER NOT NULL, topic TEXT NOT NULL, state BLOB NOT NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS stored_events_stream ON stored_events (originator_id, originator_version)",
    "CREATE TABLE IF NOT EXISTS head (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, "
    "peaks BLOB NOT NULL, last_time INTEGER NOT NULL, next_due INTEGER, mode TEXT, sandbox_now INTEGER, "
    "schema_version INTEGER NOT NULL, views_version TEXT NOT NULL, views_generation INTEGER NOT NULL DEFAULT 0, "
    "secret BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS snapshots (stream TEXT PRIMARY KEY, version INTEGER NOT NULL, form TEXT NOT NULL, "
    "state BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS kept_answers (number INTEGER PRIMARY KEY, scope BLOB NOT NULL, "
    "fingerprint BLOB NOT NULL, kept_at INTEGER NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL, "
    "location TEXT, etag TEXT, position INTEGER NOT NULL, purchase_id TEXT)",
    "CREATE UNIQUE INDEX IF NOT EXISTS kept_answers_scope ON kept_answers (scope)",
    "CREATE INDEX IF NOT EXISTS kept_answers_purchase ON kept_answers (purchase_id) WHERE purchase_id IS NOT NULL",
    *DIGEST.values(),
    "CREATE TABLE IF NOT EXISTS digest (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, "
    "dropped INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS refusals (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor_kind TEXT NOT NULL, "
    "actor_id TEXT NOT NULL, key_id TEXT NOT NULL, operation TEXT NOT NULL, path TEXT NOT NULL, "
    "status INTEGER NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL, request_id TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS refusals_actor ON refusals (actor_id, number)",
    "CREATE INDEX IF NOT EXISTS refusals_at ON refusals (at)",
)
"""``position`` counts events from 1 without a gap; ``peaks`` are the hash tree's over all of them.

``mode`` is ``real`` or ``sandbox`` once the database was served, and never changes then; ``sandbox_now`` is the
virtual clock. ``views_generation`` counts how often the read models were made anew. ``secret`` signs the cursors of
lists; it protects nothing else.
``snapshots`` are states of long streams, see api.service.snapshots: they may be lost at any time.
``tiles`` are the hash tree's nodes, ``audit_index`` what the audit trail is searched by, both up to the position of
``digest``: worked out of the log behind the commands. ``dropped`` counts refusals that were too many to be kept.
"""


def create_views() -> Iterator[str]:
    """The tables of the read models, with their indexes."""
    for table in TABLES:
        yield create_table(table)
        yield from create_indexes(table, "0")


def create_table(table: Table) -> str:
    columns = ", ".join(
        f"{name} {kind} PRIMARY KEY" if name == table.primary_key else f"{name} {kind}"
        for name, kind in table.columns.items()
    )
    suffix = "" if table.columns[table.primary_key] == "INTEGER" else " WITHOUT ROWID"
    return f"CREATE TABLE IF NOT EXISTS {table.name} ({columns}){suffix}"


def create_indexes(table: Table, generation: str) -> Iterator[str]:
    """The indexes of a table; their names must be new, for those of the table that it replaces keep theirs."""
    for number, index in enumerate(table.indexes):
        unique = "UNIQUE " if index.unique else ""
        where = f" WHERE {index.where}" if index.where else ""
        name = f"{table.name}_{number}_{generation}"
        yield f"CREATE {unique}INDEX IF NOT EXISTS {name} ON {table.name} ({', '.join(index.columns)}){where}"


def event_rows(
    position: int, peaks: bytes, stored: Sequence[StoredEvent]
) -> tuple[list[tuple[int, str, int, str, bytes]], bytes]:
    """What INSERT_EVENTS takes to write events after a position, and the peaks of the tree with them."""
    rows = []
    leaves = []
    for number, event in enumerate(stored, position + 1):
        stream = event.originator_id
        assert isinstance(stream, UUID)
        rows.append((number, stream_key(stream), event.originator_version, event.topic, event.state))
        leaves.append(tree.leaf_bytes(stream, event.originator_version, event.topic, event.state))
    return rows, tree.append(position, peaks, leaves)


_IN_POSTGRES = {
    "number INTEGER PRIMARY KEY": "number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "INTEGER": "BIGINT",
    "TEXT": 'TEXT COLLATE "C"',
    "BLOB": "BYTEA",
    " WITHOUT ROWID": "",
}
_WORDS = re.compile("|".join(_IN_POSTGRES))


def in_postgres(statement: str) -> str:
    """A statement that makes a table, in PostgreSQL's words. Text is ordered by its bytes in both dialects."""
    return _WORDS.sub(lambda found: _IN_POSTGRES[found[0]], statement)
