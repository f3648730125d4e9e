"""The files of a run, and that all answer the same from them."""

import shutil
import sys
from contextlib import contextmanager


class Files:
    """The file of events, what is read with it, and where each contestant keeps it."""

    def __init__(self, bench):
        """Writes, beside the file, a hundred of its events again and an order of a customer that nobody knows."""
        self.spoiled, self.part = bench.scratch / "again.ndjson", bench.scratch / "part.ndjson"
        self.part_events = bench.events // 5
        with bench.file.open("rb") as lines, self.spoiled.open("wb") as spoiled, self.part.open("wb") as part:
            for n, line in zip(range(self.part_events), lines, strict=False):
                part.write(line)
                if n < 100:
                    spoiled.write(line)
                if n == 0:
                    self.customer = line.split(b'"key": "')[1].split(b'"')[0].decode()
            spoiled.write(
                b'{"type": "ORDER", "verb": "NEW", "key": "ghost", "event_time": "2018-01-01T00:00:00Z",'
                b' "customer_id": "nobody", "total_amount": "99999999.99 USD"}\n'
            )
        self.log, self.table = bench.scratch / "log", bench.scratch / "kept.duckdb"
        self.parquet, self.sqlite = bench.scratch / "kept.parquet", bench.scratch / "kept.sqlite"
        self.big, self.big_log = bench.scratch / "events-big.ndjson", bench.scratch / "big-log"
        self.wide, self.wide_log = bench.scratch / "events-wide.ndjson", bench.scratch / "wide-log"
        self.new_log = bench.scratch / "new-log"

    def part_of(self, who):
        """What a contestant is called that gets the first fifth of the file, because all of it takes too long."""
        return f"{who} ({self.part_events / 1e6:g} M events)"


def clear(path):
    """Removes what a contestant keeps, and what it keeps beside it."""
    for found in path.parent.glob(f"{path.name}*"):
        shutil.rmtree(found) if found.is_dir() else found.unlink()


@contextmanager
def without_checkpoint(log):
    """Takes a log's checkpoints away for a while, so that each fold is one of all events. A small log has none."""
    checkpoints, away = log / "checkpoints", log / "checkpoints.away"
    if has_any := checkpoints.exists():
        checkpoints.rename(away)
    yield
    if checkpoints.exists():
        sys.exit(f"{log}: a checkpoint was written, so that not every run folded the log")
    if has_any:
        away.rename(checkpoints)


def same(row, runs):
    """Fails unless every run of every contestant has the same ten customers, to the cent, the visit and the order."""
    answers = [
        (who, [list(customer[:4]) for customer in run.answer["top"]]) for who, done in runs.items() for run in done
    ]
    (first, expected), *others = answers
    if len(expected) != 10:
        sys.exit(f"{row}: {first} found {len(expected)} customers")
    for who, answer in others:
        if answer != expected:
            sys.exit(f"{row}: {first} and {who} differ:\n{expected}\n{answer}")
