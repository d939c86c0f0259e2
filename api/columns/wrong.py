"""What can be wrong with partitions."""


class WrongPartitions(Exception):
    """Partitions that cannot be used or written; the sentence names the file and says what to do."""
