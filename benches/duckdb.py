#!/usr/bin/env python3
"""The same jobs by ltvlog and by DuckDB, in turn, on the same file; medians and ratios.

    cargo build --release
    target/release/ltvlog generate --events 5000000 --customers 500000 --seed 1 > events.ndjson
    pip install duckdb
    python3 benches/duckdb.py events.ndjson

DuckDB gets two threads and a fresh process for each run, as ltvlog does. `--kept N` times the kept
job N times (DuckDB's primary key takes its time); the answers must agree to the cent.
"""
import argparse, json, os, shutil, statistics, subprocess, sys, tempfile, time

TYPES = "{type:'VARCHAR',verb:'VARCHAR',key:'VARCHAR',event_time:'TIMESTAMPTZ',customer_id:'VARCHAR',total_amount:'VARCHAR'}"
READ = "read_json('{file}', format='newline_delimited', columns=" + TYPES + ")"
CENTS = "CAST(round(CAST(split_part(total_amount, ' ', 1) AS DECIMAL(18,2)) * 100) AS BIGINT)"
TOP = """
WITH e AS (SELECT type, coalesce(customer_id, key) AS customer, event_time, {cents} AS cents FROM {source}),
f AS (SELECT min(event_time) AS a, max(event_time) AS b FROM e),
s AS (SELECT customer, coalesce(sum(cents) FILTER (type = 'ORDER'), 0) AS revenue,
             count(*) FILTER (type = 'SITE_VISIT') AS visits FROM e GROUP BY customer)
SELECT customer, revenue FROM s ORDER BY revenue DESC, customer LIMIT 10
"""


def duckdb(sql, database=":memory:"):
    """Seconds and the last statement's rows, in a process of its own."""
    code = (
        "import duckdb,json,sys,time\n"
        "database, sql = json.load(sys.stdin)\n"
        "start = time.perf_counter()\n"
        "con = duckdb.connect(database)\n"
        "con.execute('SET threads=2'); con.execute('SET enable_progress_bar=false'); con.execute(\"SET TimeZone='UTC'\")\n"
        "rows = con.execute(sql).fetchall()\n"
        "con.close()\n"
        "print(json.dumps([time.perf_counter() - start, rows], default=str))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], input=json.dumps([database, sql]), text=True, capture_output=True)
    if run.returncode:
        sys.exit(run.stderr)
    return json.loads(run.stdout)


def ltvlog(binary, *arguments):
    start = time.perf_counter()
    run = subprocess.run([binary, *arguments, "--format", "json"], text=True, capture_output=True)
    if run.returncode:
        sys.exit(run.stderr)
    return time.perf_counter() - start, json.loads(run.stdout)


def top_of(answer):
    return [[c["customer_id"], round(float(c["revenue"]) * 100)] for c in answer["customers"]]


def report(job, ours, theirs):
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"| {job} | {a:.3f} s | {b:.3f} s | {b / a:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--ltvlog", default="target/release/ltvlog")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--kept", type=int, default=1)
    options = parser.parse_args()
    read = READ.replace('{file}', os.path.abspath(options.file))
    scratch = tempfile.mkdtemp(dir=".")
    try:
        print("| job | ltvlog | DuckDB | DuckDB ÷ ltvlog |\n|---|---|---|---|")
        ours, theirs = [], []
        for _ in range(options.runs):
            seconds, answer = ltvlog(options.ltvlog, "top", "10", options.file)
            ours.append(seconds)
            seconds, rows = duckdb(TOP.format(source=read, cents=CENTS))
            theirs.append(seconds)
            assert top_of(answer) == rows, (top_of(answer), rows)
        report("top 10 of a file (DuckDB checks and keeps nothing)", ours, theirs)

        ours, theirs = [], []
        log, table = os.path.join(scratch, "log"), os.path.join(scratch, "kept.duckdb")
        keep = (
            "CREATE TABLE e(type VARCHAR, verb VARCHAR, key VARCHAR, event_time TIMESTAMPTZ, customer_id VARCHAR,"
            " total_amount VARCHAR, PRIMARY KEY (type, key));"
            f"INSERT OR IGNORE INTO e SELECT * FROM {read} WHERE type = 'CUSTOMER';"
            f"INSERT OR IGNORE INTO e SELECT r.* FROM {read} r WHERE type <> 'CUSTOMER' AND EXISTS"
            " (SELECT 1 FROM e c WHERE c.type = 'CUSTOMER' AND c.key = r.customer_id);"
            "CHECKPOINT;" + TOP.format(source="e", cents=CENTS)
        )
        for _ in range(options.kept):
            shutil.rmtree(log, ignore_errors=True)
            if os.path.exists(table):
                os.remove(table)
            seconds, _ = ltvlog(options.ltvlog, "append", options.file, "--log", log)
            ours.append(seconds)
            seconds, rows = duckdb(keep, table)
            theirs.append(seconds)
        report("append: every key once, customers known, synced", ours, theirs)

        ours, theirs = [], []
        for _ in range(options.runs):
            seconds, replayed = ltvlog(options.ltvlog, "replay", "--threads", "2", "--log", log)
            ours.append(replayed["seconds"])
            theirs.append(duckdb(TOP.format(source="e", cents=CENTS), table)[0])
        report("all statistics from the kept form (fold alone; DuckDB's query and open)", ours, theirs)

        top = [options.ltvlog, "top", "10", "--threads", "2", "--log"]
        ours = [ltvlog(*top, log)[0] for _ in range(options.runs)]
        report("top 10 of the log, as a process", ours, theirs)

        bare = os.path.join(scratch, "bare")
        shutil.copytree(log, bare, ignore=shutil.ignore_patterns("checkpoints"))
        ours = [ltvlog(*top, bare)[0] for _ in range(options.runs)]
        report("the same without a checkpoint", ours, theirs)
        bytes_kept = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(log) for f in fs)
        print(f"\nbytes kept: ltvlog {bytes_kept:,}, DuckDB {os.path.getsize(table):,}")
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
