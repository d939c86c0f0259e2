"""Hypothesis on slow machines: no example fails for being slow; a failure prints how to repeat it."""

from hypothesis import settings

settings.register_profile("tallyhold", deadline=None, print_blob=True)
settings.load_profile("tallyhold")
