"""What is worked out of the log behind the commands' back: the tiles of its hash tree, the index of the audit trail."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from api.evidence import tree
from api.evidence.tiles import grown
from api.service.ports import RefusalNote
from api.store.audit_index import Whose, index_rows
from api.store.sqlite import connect
from api.store.sqlite_store import translated
from domain.times import Instant

FORGOTTEN_AT_ONCE = 100
AT_ONCE = 1_024
"""Events of one step: some milliseconds of work, and one short transaction."""


class SQLiteDigest:
    """See Digest. A step that another process has taken meanwhile is let go.

    Its commits need not survive a power cut by themselves: what is lost is worked out again.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect(str(path))
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._whose = Whose(self._connection)

    def close(self) -> None:
        self._connection.close()

    @translated
    def head(self) -> tuple[str, int, bytes]:
        secret, position, peaks = self._one("SELECT secret, position, peaks FROM head")
        return log_origin(secret), position, tree.root(peaks)

    @translated
    def position(self) -> int:
        position: int = self._one("SELECT position FROM digest")[0]
        return position

    @translated
    def tile(self, level: int, number: int) -> bytes:
        return read_tile(self._connection, level, number)

    @translated
    def advance(self) -> int:
        before = self.position()
        rows = self._connection.execute(
            "SELECT originator_id, originator_version, topic, state, position FROM stored_events "
            "WHERE position > ? ORDER BY position LIMIT ?",
            (before, AT_ONCE),
        ).fetchall()
        if rows:
            leaves = [tree.leaf_hash(tree.leaf_bytes(UUID(stream), *rest)) for stream, *rest, _ in rows]
            tiles = list(grown(self.tile, before, leaves))
            found = index_rows(self._whose, [(at, stream, topic, state) for stream, _, topic, state, at in rows])
            self._in_transaction(lambda: self._write(before, len(rows), tiles, found))
        return len(rows)

    def _write(
        self, before: int, count: int, tiles: list[tuple[int, int, bytes]], found: Iterable[tuple[int, int]]
    ) -> None:
        moved = self._connection.execute(
            "UPDATE digest SET position = ? WHERE position = ?", (before + count, before)
        ).rowcount
        if moved:
            self._connection.executemany(
                "INSERT INTO tiles (level, number, hashes) VALUES (?, ?, ?) "
                "ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
                tiles,
            )
            self._connection.executemany(
                "INSERT INTO audit_index (key, block) VALUES (?, ?) ON CONFLICT (key, block) DO NOTHING", found
            )

    @translated
    def keep_refusals(self, notes: Sequence[RefusalNote], dropped: int, forget_before: Instant) -> None:
        self._in_transaction(lambda: self._keep(notes, dropped, forget_before))

    def _keep(self, notes: Sequence[RefusalNote], dropped: int, forget_before: Instant) -> None:
        self._connection.executemany(
            "INSERT INTO refusals (at, actor_kind, actor_id, key_id, operation, path, status, code, detail, "
            "request_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*_who(n), n.operation, n.path, n.status, n.code, n.detail, n.request_id) for n in notes],
        )
        if dropped:
            self._connection.execute("UPDATE digest SET dropped = dropped + ?", (dropped,))
        # Twice as many as came in: the table stays bounded without a long sweep.
        self._connection.execute(
            "DELETE FROM refusals WHERE number IN (SELECT number FROM refusals WHERE at < ? ORDER BY at LIMIT ?)",
            (forget_before, 2 * len(notes) + FORGOTTEN_AT_ONCE),
        )

    def _in_transaction(self, write: Callable[[], None]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            write()
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise

    def _one(self, sql: str, *params: Any) -> Any:
        return self._connection.execute(sql, params).fetchone()


def _who(note: RefusalNote) -> tuple[Instant, str, str, str]:
    return note.at, note.actor_kind, str(note.actor_id), str(note.key_id)


def read_tile(connection: sqlite3.Connection, level: int, number: int) -> bytes:
    """The hashes of a tile; none where there is no such tile."""
    row = connection.execute("SELECT hashes FROM tiles WHERE level = ? AND number = ?", (level, number)).fetchone()
    return row[0] if row else b""


def log_origin(secret: bytes) -> str:
    """The name of a log in its checkpoints: no two databases have the same."""
    return f"tallyhold/{sha256(b'log' + secret).hexdigest()[:16]}"
