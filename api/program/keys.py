"""Commands on principals and their API keys."""

from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

import typer

from api.program.platform import Platform, existing, run_command, set_up
from api.program.terminal import AsJson, Db, failing_in_one_sentence, show
from api.service import access
from api.service.work import UseCase
from api.settings import WrongSettings, read_settings
from api.store.sql_reads import SQLReads
from domain.access.events import Role
from domain.errors import NotFound

KEYS_AT_ONCE = 500


def create_key(
    role: Annotated[Role, typer.Option(help="what its holder may do")],
    name: Annotated[str, typer.Option(help="the same role and name is the same principal")],
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Make a key; it is shown once."""
    with failing_in_one_sentence():
        name = name.strip()
        if not 1 <= len(name) <= 100 or not name.isprintable():
            raise WrongSettings("The name must have 1 to 100 printable characters.")
        made = run_command(read_settings(db=db), lambda _: access.register_with_key(role, name))
        show(made, as_json, lambda: f"{made['key']}\n{role} {made['name']}, key id {made['keyId']}; shown only now")


def list_keys(db: Db = None, as_json: AsJson = False) -> None:
    """All keys, the newest first; never the keys themselves."""
    with failing_in_one_sentence(), set_up(read_settings(db=db), existing) as platform:
        items = list(_all_keys(platform.reads))
        show(items, as_json, lambda: "\n".join(map(_key_line, items)))


def _all_keys(reads: SQLReads) -> Iterator[dict[str, Any]]:
    before: int | None = None
    while True:
        page = reads.keys(before, KEYS_AT_ONCE)
        yield from page.items
        before = page.last
        if before is None:
            return


def _key_line(key: dict[str, Any]) -> str:
    state = "revoked" if key["revokedAt"] else "valid"
    return f"{key['keyId']}  {key['role']:<8}  {state:<7}  {key['name']}"


def revoke_key(key_id: UUID, db: Db = None, as_json: AsJson = False) -> None:
    """Make a key worthless, at once and for ever."""

    def use_case(platform: Platform) -> UseCase:
        stream = platform.reads.stream_of_key(key_id)
        if stream is None:
            raise NotFound(f"There is no key {key_id}.")
        return access.revoke_key(stream, key_id)

    with failing_in_one_sentence():
        settings = read_settings(db=db)
        existing(settings)
        revoked = run_command(settings, use_case)
        show(revoked, as_json, lambda: f"revoked {key_id}")
