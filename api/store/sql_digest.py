"""What is worked out of the log behind the commands' back: the tiles of its hash tree, the index of the audit trail."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from uuid import UUID

from api.evidence import tree
from api.evidence.tiles import WIDTH, ReadTile, grown
from api.service.ports import DigestStep, RefusalNote
from api.store.audit_index import Whose, index_rows
from api.store.row_statements import insert
from api.store.schema import SELECT_EVENTS
from api.store.sessions import Reader, Session, first
from domain.times import Instant

DIGEST_POSITION = "SELECT position FROM digest"
TILES = insert(
    "tiles",
    {"level": "INTEGER", "number": "INTEGER", "hashes": "BLOB"},
    "ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
)
PLACES = insert(
    "audit_index",
    {"key": "INTEGER", "block": "INTEGER", "places": "INTEGER"},
    "ON CONFLICT (key, block) DO UPDATE SET places = audit_index.places | excluded.places",
)
_REFUSALS = insert(
    "refusals",
    {
        "at": "INTEGER",
        "actor_kind": "TEXT",
        "actor_id": "TEXT",
        "key_id": "TEXT",
        "operation": "TEXT",
        "path": "TEXT",
        "status": "INTEGER",
        "code": "TEXT",
        "detail": "TEXT",
        "request_id": "TEXT",
    },
)
FORGOTTEN_AT_ONCE = 100
AT_ONCE = WIDTH // 2
"""Events of a usual step, at most: a tile of the tree is written twice, and commands are held up for milliseconds."""


class SQLDigest:
    """See Digest.

    Its commits need not survive a power cut by themselves: what is lost is worked out again.
    """

    def __init__(self, reader: Reader, session: Session) -> None:
        self._reader = reader
        self._session = session
        self.waits = session.waits
        self._whose = Whose(reader)

    def close(self) -> None:
        self._reader.close()
        self._session.close()

    def head(self) -> tuple[str, int, bytes]:
        ((secret, position, peaks),) = self._reader.rows("SELECT secret, position, peaks FROM head")
        return log_origin(secret), position, tree.root(peaks)

    def position(self) -> int:
        position: int = self._reader.rows(DIGEST_POSITION)[0][0]
        return position

    def tile(self, level: int, number: int) -> bytes:
        return read_tile(self._reader, level, number)

    def next_step(self, times: int = 1) -> DigestStep | None:
        before = self.position()
        sql = f"{SELECT_EVENTS} WHERE position > ? ORDER BY position LIMIT ?"
        rows = self._reader.rows(sql, (before, times * AT_ONCE - before % AT_ONCE))
        rows = [row for at, row in enumerate(rows, before + 1) if row["position"] == at]  # up to where one is missing
        return worked_out(before, rows, self.tile, self._whose) if rows else None

    def keep(self, step: DigestStep) -> None:
        with self._transaction() as position:
            if position == step.after:
                self._session.write("UPDATE digest SET position = ?", [(position + step.events,)])
                self._session.put(TILES, step.tiles)
                self._session.put(PLACES, step.places)

    def keep_refusals(self, notes: Sequence[RefusalNote], dropped: int, forget_before: Instant) -> None:
        with self._transaction():
            self._session.put(
                _REFUSALS,
                [(*_who(n), n.operation, n.path, n.status, n.code, n.detail, n.request_id) for n in notes],
            )
            if dropped:
                self._session.write("UPDATE digest SET dropped = dropped + ?", [(dropped,)])
            # Twice as many as came in: the table stays bounded without a long sweep.
            self._session.write(
                "DELETE FROM refusals WHERE number IN (SELECT number FROM refusals WHERE at < ? ORDER BY at LIMIT ?)",
                [(forget_before, 2 * len(notes) + FORGOTTEN_AT_ONCE)],
            )

    @contextmanager
    def _transaction(self) -> Iterator[int]:
        """Alone with the digest; gives its position."""
        try:
            position: int = self._session.begin(DIGEST_POSITION)[0][0]
            yield position
            self._session.commit()
        except BaseException:
            self._session.rollback()
            raise


def worked_out(before: int, rows: Sequence[Any], tile: ReadTile, whose: Whose) -> DigestStep:
    """What events after a position add, as SELECT_EVENTS gives them. Raises WrongTiles."""
    leaves = []
    for stream, version, _, topic, state in rows:
        leaves.append(tree.leaf_hash(tree.leaf_bytes(UUID(stream), version, topic, state)))
    places = index_rows(whose, [(at, stream, topic, state) for stream, _, at, topic, state in rows])
    return DigestStep(before, len(rows), tuple(grown(tile, before, leaves)), places)


def _who(note: RefusalNote) -> tuple[Instant, str, str, str]:
    return note.at, note.actor_kind, str(note.actor_id), str(note.key_id)


def read_tile(reader: Reader, level: int, number: int) -> bytes:
    """The hashes of a tile; none where there is no such tile."""
    row = first(reader.rows("SELECT hashes FROM tiles WHERE level = ? AND number = ?", (level, number)))
    return row[0] if row else b""


def log_origin(secret: bytes) -> str:
    """The name of a log in its checkpoints: no two databases have the same."""
    return f"tallyhold/{sha256(b'log' + secret).hexdigest()[:16]}"
