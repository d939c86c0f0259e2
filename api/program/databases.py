"""Commands that look after a database as a whole."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from api.cli.progress import progress
from api.program.platform import check_forms, database_at, existing
from api.program.terminal import AsJson, Db, failing_in_one_sentence, show
from api.settings import read_settings
from api.store.backup import NoKeys, copied_keys, copy_keys, forgotten, restore_keys
from api.store.databases import Database
from api.store.rebuild import digest_anew, is_outdated, rebuild


def migrate(db: Db = None, as_json: AsJson = False) -> None:
    """Make the tables, or bring read models of another version up to this program's. Stop the servers first."""
    with failing_in_one_sentence():
        database = database_at(read_settings(db=db))
        check_forms(database)
        count = _rebuilt_if_outdated(database)
        said = {"database": str(database), "rebuiltEvents": count}
        show(said, as_json, lambda: "\n".join((*_rebuilt(count), f"{database} is ready for this program")))


def rebuild_command(db: Db = None, as_json: AsJson = False) -> None:
    """Make all read models anew from the log, beside whatever server there is.

    Whoever serves then works audit index and hash tree's tiles out again, beside the commands.
    """
    with failing_in_one_sentence():
        database = existing(read_settings(db=db))
        count = rebuild_with_progress(database)
        digest_anew(database)
        show({"database": str(database), "rebuiltEvents": count}, as_json, lambda: f"rebuilt from {count} events")


SealingKeysOnly = Annotated[
    bool, typer.Option("--sealing-keys", help="the keys of persons, still wrapped, instead of log and read models")
]


def backup_command(
    file: Annotated[Path, typer.Argument(help="a new file")],
    sealing_keys: SealingKeysOnly = False,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Copy the database to one file, beside whatever server there is; whole or not there.

    The file is a SQLite database whichever the store: verify and reconcile it as it is, restore it onto either store.
    Keys of persons are copied apart, to be kept apart: destroying a key and its copies erases a person's words
    in every copy of the log.
    """
    with failing_in_one_sentence():
        database, file = existing(read_settings(db=db)), file.absolute()
        if sealing_keys:
            if not database.has_sealing_keys():
                raise NoKeys
            with closing(database.sealing_keys()) as keys:
                count = copy_keys(keys, file)
            said = f"copied the keys of {count} persons to {file}"
            show({"file": str(file), "keys": count}, as_json, lambda: said)
        else:
            count = database.back_up(file)
            said = f"copied {count} events to {file}; tallyhold verify --db sqlite:///{file} checks it"
            show({"file": str(file), "events": count}, as_json, lambda: said)


def restore_command(
    file: Annotated[Path, typer.Argument(help="what backup has written")],
    sealing_keys: SealingKeysOnly = False,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Make a new database of a backup, whole or not at all; or give a restored one the keys of persons.

    Keys of those who were forgotten by then, as the restored log has it, stay destroyed.
    """
    with failing_in_one_sentence():
        settings, file = read_settings(db=db), file.absolute()
        if sealing_keys:
            database, copied = existing(settings), copied_keys(file)
            with closing(database.log()) as log:
                gone = forgotten(log)
            with closing(database.sealing_keys()) as keys:
                count = restore_keys(copied, keys, gone)
            said = f"restored the keys of {count} persons"
            show({"database": str(database), "keys": count}, as_json, lambda: said)
            return
        database = database_at(settings)
        count = database.restore(file)
        rebuilt = _rebuilt_if_outdated(database)
        body = {"database": str(database), "events": count, "rebuiltEvents": rebuilt}
        show(body, as_json, lambda: "\n".join((f"restored {count} events to {database}", *_rebuilt(rebuilt))))


def _rebuilt_if_outdated(database: Database) -> int | None:
    """From how many events the read models were made anew; null where they are of this version."""
    return rebuild_with_progress(database) if is_outdated(database) else None


def _rebuilt(events: int | None) -> Iterator[str]:
    if events is not None:
        yield f"read models rebuilt from {events} events"


def rebuild_with_progress(database: Database) -> int:
    with progress("rebuilding read models") as told:
        return rebuild(database, told)
