"""Replay for billing: the books recomputed from the log alone, and held against all that tells of the same money."""
