"""The demonstration."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from api.cli.demo import DemoFailed, play
from api.program.platform import database_at, open_platform
from api.program.terminal import failing_in_one_sentence
from api.settings import read_settings
from api.store.application import Tallyhold
from api.store.sql_reads import SQLReads


def demo(
    db: Annotated[
        str | None, typer.Option("--db", help="keep the database: sqlite:///FILE or postgresql://..., a new one")
    ] = None,
) -> None:
    """Play a job's whole life against a real server, and show every event, entry and balance."""
    with failing_in_one_sentence():
        settings = read_settings(db=db)
        kept = settings.db if "db" in settings.model_fields_set else None
        if kept is not None and (database := database_at(settings)).is_there():
            raise DemoFailed(f"{database} exists already; the demo needs a name for a new database.")
        play(kept, _reading)


@contextmanager
def _reading(url: str) -> Iterator[tuple[Tallyhold, SQLReads]]:
    with open_platform(database_at(read_settings(db=url))) as platform:
        yield platform.log, platform.reads
