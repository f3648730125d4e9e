"""The rows: what is compared with what. Those of ltvlog alone are in growth.py."""

import sys
from functools import partial
from itertools import count
from statistics import median

from adapters import bare, ltvlog, postgres
from files import Files, clear, same, without_checkpoint
from follow import waits
from growth import p8, p10, sizes
from measure import Line, duration, timed_line

TITLES = {
    "P1": "top 10 straight from the file",
    "P2": "the file appended: every key once, customers known, synced",
    "P3": "all statistics and top 10 from the kept form, no checkpoint",
    "P4": "top 10 of the kept form, as a process",
    "P5": "one event appended and synced, as a process",
    "P6": "64 writers at once, each event acknowledged after a sync",
    "P7": "acknowledged to seen by another process (p99)",
    "P8": "peak memory without mapped files",
    "P9": "bytes on disk an event",
    "P10": "ten times the events and customers",
}
WRITERS = 64


def p1(bench, files):
    """From the file."""
    runs = bench.in_turn(
        {
            "ltvlog": lambda: ltvlog.top(bench, bench.file),
            "DuckDB": lambda: bench.python("duckdb", "top_file", bench.file),
            "ClickHouse": lambda: bench.python("clickhouse", "top_file", bench.file),
            "Polars": lambda: bench.python("polars", "top_file", bench.file),
        }
    )
    same("P1", runs)
    return [timed_line("P1", who, done) for who, done in runs.items()]


def p2(bench, files):
    """Into the kept form. All read the same events again and the same stranger's order, and none may count them."""

    def into(path, job):
        clear(path)
        return job()

    def append():
        done = ltvlog.run(bench, "append", bench.file, files.spoiled, log=files.log)
        done.answer = {"count": done.answer["end"]}
        return done

    table, scan = "DuckDB, kept", "DuckDB, scan that checks and keeps nothing"
    part = files.part_of("SQLite")
    runs = bench.in_turn(
        {
            "ltvlog": lambda: into(files.log, append),
            table: lambda: into(
                files.table, lambda: bench.python("duckdb", "keep", files.table, bench.file, files.spoiled)
            ),
            scan: lambda: bench.python("duckdb", "top_file", bench.file),
            part: lambda: into(
                files.sqlite, lambda: bench.python("sqlite", "keep", files.sqlite, files.part, files.spoiled)
            ),
        },
        slow=(table, part),
    )
    events = dict.fromkeys(runs, bench.events) | {part: files.part_events}
    for who in ("ltvlog", table, part):
        if any(run.answer["count"] != events[who] for run in runs[who]):
            sys.exit(f"P2: {who} did not keep every event once: {[run.answer for run in runs[who]]}")
    return [timed_line("P2", who, done, events[who]) for who, done in runs.items()]


def p3(bench, files):
    """Folded from the kept form."""
    bench.python("duckdb", "keep_parquet", files.table, files.parquet)
    digest = "ltvlog, with a digest of all statistics"
    with without_checkpoint(files.log):
        runs = bench.in_turn(
            {
                "ltvlog": lambda: ltvlog.top(bench, log=files.log),
                digest: lambda: ltvlog.run(bench, "replay", log=files.log),
                "DuckDB, table": lambda: bench.python("duckdb", "top_table", files.table),
                "DuckDB, Parquet": lambda: bench.python("duckdb", "top_parquet", files.parquet),
            }
        )
    same("P3", {who: runs[who] for who in runs if who != digest})
    if runs[digest][0].answer["events"] != bench.events:
        sys.exit("P3: the replay did not see every event")
    runs["ltvlog, its fold alone"] = [ltvlog.fold(run) for run in runs[digest]]
    return [timed_line("P3", who, done) for who, done in runs.items()]


def p4(bench, files):
    """As a process on what is kept; ltvlog starts from its checkpoint, which it keeps by itself."""
    size, part = sizes(bench), files.part_of("SQLite")
    big, wide = f"ltvlog, {size['big']}", f"ltvlog, {size['wide']}"
    runs = bench.in_turn(
        {
            "ltvlog": lambda: ltvlog.top(bench, log=files.log),
            big: lambda: ltvlog.top(bench, log=files.big_log),
            wide: lambda: ltvlog.top(bench, log=files.wide_log),
            "DuckDB": lambda: bench.python("duckdb", "top_table", files.table),
            part: lambda: bench.python("sqlite", "top_table", files.sqlite),
        }
    )
    same("P4", {who: runs[who] for who in ("ltvlog", "DuckDB")})
    same("P4", {"ltvlog": [ltvlog.top(bench, files.part)], part: runs[part]})
    folded(bench, files.big_log, big, runs[big])
    folded(bench, files.wide_log, wide, runs[wide])
    clear(files.wide_log)
    return [timed_line("P4", who, done) for who, done in runs.items()]


def p4_again(bench, files):
    """The same when single events, those of P5, follow the checkpoint."""
    after = "ltvlog, after single events"
    logs = {after: files.log, f"{after}, {sizes(bench)['big']}": files.big_log}
    runs = bench.in_turn({who: partial(ltvlog.top, bench, log=log) for who, log in logs.items()})
    for who, log in logs.items():
        folded(bench, log, who, runs[who])
    clear(files.big_log)
    return [timed_line("P4", who, done) for who, done in runs.items()]


def folded(bench, log, who, runs):
    """Fails unless a log answers the same without its checkpoint."""
    with without_checkpoint(log):
        same("P4", {who: runs, "a fold of all the log": [ltvlog.top(bench, log=log)]})


