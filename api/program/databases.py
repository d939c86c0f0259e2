"""Commands that look after a database as a whole."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from api.cli.progress import progress
from api.program.platform import check_forms, database_at, existing
from api.program.terminal import Db, failing_in_one_sentence
from api.settings import read_settings
from api.store.backup import copy_keys, forgotten, restore_keys
from api.store.databases import Database
from api.store.rebuild import digest_anew, is_outdated, rebuild


def migrate(db: Db = None) -> None:
    """Make the tables, or bring read models of another version up to this program's. Stop the servers first."""
    with failing_in_one_sentence():
        database = database_at(read_settings(db=db))
        check_forms(database)
        if is_outdated(database):
            print(f"read models rebuilt from {rebuild_with_progress(database)} events")
        print(f"{database} is ready for this program")


def rebuild_command(db: Db = None) -> None:
    """Make all read models anew from the log, beside whatever server there is.

    Whoever serves then works audit index and hash tree's tiles out again, beside the commands.
    """
    with failing_in_one_sentence():
        database = existing(read_settings(db=db))
        count = rebuild_with_progress(database)
        digest_anew(database)
        print(f"rebuilt from {count} events")


SealingKeysOnly = Annotated[
    bool, typer.Option("--sealing-keys", help="the keys of persons, still wrapped, instead of log and read models")
]


def backup_command(
    file: Annotated[Path, typer.Argument(help="a new file")],
    sealing_keys: SealingKeysOnly = False,
    db: Db = None,
) -> None:
    """Copy the database to one file, beside whatever server there is; whole or not there.

    The file is a SQLite database whichever the store: verify and reconcile it as it is, restore it onto either store.
    Keys of persons are copied apart, to be kept apart: destroying a key and its copies erases a person's words
    in every copy of the log.
    """
    with failing_in_one_sentence():
        database, file = existing(read_settings(db=db)), file.absolute()
        if sealing_keys:
            with closing(database.sealing_keys()) as keys:
                print(f"copied the keys of {copy_keys(keys, file)} persons to {file}")
        else:
            print(f"copied {database.back_up(file)} events to {file}; tallyhold verify --db sqlite:///{file} checks it")


def restore_command(
    file: Annotated[Path, typer.Argument(help="what backup has written")],
    sealing_keys: SealingKeysOnly = False,
    db: Db = None,
) -> None:
    """Make a new database of a backup, whole or not at all; or give a restored one the keys of persons.

    Keys of those who were forgotten by then, as the restored log has it, stay destroyed.
    """
    with failing_in_one_sentence():
        settings, file = read_settings(db=db), file.absolute()
        if sealing_keys:
            database = existing(settings)
            with closing(database.log()) as log:
                gone = forgotten(log)
            with closing(database.sealing_keys()) as keys:
                print(f"restored the keys of {restore_keys(file, keys, gone)} persons")
            return
        database = database_at(settings)
        print(f"restored {database.restore(file)} events to {database}")
        if is_outdated(database):
            print(f"read models rebuilt from {rebuild_with_progress(database)} events")


def rebuild_with_progress(database: Database) -> int:
    with progress("rebuilding read models") as told:
        return rebuild(database, told)
