"""The store for many processes: recorders of the `eventsourcing` library on PostgreSQL.

What differs from the library's own: positions come from the one row of ``head``, locked until the commit, so that
they have no gaps and become visible in their order; the hash tree grows in the transaction of the events.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Literal, TypeVar
from uuid import UUID

import psycopg
from eventsourcing.persistence import InfrastructureFactory, Notification, PersistenceError, StoredEvent, Tracking
from eventsourcing.postgres import ConnectionPool, PostgresDatastore, PostgresFactory, PostgresProcessRecorder
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from api.store.application import NotOurs, Tallyhold
from api.store.schema import (
    INSERT_EVENTS,
    LOG,
    SCHEMA_VERSION,
    create_views,
    event_rows,
    in_postgres,
    stream_key,
)
from projections.replay import views_version

T = TypeVar("T")

CONNECT_SECONDS = 5
LOST_MILLISECONDS = 10_000
"""A connection on which the other side confirms nothing for so long is given up."""
LOCK_MILLISECONDS = 10_000
"""How long anybody waits for a lock."""
STATEMENT_MILLISECONDS = 15_000
ANSWER_SECONDS = 20.0
"""How long a server that does not answer is waited for: one that stands still keeps to none of its own limits."""
INTERVAL_SECONDS = 0.1
"""How soon somebody who waits hears Ctrl-C."""
STALLED_MILLISECONDS = 45_000
"""A process that does nothing for so long in the middle of a transaction loses it, and with it the head's lock.

To approve a job of 10,000 slots that is not in memory takes a busy machine eleven seconds, in which it says nothing.
"""
OURS = "tallyhold"
"""The comment on the table ``head``, so that no other program's database is taken for ours."""
MAKING = 0x54414C59
"""The advisory lock under which tables are made: one process makes them, the others find them made."""
SERVING = 0x54414C5A
"""The advisory lock of who serves a database, shared with others who do."""
REBUILDING = 0x54414C5B
"""The advisory lock of who makes its read models anew."""
LAST = 2**63 - 1
POOL_SIZE = 2

TRACKING = "CREATE TABLE IF NOT EXISTS tracking (application_name TEXT PRIMARY KEY, notification_id INTEGER)"

_AT_LEAST_ON = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)


class Impatient(psycopg.Connection[Any]):
    """A connection on which no answer is waited for for ever."""

    def wait(self, gen: PQGen[T], interval: float = INTERVAL_SECONDS, timeout: float | None = None) -> T:
        return super().wait(gen, interval, ANSWER_SECONDS if timeout is None else timeout)


def connect(url: str, kind: type[psycopg.Connection[Any]] = psycopg.Connection) -> psycopg.Connection[Any]:
    """A connection with limits on everything that can take long; each statement is a transaction unless one begins.

    What it commits is durable, also where a database or role is set to answer before that.
    """
    limits = {
        "lock_timeout": LOCK_MILLISECONDS,
        "statement_timeout": STATEMENT_MILLISECONDS,
        "idle_in_transaction_session_timeout": STALLED_MILLISECONDS,
    }
    options = " ".join(f"-c {name}={value}" for name, value in limits.items())
    own = conninfo_to_dict(url).get("options", "")
    connection = kind.connect(
        url,
        autocommit=True,
        client_encoding="utf8",  # whatever the environment says: arrays are sent as they are
        connect_timeout=CONNECT_SECONDS,
        options=f"{options} {own}".strip(),
        tcp_user_timeout=LOST_MILLISECONDS,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        application_name="tallyhold",
    )
    connection.execute(_AT_LEAST_ON)
    return connection


class Datastore(PostgresDatastore):
    """The library's datastore on a URL, with all that a URL may say."""

    def __init__(self, url: str, *, originator_id_type: Literal["uuid", "text"] = "uuid") -> None:
        super().__init__("", "", "", "", "", originator_id_type=originator_id_type)
        self.url = url
        self.pool = ConnectionPool(
            url,
            connection_class=psycopg.Connection[DictRow],
            kwargs={"row_factory": dict_row, "autocommit": True, "connect_timeout": CONNECT_SECONDS},
            min_size=0,
            max_size=POOL_SIZE,
            open=False,
            timeout=CONNECT_SECONDS,
        )

    def register_type_adapters(self) -> None:
        """We use none of the library's composite types."""


