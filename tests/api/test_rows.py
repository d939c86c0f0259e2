"""Changes of a batch written together leave the rows that they leave one by one."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.store.postgres_session import PostgresSession
from api.store.rows import RowBatch
from api.store.schema import create_table, create_views, in_postgres
from projections.read_model import Add, Change, Insert, Table, Update, Value
from projections.replay import TABLES, changes
from tests.local import tables
from tests.postgres import a_database
from tests.simulation.books import File
from tests.simulation.living import live

THINGS = Table(
    name="things",
    key="name",
    primary_key="position",
    columns={
        "position": "INTEGER",
        "name": "TEXT",
        "color": "TEXT",
        "size": "INTEGER",
        "weight": "INTEGER",
        "stamp": "BLOB",
    },
)
SUMS = Table(
    name="sums", key="name", primary_key="name", columns={"name": "TEXT", "debit": "INTEGER", "credit": "INTEGER"}
)

AMOUNTS = st.integers(-5, 5)
COLORS = st.sampled_from(["red", "bläulich", "", 'NULL, "\\x00" {}', None])
STAMPS = st.sampled_from([b"", b"\\x41", bytes(range(256)), None])


@st.composite
def some_changes(draw: st.DrawFn) -> list[Change]:
    """Changes as projections make them: a row is inserted once, before it is updated."""
    there = ["old 0", "old 1"]
    made: list[Change] = []
    for _ in range(draw(st.integers(0, 25))):
        match draw(st.sampled_from(["insert", "update", "update", "add"])):
            case "insert":
                there.append(f"new {len(there)}")
                row: dict[str, Value] = {
                    "position": len(there),
                    "name": there[-1],
                    "color": draw(COLORS),
                    "size": draw(AMOUNTS),
                    "weight": draw(AMOUNTS),
                    "stamp": draw(STAMPS),
                }
                made.append(Insert(THINGS, there[-1], row))
            case "update":
                made.append(_update(draw, draw(st.sampled_from(there))))
            case _:
                name = draw(st.sampled_from("ABC"))
                added = {"debit": draw(AMOUNTS), "credit": draw(AMOUNTS)}
                made.append(Add(SUMS, name, {"name": name}, added))
    return made


def _update(draw: st.DrawFn, name: str) -> Update:
    """Sets some columns and adds to others, never both at once to one."""
    added = draw(st.dictionaries(st.sampled_from(["size", "weight"]), AMOUNTS, max_size=2))
    values: dict[str, Value] = {}
    if draw(st.booleans()) or not added:
        values["color"] = draw(COLORS)
    if draw(st.booleans()):
        values["stamp"] = draw(STAMPS)
    if "size" not in added and draw(st.booleans()):
        values["size"] = draw(AMOUNTS)
    return Update(THINGS, name, values, added)


MAKE = [create_table(table) for table in (THINGS, SUMS)] + ["CREATE UNIQUE INDEX things_name ON things (name)"]
FIRST_ROWS = (
    "INSERT INTO things VALUES (0, 'old 0', 'blue', 1, 10, NULL), (-1, 'old 1', NULL, 2, 20, NULL)",
    "INSERT INTO sums VALUES ('A', 100, 200)",
)
SHOW = {name: f"SELECT * FROM {name} ORDER BY name" for name in ("things", "sums")}


def written(batches: Iterable[Iterable[Change]]) -> dict[str, list[Any]]:
    """The rows after some batches, each written as one."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in (*MAKE, *FIRST_ROWS):
            connection.execute(statement)
        for batch in batches:
            write(connection, batch)
        return {name: connection.execute(show).fetchall() for name, show in SHOW.items()}


def write(connection: sqlite3.Connection, batch: Iterable[Change]) -> None:
    gathered = RowBatch()
    gathered.take(batch)
    for statement, rows in gathered.statements():
        connection.executemany(statement.one, rows)


@settings(deadline=None, max_examples=150)
@given(some_changes(), st.lists(st.integers(0, 25), max_size=3))
def test_coalescing_a_batch_equals_applying_one_by_one(changed: list[Change], cuts: list[int]) -> None:
    one_by_one = written([one] for one in deepcopy(changed))
    assert written([deepcopy(changed)]) == one_by_one
    edges = [0, *sorted(cuts), len(changed)]
    in_parts = (changed[begin:end] for begin, end in pairwise(edges))
    assert written(deepcopy(list(in_parts))) == one_by_one


@pytest.fixture(scope="module")
def session(postgres_server: str) -> Iterator[PostgresSession]:
    """A session on tables without rows, whatever the environment says of encodings."""
    with pytest.MonkeyPatch.context() as patch, a_database(postgres_server) as url:
        patch.setenv("PGCLIENTENCODING", "LATIN1")
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in (*MAKE, "CREATE TABLE head (position INTEGER)"):
                connection.execute(in_postgres(statement).encode())
        with closing(PostgresSession(url)) as session:
            yield session


@settings(deadline=None)
@given(some_changes())
def test_a_set_of_rows_is_written_as_one_row_after_the_other(session: PostgresSession, changed: list[Change]) -> None:
    one_by_one = written([deepcopy(changed)])
    batch = RowBatch()
    batch.take(changed)
    session.begin("SELECT position FROM head")
    try:
        for first_rows in FIRST_ROWS:
            session.write(first_rows, [()])
        for statement, rows in batch.statements():
            session.put(statement, rows)
        assert {name: session.read(show) for name, show in SHOW.items()} == one_by_one
    finally:
        session.rollback()


@settings(deadline=None)
@given(some_changes())
def test_one_row_is_written_once(changed: list[Change]) -> None:
    batch = RowBatch()
    batch.take(changed)
    rows = sum(len(written) for _, written in batch.statements())
    assert rows == len({(change.table.name, change.key) for change in changed})


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a long random life in it."""
    path = tmp_path_factory.mktemp("lived") / "tallyhold.sqlite"
    live(path, 250)
    return path


def replayed(path: Path, folder: Path, sizes: Sequence[int]) -> dict[str, Any]:
    """The rows that the file's events leave when they come in batches of these sizes, over and over."""
    fresh = folder / f"{'-'.join(map(str, sizes))}.sqlite"
    events = File(path).recorded
    with closing(sqlite3.connect(fresh)) as connection, connection:
        for statement in create_views():
            connection.execute(statement)
        begin, turn = 0, 0
        while begin < len(events):
            end = begin + sizes[turn % len(sizes)]
            write(connection, changes(events[begin:end]))
            begin, turn = end, turn + 1
    return tables(fresh)


@pytest.mark.parametrize("sizes", [(1,), (2, 3), (7, 1, 40), (10_000,)], ids=str)
def test_every_read_model_is_the_same_whatever_the_batches_were(
    lived: Path, tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    live, rows = tables(lived), replayed(lived, tmp_path, sizes)
    for table in TABLES:
        assert rows[table.name] == live[table.name], table.name
