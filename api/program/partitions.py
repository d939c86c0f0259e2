"""Commands on partitions: the log as columns, exported once and recomputed on as many cores as there are."""

from typing import Annotated

import typer

from api.cli.progress import progress
from api.columns.wrong import WrongPartitions
from api.program.platform import existing
from api.program.terminal import AsJson, Db, failing_in_one_sentence, show
from api.settings import WrongSettings, read_settings
from api.store.stored_log import StoredLog
from projections.columns.report import document, summary


def export_partitions_command(
    out: Annotated[str, typer.Option(help="a folder, or any URL that fsspec knows; what lies there is gone on from")],
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """The log as Parquet, parted by streams into buckets. Called again it adds what is new."""
    with failing_in_one_sentence():
        _check_libraries()
        from api.columns.exporting import export_partitions  # noqa: PLC0415  (large libraries, for these commands alone)

        source = StoredLog(existing(read_settings(db=db)).reader_elsewhere)
        with progress("exporting") as told:
            manifest = export_partitions(source, out, told)
        position, log, files = manifest.position, manifest.log, len(manifest.files)
        said = {"place": out, "log": log, "position": position, "files": files}
        show(said, as_json, lambda: f"{out} has {position} events of {log} in {files} files")


def reconcile_partitions_command(
    place: Annotated[str, typer.Argument(help="where tallyhold export partitions has written: a folder or a URL")],
    engine: Annotated[str, typer.Option(help="pool: processes of this machine; dask: workers of a cluster")] = "pool",
    scheduler: Annotated[str | None, typer.Option(help="of Dask, like tcp://host:8786")] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute every total of exported partitions twice, by events and by columns; 1 if any differs."""
    with failing_in_one_sentence():
        _check_libraries()
        from api.columns.engines import dask, pool  # noqa: PLC0415
        from api.columns.recomputing import recompute  # noqa: PLC0415

        if engine not in ("pool", "dask") or (engine == "dask") != (scheduler is not None):
            raise WrongSettings("The option --engine must be pool, or dask with --scheduler ADDRESS.")
        made = recompute(place, pool() if scheduler is None else dask(scheduler), progress)
        told = document(made.manifest.log, made.manifest.position, made.totals, made.found)
        show(told, as_json, lambda: "\n".join(summary(told)))
        if made.found:
            raise typer.Exit(1)


def _check_libraries() -> None:
    try:
        import duckdb  # noqa: F401, PLC0415
        import fsspec  # noqa: F401, PLC0415
        import pyarrow  # noqa: F401, PLC0415
    except ModuleNotFoundError as error:
        raise WrongPartitions(f"Partitions need the library {error.name}; install tallyhold[partitions].") from error
