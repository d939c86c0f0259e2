"""The entry point of the program `tallyhold`: which commands there are. What each does is in ``api.program``."""

import multiprocessing
import signal
from types import FrameType

from api.program.groups import Places, group

COMMANDS: Places = {
    "serve": "api.program.serving:serve",
    "demo": "api.program.playing:demo",
    "migrate": "api.program.databases:migrate",
    "rebuild": "api.program.databases:rebuild_command",
    "backup": "api.program.databases:backup_command",
    "restore": "api.program.databases:restore_command",
    "explain": "api.program.books:explain_command",
    "reconcile": "api.program.books:reconcile_command",
    "reconcile-partitions": "api.program.partitions:reconcile_partitions_command",
    "close": "api.program.books:close_command",
    "prove": "api.program.proving:prove_command",
    "verify-proof": "api.program.proving:verify_proof_command",
    "checkpoint-key": "api.program.proving:make_checkpoint_key",
    "verify": "api.program.proving:verify_command",
    "forget": "api.program.privacy:forget",
    "rotate-master-key": "api.program.privacy:rotate_master_key",
}

KEYS: Places = {
    "create": "api.program.keys:create_key",
    "list": "api.program.keys:list_keys",
    "revoke": "api.program.keys:revoke_key",
}

EXPORT: Places = {
    "journal": "api.program.books:export_journal_command",
    "log": "api.program.books:export_log_command",
    "partitions": "api.program.partitions:export_partitions_command",
    "statement": "api.program.books:export_statement_command",
}

app = group(COMMANDS, help="Jobs with escrow: every cent explained.")
app.add_typer(group(KEYS, help="Principals and their API keys."), name="keys")
app.add_typer(group(EXPORT, help="The books for other programs."), name="export")


def main() -> None:
    """Run the program. SIGTERM ends it as an error would: what was begun is cleared away. A server has its own way."""
    signal.signal(signal.SIGTERM, _end)
    app()


def _end(number: int, _: FrameType | None) -> None:
    """End with the exit code that a shell shows for a signal."""
    signal.signal(number, signal.SIG_IGN)
    for process in multiprocessing.active_children():  # else their work would be waited for
        process.terminate()
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
