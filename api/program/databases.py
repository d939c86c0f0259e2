"""Commands that look after a database as a whole."""

from api.cli.progress import progress
from api.program.platform import database_at, existing
from api.program.terminal import Db, failing_in_one_sentence
from api.settings import read_settings
from api.store.databases import Database
from api.store.rebuild import is_outdated, rebuild


def migrate(db: Db = None) -> None:
    """Make the tables, or bring read models of another version up to this program's. Stop the servers first."""
    with failing_in_one_sentence():
        database = database_at(read_settings(db=db))
        database.log().close()
        if is_outdated(database):
            print(f"read models rebuilt from {rebuild_with_progress(database)} events")
        print(f"{database} is ready for this program")


def rebuild_command(db: Db = None) -> None:
    """Make all read models anew from the log, beside whatever server there is."""
    with failing_in_one_sentence():
        count = rebuild_with_progress(existing(read_settings(db=db)))
        print(f"rebuilt from {count} events")


def rebuild_with_progress(database: Database) -> int:
    with progress("rebuilding read models") as told:
        return rebuild(database, told)
