"""Benchmarks: figures of one machine in one run, and their ratios. None of it is a test, and pytest collects none."""
