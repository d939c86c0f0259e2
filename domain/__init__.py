"""The rules of Tallyhold: pure values in, pure values out.

Nothing here reads a clock, makes an id, or does I/O; only the standard library is imported. Each
aggregate's folder reads in the same order: events, commands, state, decider.
"""
