"""The log as partitions: Parquet files, one or more a bucket, written once and recomputed on any number of machines."""
