"""Partitions recomputed: every total twice, by the production's rules and by the columns alone."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from api.columns.checking import check_columns
from api.columns.engines import Engine
from api.columns.folding import fold_bucket
from api.columns.manifest import Folder, Manifest, read_manifest
from api.columns.reading import buckets_of, check_files
from projections.columns.totals import Difference, Totals, contradictions, differences, merged

Told = Callable[[int, int], None]
Progress = Callable[[str], AbstractContextManager[Told]]
"""Begins to tell of a part of the work."""


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What partitions add up to, and everything that is wrong with it."""

    manifest: Manifest
    totals: Totals
    found: tuple[Difference, ...]


def recompute(url: str, engine: Engine, progress: Progress) -> Recomputed:
    """Recompute the partitions at a place. Raises WrongPartitions.

    The manifest is read once: whatever is exported meanwhile, the answer is for the position at which this began.
    """
    folder = Folder(url)
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    with progress("checking columns") as told:
        columns = check_columns(folder, manifest, told)
    with progress("folding events") as told:
        whole = merged(_folded(folder, manifest, engine, told))
    found = (*differences("by the rules", whole, "by the columns", columns), *contradictions(whole, manifest.position))
    return Recomputed(manifest, whole, found)


def _folded(folder: Folder, manifest: Manifest, engine: Engine, told: Told) -> Iterator[Totals]:
    done = 0
    for bucket, totals in engine(fold_bucket, buckets_of(folder, manifest)):
        done += bucket.rows
        told(done, manifest.position)
        yield totals
