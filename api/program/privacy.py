"""Commands on personal text and the keys that it is sealed with."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from api.program.platform import existing, run_command, set_up
from api.program.terminal import AsJson, Db, failing_in_one_sentence, show
from api.service import access
from api.settings import read_settings
from api.store.sealing_keys import make_master_key, read_master_key
from api.store.sql_reads import SQLReads
from domain.errors import NotFound


def forget(
    tester: Annotated[str, typer.Option(help="the tester's UUID or public number")],
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Erase all personal text about a tester for ever: answers, and what others wrote. No money changes."""
    with failing_in_one_sentence():
        settings = read_settings(db=db)
        with set_up(settings, existing) as platform:
            stream, tester_id = _tester(platform.reads, tester)
            # First the key, then the record: what is recorded as erased has been.
            platform.seals.destroy(tester_id)
        forgotten = run_command(settings, lambda _: access.record_erasure(stream))
        show(forgotten, as_json, lambda: f"forgotten: tester {forgotten['publicId']}, {tester_id}")


def _tester(reads: SQLReads, named: str) -> tuple[UUID, UUID]:
    """The stream and the id of a tester. Raises NotFound."""
    found = reads.tester_named(named)
    if found is None:
        raise NotFound(f"There is no tester {named}; give a tester's UUID or public number.")
    return found


def rotate_master_key(
    new: Annotated[Path, typer.Option(help="file of the new master key; made if it is not there")],
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Wrap the keys of all persons with another master key. Not beside a server, which has the old one."""
    with failing_in_one_sentence():
        settings = read_settings(db=db)
        with existing(settings).unserved(), set_up(settings, existing) as platform:
            make_master_key(new)
            count = platform.seals.rewrap(read_master_key(new))
        said = f"{count} keys are wrapped with the master key in {new}; serve with TALLYHOLD_MASTER_KEY_FILE={new}"
        show({"keys": count, "file": str(new)}, as_json, lambda: said)
