"""The entry point of the program `tallyhold`: which commands there are. What each does is in ``api.program``."""

import typer

from api.program.books import (
    close_command,
    explain_command,
    export_journal_command,
    export_log_command,
    export_statement_command,
    reconcile_command,
)
from api.program.databases import backup_command, migrate, rebuild_command, restore_command
from api.program.keys import create_key, list_keys, revoke_key
from api.program.partitions import export_partitions_command, reconcile_partitions_command
from api.program.playing import demo
from api.program.privacy import forget, rotate_master_key
from api.program.proving import make_checkpoint_key, prove_command, verify_command, verify_proof_command
from api.program.serving import serve

app = typer.Typer(help="Jobs with escrow: every cent explained.", no_args_is_help=True, add_completion=False)
app.command("serve")(serve)
app.command("demo")(demo)
app.command("migrate")(migrate)
app.command("rebuild")(rebuild_command)
app.command("backup")(backup_command)
app.command("restore")(restore_command)
app.command("explain")(explain_command)
app.command("reconcile")(reconcile_command)
app.command("reconcile-partitions")(reconcile_partitions_command)
app.command("close")(close_command)
app.command("prove")(prove_command)
app.command("verify-proof")(verify_proof_command)
app.command("checkpoint-key")(make_checkpoint_key)
app.command("verify")(verify_command)
app.command("forget")(forget)
app.command("rotate-master-key")(rotate_master_key)

keys_app = typer.Typer(help="Principals and their API keys.", no_args_is_help=True)
keys_app.command("create")(create_key)
keys_app.command("list")(list_keys)
keys_app.command("revoke")(revoke_key)
app.add_typer(keys_app, name="keys")

export_app = typer.Typer(help="The books for other programs.", no_args_is_help=True)
export_app.command("journal")(export_journal_command)
export_app.command("log")(export_log_command)
export_app.command("partitions")(export_partitions_command)
export_app.command("statement")(export_statement_command)
app.add_typer(export_app, name="export")


def main() -> None:
    """Run the program."""
    app()


if __name__ == "__main__":
    main()
