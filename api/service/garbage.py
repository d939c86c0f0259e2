"""When the interpreter looks for garbage in cycles."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = 100_000


@contextmanager
def rarely_collected() -> Iterator[None]:
    """While many values are made that have no cycles: looking for some takes a fifth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
