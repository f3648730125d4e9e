"""The bare machine: what `native/bare.c` does, in C, without a format, a checksum or an index."""


def append_one(bench, file, event):
    """A process that adds an event's bytes to a file and syncs."""
    return bench.process(bench.native("bare"), "append", file, event)


def syncs(bench, group_bytes):
    """How often a second so many bytes are written and synced."""
    told = bench.process(
        bench.native("bare"), "sync", bench.scratch / "bare", str(group_bytes), str(bench.writers_seconds)
    )
    return float(told.answer)
