"""Rows of ltvlog alone, at scale: ten times the events and customers of the file, and far more customers an event.

Ten times is `big`, and the other `wide`: four times the events of the file, every second one a new customer.
What is made here is deleted as soon as no row needs it, since it takes most of the disk.
"""

import sys
from functools import partial

from adapters import ltvlog
from files import clear, without_checkpoint
from measure import Line, timed_line

BIG_TIMES, WIDE_TIMES = 10, 4
# Of the big file, for each event of the small one: 5 GB and 50 MB where that has 5 M events.
FIRST_BYTES = (1000, 10)


def sizes(bench):
    """What the logs are called in lines and in goals."""
    return {
        "small": f"{bench.events / 1e6:g} M events",
        "big": f"{BIG_TIMES * bench.events / 1e6:g} M events",
        "wide": f"{WIDE_TIMES * bench.events / 2 / 1e6:g} M customers",
    }


def append(bench, file, log, events):
    """A file, all of whose events are new, into a log that is new."""
    clear(log)
    done = ltvlog.run(bench, "append", file, log=log)
    if done.answer["end"] != events:
        sys.exit(f"{file}: {done.answer['end']} of {events} events were kept")
    return done


def p10(bench, files):
    """The same jobs at both sizes. The big file stays for P8, and its log for P4 and P5."""
    size, events = sizes(bench), {"small": bench.events, "big": BIG_TIMES * bench.events}
    ltvlog.generate(bench.ltvlog, files.big, events["big"], BIG_TIMES * customers_of(bench, files.log))
    appended = {
        "small": partial(append, bench, bench.file, files.new_log, events["small"]),
        "big": partial(append, bench, files.big, files.big_log, events["big"]),
    }
    runs = {"append": bench.in_turn(appended, slow=appended)}
    clear(files.new_log)
    logs = {"small": files.log, "big": files.big_log}
    with without_checkpoint(files.log), without_checkpoint(files.big_log):
        runs["replay"] = bench.in_turn({which: partial(ltvlog.top, bench, log=log) for which, log in logs.items()})
    return [
        timed_line("P10", f"ltvlog, {job} of {size[which]}", done, events[which])
        for job, both in runs.items()
        for which, done in both.items()
    ]


def p8(bench, files):
    """Memory of writers, then of readers. The big file gets shorter on the way; the wide log stays for P4."""
    size = sizes(bench)
    lines = [
        writer(bench, files, bench.file, size["small"]),
        writer(bench, files, files.big, size["big"]),
    ]
    for each in FIRST_BYTES:
        shorten(files.big, each * bench.events)
        lines.append(writer(bench, files, files.big, f"the first {each * bench.events / 1e6:,.0f} MB of {size['big']}"))
    files.big.unlink()
    clear(files.new_log)

    events = WIDE_TIMES * bench.events
    ltvlog.generate(bench.ltvlog, files.wide, events, events // 2)
    append(bench, files.wide, files.wide_log, events)
    files.wide.unlink()
    for log, which in ((files.log, "small"), (files.wide_log, "wide")):
        with without_checkpoint(log):
            lines += [reader(bench, log, size[which], threads) for threads in (1, 2)]
    return lines


def customers_of(bench, log):
    """How many a log has."""
    return ltvlog.run(bench, "info", log=log).answer["customers"]


def writer(bench, files, file, what):
    """What an append to a new log takes, once."""
    clear(files.new_log)
    peak, told = ltvlog.anonymous(bench, "append", file, log=files.new_log)
    events = told["end"]
    figure = f"{peak / 1e6:,.1f} MB, {peak / events:.1f} bytes an event"
    counts = {"key": events, "customer": customers_of(bench, files.new_log)}
    return Line("P8", f"ltvlog, append of {what}", peak, figure, 1, counts=counts)


def reader(bench, log, what, threads):
    """What a fold of all the log takes, the most of all runs: a short one is looked at few times."""
    runs = [ltvlog.anonymous(bench, "replay", "--threads", threads, log=log) for _ in range(bench.rounds)]
    peak, count = max(peak for peak, _ in runs), runs[0][1]["customers"] * threads
    figure = f"{peak / 1e6:,.1f} MB, {peak / count:.1f} bytes a customer and thread"
    who = f"ltvlog, replay of {what}, {threads} thread{'s' if threads > 1 else ''}"
    return Line("P8", who, peak, figure, len(runs), counts={"customer and thread": count})


def shorten(path, size_bytes):
    """Cuts a file of lines behind the one that has the byte."""
    with path.open("r+b") as file:
        file.seek(size_bytes)
        file.readline()
        file.truncate()