def p5(bench, files):
    """One event, as a process, added to what is kept."""
    event, numbers = bench.scratch / "one.json", count()
    big_customer = ltvlog.top(bench, log=files.big_log).answer["top"][0][0]

    def one(job, customer=files.customer):
        event.write_text(
            f'{{"type": "SITE_VISIT", "verb": "NEW", "key": "one{next(numbers)}", "event_time":'
            f' "2018-05-06T12:45:52.041Z", "customer_id": "{customer}", "tags": [{{"key7": "value7"}}]}}\n'
        )
        return job()

    def append(log):
        done = ltvlog.run(bench, "append", event, log=log)
        done.answer = {"count": done.answer["accepted"]}
        return done

    part = files.part_of("SQLite")
    runs = bench.in_turn(
        {
            "ltvlog": lambda: one(lambda: append(files.log)),
            f"ltvlog, {sizes(bench)['big']}": lambda: one(lambda: append(files.big_log), big_customer),
            "bare append + fdatasync (C)": lambda: one(lambda: bare.append_one(bench, bench.scratch / "bare", event)),
            part: lambda: one(lambda: bench.python("sqlite", "append_one", files.sqlite, event)),
            "DuckDB": lambda: one(lambda: bench.python("duckdb", "append_one", files.table, event)),
        }
    )
    kept = {who: done for who, done in runs.items() if not who.startswith("bare")}
    if any(run.answer != {"count": 1} for done in kept.values() for run in done):
        sys.exit("P5: not every event was new")
    return [timed_line("P5", who, done) for who, done in runs.items()]


def p6(bench, files):
    """Many writers. The bare disk writes as many bytes as a group of ltvlog's has, and each counts for 64 events."""
    group = {"bytes": ltvlog.GROUP_BYTES}

    def grouped():
        rate, group["bytes"] = ltvlog.many_writers(bench)
        return rate

    def fresh(name, job):
        place = bench.scratch / name
        clear(place)
        return job(place)

    seconds = bench.writers_seconds
    runs = bench.in_turn(
        {
            "ltvlog": grouped,
            "64 × bare write + fdatasync (C)": lambda: WRITERS * bare.syncs(bench, group["bytes"]),
            "UmaDB": lambda: fresh(
                "umadb", lambda at: bench.python("umadb", "many_writers", at, WRITERS, seconds).answer["rate"]
            ),
            "PostgreSQL": lambda: fresh("postgres", lambda at: postgres.many_writers(at, WRITERS, seconds)["rate"]),
            "SQLite": lambda: fresh(
                "writers", lambda at: bench.python("sqlite", "many_writers", at, WRITERS, seconds).answer["rate"]
            ),
        }
    )
    return [
        Line("P6", who, 1 / median(rates), f"{median(rates):,.0f} events/s", len(rates)) for who, rates in runs.items()
    ]


def p7(bench, files):
    """Followers. The bare one is told of a write that nobody has synced."""
    log, file = bench.scratch / "followed", bench.scratch / "followed.bytes"

    def race(path, writer, follower):
        clear(path)
        return waits(writer, follower, bench.follow_events)

    writer = [bench.ltvlog, "append", "--ack", "--format", "json", "--hold-max", "1", "--log", log]
    follower = [bench.ltvlog, "tail", "--follow", "--log", log]
    program = bench.native("bare")
    runs = bench.in_turn(
        {
            "bare write and wake (C)": lambda: race(file, [program, "write", file], [program, "follow", file]),
            "ltvlog": lambda: race(log, writer, follower),
        }
    )
    lines = []
    for who, done in runs.items():
        half, most = (median(each[(len(each) - 1) * percent // 100] for each in done) for percent in (50, 99))
        lines.append(Line("P7", who, most, f"p50 {duration(half)}, p99 {duration(most)}", len(done)))
    return lines


def p9(bench, files):
    """What the disk has given away for what is kept."""

    def line(who, path, events):
        found = path.rglob("*") if path.is_dir() else path.parent.glob(f"{path.name}*")
        each = sum(one.stat().st_blocks * 512 for one in found if one.is_file()) / events
        return Line("P9", who, each, f"{each:.1f}", 1)

    return [
        line("ltvlog", files.log, bench.events),
        line("ltvlog, segments", files.log / "segments", bench.events),
        line("DuckDB, table", files.table, bench.events),
        line("DuckDB, Parquet", files.parquet, bench.events),
        line(files.part_of("SQLite"), files.sqlite, files.part_events),
        line("the file itself", bench.file, bench.events),
    ]


def every(bench):
    """All lines, row after row, each beside ltvlog's of its row."""
    files, lines = Files(bench), []
    # Bytes are counted before single events are added, and the large logs are there from P10 to P5.
    for job in (p1, p2, p3, p9, p6, p7, p10, p8, p4, p5, p4_again):
        row = job.__name__.split("_")[0].upper()
        print(f"{row}: {TITLES[row]}", flush=True)
        these = job(bench, files)
        lines += these
        ours = next((line.cost for line in lines if (line.row, line.who) == (row, "ltvlog")), None)
        for line in these:
            line.ratio = line.cost / ours if ours else None
            print(f"    {line.who}: {line.figure}" + (f", {line.ratio:.2f}" if ours else ""), flush=True)
    return sorted(lines, key=lambda line: int(line.row[1:]))