class LogRecorder(PostgresProcessRecorder):
    """Events, the head of the log with its hash tree, and the read models' checkpoint."""

    datastore: Datastore

    def __init__(self, datastore: Datastore, *, events_table_name: str = "", tracking_table_name: str = "") -> None:
        super().__init__(datastore, events_table_name="stored_events", tracking_table_name="tracking")

    def create_table(self) -> None:
        make(self.datastore.url)

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        with self.datastore.transaction(commit=True) as c:
            c.execute("SELECT position, peaks FROM head FOR UPDATE")
            head = c.fetchone()
            assert head is not None
            position = head["position"]
            rows, peaks = event_rows(position, bytes(head["peaks"]), stored_events)
            if rows:
                c.executemany(with_marks(INSERT_EVENTS.one), rows)
            end = position + len(stored_events)
            c.execute("UPDATE head SET position = %s, peaks = %s", (end, peaks))
            c.execute("NOTIFY stored_events")
            tracking: Tracking | None = kwargs.get("tracking")
            if tracking is not None:
                self._insert_tracking(c, tracking)
        return list(range(position + 1, end + 1))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        assert isinstance(originator_id, UUID)
        with self.datastore.get_connection() as connection:
            rows = connection.execute(
                "SELECT originator_version, topic, state FROM stored_events WHERE originator_id = %s "
                "AND originator_version > %s AND originator_version <= %s "
                f"ORDER BY originator_version {'DESC' if desc else 'ASC'} LIMIT %s",
                (
                    stream_key(originator_id),
                    -1 if gt is None else gt,
                    LAST if lte is None else lte,
                    LAST if limit is None else limit,
                ),
            ).fetchall()
        return [StoredEvent(originator_id, row["originator_version"], row["topic"], row["state"]) for row in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events by position, from ``start`` to ``stop``; null means from the first, to the last."""
        first = 0 if start is None else start + (not inclusive_of_start)
        with self.datastore.get_connection() as connection:
            rows = connection.execute(
                "SELECT position, originator_id, originator_version, topic, state FROM stored_events "
                "WHERE position >= %s AND position <= %s AND (%s OR topic = ANY(%s)) ORDER BY position LIMIT %s",
                (first, LAST if stop is None else stop, not topics, list(topics), limit),
            ).fetchall()
        return [
            Notification(
                id=row["position"],
                originator_id=UUID(row["originator_id"]),
                originator_version=row["originator_version"],
                topic=row["topic"],
                state=row["state"],
            )
            for row in rows
        ]

    def max_notification_id(self) -> int | None:
        with self.datastore.get_connection() as connection:
            row = connection.execute("SELECT position FROM head").fetchone()
        assert row is not None
        return row["position"] or None


class Factory(PostgresFactory):
    """Makes the recorders of this store."""

    process_recorder_class = LogRecorder  # type: ignore[assignment]
    application_recorder_class = LogRecorder  # type: ignore[assignment]
    tracking_recorder_class = LogRecorder  # type: ignore[assignment]

    def __init__(self, env: Any) -> None:
        InfrastructureFactory.__init__(self, env)
        self.datastore = Datastore(self.env.get("POSTGRES_URL") or "")


def with_marks(sql: str) -> str:
    """Our SQL with psycopg's marks for parameters."""
    return sql.replace("?", "%s")


def open_log(url: str, *, make_it: bool = True) -> Tallyhold:
    """The log in a database, made if there is none and that is wanted. Raises NotOurs with a sentence for people."""
    with telling(url):
        if not is_made(url):
            if not make_it:
                raise NotOurs(f"The database {shown(url)} has no tables of this program.")
            make(url)
        return Tallyhold(Factory, {"POSTGRES_URL": url, "CREATE_TABLE": "n"})


@contextmanager
def telling(url: str) -> Iterator[None]:
    try:
        yield
    except (psycopg.Error, PersistenceError) as error:
        reason = " ".join(str(error).split()).rstrip(".?")
        raise NotOurs(f"The database {shown(url)} cannot be opened: {reason}.") from error


def shown(url: str) -> str:
    """Which database a URL names, without its password."""
    named = conninfo_to_dict(url)
    return f"{named.get('dbname', 'of the user')} on {named.get('host', 'the local socket')}"


def name_of(url: str) -> str:
    """A name for files: host, port and database."""
    said = conninfo_to_dict(url)
    parts = (said.get("host") or "localhost", said.get("port") or 5432, said.get("dbname") or "postgres")
    return "-".join(str(part).replace("/", "_") for part in parts)


def is_made(url: str) -> bool:
    """Whether the tables are there. Raises NotOurs for a database of another program or schema, and leaves it so."""
    with connect(url) as connection:
        return _is_made(connection, url)


def _is_made(connection: psycopg.Connection[Any], url: str) -> bool:
    tables: Mapping[str, str | None] = dict(
        connection.execute(
            "SELECT relname, obj_description(oid, 'pg_class') FROM pg_class "
            "WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
        ).fetchall()
    )
    if tables.get("head") != OURS:
        if tables:
            raise NotOurs(f"The database {shown(url)} belongs to another program.")
        return False
    row = connection.execute("SELECT schema_version FROM head").fetchone()
    if row is None or row[0] != SCHEMA_VERSION:
        version = row[0] if row else "no"
        raise NotOurs(f"The database {shown(url)} has schema version {version}; this program's is {SCHEMA_VERSION}.")
    return True


def make(url: str) -> None:
    """Make all tables in one transaction, unless they are there. Any number of processes may call it at once."""
    with connect(url) as connection, connection.transaction():
        make_tables(connection, url)


def make_tables(connection: psycopg.Connection[Any], url: str) -> bool:
    """Make all tables within a transaction; false if they are there. Raises NotOurs."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING,))
    if _is_made(connection, url):
        return False
    for statement in (*LOG, *create_views(), TRACKING):
        connection.execute(in_postgres(statement))
    connection.execute(f"COMMENT ON TABLE head IS '{OURS}'")
    connection.execute(
        "INSERT INTO head (id, position, peaks, last_time, schema_version, views_version, secret) "
        "SELECT 1, 0, ''::bytea, (extract(epoch from clock_timestamp()) * 1000)::bigint, %s, %s, %s",
        (SCHEMA_VERSION, views_version(), os.urandom(16)),
    )
    connection.execute("INSERT INTO digest (id, position, dropped) VALUES (1, 0, 0)")
    return True


def served(url: str) -> AbstractContextManager[None]:
    """Serve a database beside others who do. Raises NotOurs while somebody must be alone with it."""
    why_not = f"The database {shown(url)} is not to be served just now; try again in some seconds."
    return _holding(url, "pg_try_advisory_lock_shared", SERVING, why_not)


def unserved(url: str) -> AbstractContextManager[None]:
    """Let nobody serve a database. Raises NotOurs while somebody does."""
    why_not = f"The database {shown(url)} is being served; stop all its servers first."
    return _holding(url, "pg_try_advisory_lock", SERVING, why_not)


def rebuilt_alone(url: str) -> AbstractContextManager[None]:
    """Rebuild a database's read models, and nobody else. Raises NotOurs while somebody does."""
    why_not = f"The read models of {shown(url)} are being rebuilt already."
    return _holding(url, "pg_try_advisory_lock", REBUILDING, why_not)


def is_served_by(connection: psycopg.Connection[Any]) -> bool:
    """Let a connection hold the lock of who serves; false while somebody must be alone with the database."""
    return bool(connection.execute("SELECT pg_try_advisory_lock_shared(%s)", (SERVING,)).fetchall()[0][0])


@contextmanager
def _holding(url: str, take: str, lock: int, why_not: str) -> Iterator[None]:
    """Hold a lock as long as a connection of its own: the database frees it however that ends."""
    with telling(url):
        connection = connect(url)
    with closing(connection):
        if not connection.execute(f"SELECT {take}(%s)", (lock,)).fetchall()[0][0]:
            raise NotOurs(why_not)
        yield


class DatabaseClock:
    """The database's time, carried on by this machine's steady clock between two looks at it."""

    def __init__(self) -> None:
        self._ahead = time.time_ns() // 1_000_000 - _steady()

    def set(self, now: int) -> None:
        """What the database said just now."""
        self._ahead = now - _steady()

    def now(self) -> int:
        return self._ahead + _steady()


def _steady() -> int:
    return time.monotonic_ns() // 1_000_000


def claim_mode(url: str, *, sandbox: bool) -> None:
    """Serve a database in one mode for ever. Raises NotOurs if it was served in the other one before."""
    wanted = "sandbox" if sandbox else "real"
    with telling(url), connect(url) as connection, connection.transaction():
        row = connection.execute("SELECT mode FROM head FOR UPDATE").fetchone()
        mode = row[0] if row else None
        if mode is None:
            # The virtual clock begins where the database did, or at the last thing that happened in it.
            connection.execute(
                "UPDATE head SET mode = %s, sandbox_now = CASE WHEN %s THEN last_time END", (wanted, sandbox)
            )
        elif mode != wanted:
            flag = "with" if mode == "sandbox" else "without"
            raise NotOurs(f"The database {shown(url)} is of mode {mode} for ever; serve it {flag} --sandbox.")
