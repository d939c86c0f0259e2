"""The tables of a database: the log, its head, kept answers, and the rows of the read models."""

from collections.abc import Iterator

from projections.read_model import Table
from projections.replay import TABLES

SCHEMA_VERSION = 3

LOG = (
    "CREATE TABLE IF NOT EXISTS stored_events (position INTEGER PRIMARY KEY, originator_id TEXT NOT NULL, "
    "originator_version INTEGER NOT NULL, topic TEXT NOT NULL, state BLOB NOT NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS stored_events_stream ON stored_events (originator_id, originator_version)",
    "CREATE TABLE IF NOT EXISTS head (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, "
    "peaks BLOB NOT NULL, last_time INTEGER NOT NULL, next_due INTEGER, mode TEXT, sandbox_now INTEGER, "
    "schema_version INTEGER NOT NULL, views_version TEXT NOT NULL, secret BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS kept_answers (number INTEGER PRIMARY KEY, scope BLOB NOT NULL, "
    "fingerprint BLOB NOT NULL, kept_at INTEGER NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL, "
    "location TEXT, etag TEXT, position INTEGER NOT NULL, purchase_id TEXT)",
    "CREATE UNIQUE INDEX IF NOT EXISTS kept_answers_scope ON kept_answers (scope)",
    "CREATE INDEX IF NOT EXISTS kept_answers_purchase ON kept_answers (purchase_id) WHERE purchase_id IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS tiles (level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL, "
    "PRIMARY KEY (level, number))",
    "CREATE TABLE IF NOT EXISTS audit_index (key INTEGER NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (key, block)) "
    "WITHOUT ROWID",
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
virtual clock. ``secret`` signs the cursors of lists; it protects nothing else.
``tiles`` are the hash tree's nodes, ``audit_index`` what the audit trail is searched by, both up to the position of
``digest``: worked out of the log behind the commands. ``dropped`` counts refusals that were too many to be kept.
"""


def create_views() -> Iterator[str]:
    """The tables of the read models, with their indexes."""
    for table in TABLES:
        yield create_table(table)
        yield from create_indexes(table)


def create_table(table: Table) -> str:
    columns = ", ".join(
        f"{name} {kind} PRIMARY KEY" if name == table.primary_key else f"{name} {kind}"
        for name, kind in table.columns.items()
    )
    suffix = "" if table.columns[table.primary_key] == "INTEGER" else " WITHOUT ROWID"
    return f"CREATE TABLE IF NOT EXISTS {table.name} ({columns}){suffix}"


def create_indexes(table: Table) -> Iterator[str]:
    for number, index in enumerate(table.indexes):
        unique = "UNIQUE " if index.unique else ""
        where = f" WHERE {index.where}" if index.where else ""
        yield (
            f"CREATE {unique}INDEX IF NOT EXISTS {table.name}_{number} "
            f"ON {table.name} ({', '.join(index.columns)}){where}"
        )


def drop_views() -> Iterator[str]:
    for table in TABLES:
        yield f"DROP TABLE IF EXISTS {table.name}"
