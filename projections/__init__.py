"""Read models: what the log adds up to, as rows that answer one question each.

A projection knows events, never deciders or commands. It only says what changes; the store coalesces a batch
of changes and writes them, with the checkpoint, in the transaction of the events themselves.
"""
