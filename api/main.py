"""The entry point of the program `tallyhold`: which commands there are. What each does is in ``api.program``."""

import multiprocessing
import signal
import sys
from importlib.metadata import version
from types import FrameType
from typing import Annotated

import typer

from api.program.groups import Commands, Listed, group
from api.signals import forget_output, hangups_are_ignored

COMMANDS: Commands = {
    "serve": Listed("api.program.serving:serve", "Serve the HTTP API."),
    "demo": Listed("api.program.playing:demo", "Play a job's whole life against a real server."),
    "migrate": Listed("api.program.databases:migrate", "Make the tables, or rebuild outdated read models."),
    "rebuild": Listed("api.program.databases:rebuild_command", "Make all read models anew from the log."),
    "backup": Listed("api.program.databases:backup_command", "Copy the database to one file."),
    "restore": Listed("api.program.databases:restore_command", "Make a new database of a backup."),
    "explain": Listed("api.program.books:explain_command", "Tell why an entry of the books is what it is."),
    "reconcile": Listed("api.program.books:reconcile_command", "Compare the books with all that tells of the money."),
    "reconcile-partitions": Listed(
        "api.program.partitions:reconcile_partitions_command", "Recompute exported partitions in two ways."
    ),
    "close": Listed("api.program.books:close_command", "Take in statements, and close a month for good."),
    "prove": Listed("api.program.proving:prove_command", "Write a proof of a job's or a tester's events."),
    "verify-proof": Listed("api.program.proving:verify_proof_command", "Check such a proof; needs no database."),
    "checkpoint-key": Listed("api.program.proving:make_checkpoint_key", "Make the key that signs checkpoints."),
    "verify": Listed("api.program.proving:verify_command", "Check that everything is as it was written."),
    "forget": Listed("api.program.privacy:forget", "Erase a tester's words for ever."),
    "rotate-master-key": Listed(
        "api.program.privacy:rotate_master_key", "Wrap the keys of persons with another master key."
    ),
}

KEYS: Commands = {
    "create": Listed("api.program.keys:create_key", "Make a key; it is shown once."),
    "list": Listed("api.program.keys:list_keys", "All keys; never the keys themselves."),
    "revoke": Listed("api.program.keys:revoke_key", "Make a key worthless, at once and for ever."),
}

EXPORT: Commands = {
    "journal": Listed("api.program.books:export_journal_command", "All entries, for accounting programs."),
    "log": Listed("api.program.books:export_log_command", "All events, and the checkpoint they belong to."),
    "partitions": Listed("api.program.partitions:export_partitions_command", "The log as Parquet; adds what is new."),
    "statement": Listed("api.program.books:export_statement_command", "A month of an owner or a tester."),
}

app = group(COMMANDS)
app.add_typer(group(KEYS, help="Principals and their API keys."), name="keys")
app.add_typer(group(EXPORT, help="The books for other programs."), name="export")


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"tallyhold {version('tallyhold')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    """Jobs with escrow: every cent explained."""


def main() -> None:
    """Run the program. SIGTERM, or a terminal that hangs up, ends it as an error would: what was begun is cleared away.

    A server has its own way.
    """
    signal.signal(signal.SIGTERM, _end)
    if not hangups_are_ignored():
        signal.signal(signal.SIGHUP, _end)
    try:
        app()
    except OSError as error:  # each command tells its own: this is help, or the version
        forget_output()
        print(f"tallyhold: Standard output cannot be written: {error.strerror}.", file=sys.stderr)
        raise SystemExit(1) from None


def _end(number: int, _: FrameType | None) -> None:
    """End with the exit code that a shell shows for a signal."""
    signal.signal(number, signal.SIG_IGN)
    for process in multiprocessing.active_children():  # else their work would be waited for
        process.terminate()
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
