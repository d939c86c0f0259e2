"""What every engine does with a bucket, in whatever process, on whatever machine."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from api.columns.aggregates import EVOLVES
from api.columns.reading import Bucket, streams
from api.columns.wrong import WrongPartitions
from projections.columns.fold import Fold, WrongHistory
from projections.columns.totals import Totals

_RARELY = 100_000


def fold_bucket(bucket: Bucket) -> Totals:
    """The totals of a bucket, by the production's rules. Raises WrongPartitions."""
    fold = Fold(EVOLVES)
    try:
        with _rarely_collected():
            for one in streams(bucket):
                fold.add(one)
    except WrongHistory as error:
        raise WrongPartitions(f"{bucket.url}, bucket {bucket.number}: {error}.") from error
    return fold.totals()


@contextmanager
def _rarely_collected() -> Iterator[None]:
    """States of streams have no cycles; looking for some takes a fifth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(_RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
