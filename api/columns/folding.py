"""What every engine does with a bucket, in whatever process, on whatever machine."""

from api.columns.aggregates import EVOLVES
from api.columns.reading import Bucket, streams
from api.columns.wrong import WrongPartitions
from api.service.garbage import rarely_collected
from projections.columns.fold import Fold, WrongHistory
from projections.columns.totals import Totals


def fold_bucket(bucket: Bucket) -> Totals:
    """The totals of a bucket, by the production's rules. Raises WrongPartitions."""
    fold = Fold(EVOLVES)
    try:
        with rarely_collected():
            for one in streams(bucket):
                fold.add(one)
    except WrongHistory as error:
        raise WrongPartitions(f"{bucket.url}, bucket {bucket.number}: {error}.") from error
    return fold.totals()
