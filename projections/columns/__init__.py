"""The log cut into buckets of whole streams: what each adds up to, wherever and in whatever order it is counted."""
