"""Load, decide, commit: use cases that know neither HTTP nor SQL, and the committer that makes them durable."""
