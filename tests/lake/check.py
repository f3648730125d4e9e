"""Datasets beside their log: every event, every answer, increments, kills, races, damage, full disks."""

import calendar
import csv
import io
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal

import duckdb

from common import BINARY, ROOT, answer, asked, bucket_of, crossing_events, engine, ltvlog, manifests, odd_events

SCRATCH = pathlib.Path(sys.argv[2])
LOG = SCRATCH / "log"
SEED = int(os.environ.get("LTVLOG_SEED", random.randrange(2**32)))
DICE = random.Random(SEED)
COLUMNS = (
    "sequence, partition, type, verb, key, epoch_us(event_time), customer_id, total_amount, currency, last_name, adr_city, "
    "adr_state, tags, camera_make, camera_model, other_fields, bucket"
)


def step(text):
    print(f"== {text} ({time.monotonic() - START:.0f} s)", flush=True)


def export(lake, *more, log=LOG, code=0):
    arguments = ("export", "--log", log, "--to", lake, "--all", "--increment-events", 4000, *more)
    return answer(*arguments) if code == 0 else ltvlog(*arguments, code=code)


def rows_of_log(end):
    """What the rows of a dataset must be, from `tail` and `export --format csv`."""
    told = csv.reader(io.StringIO(ltvlog("tail", "--log", LOG, "--sequence", "--format", "csv")))
    next(told)
    lines = ltvlog("tail", "--log", LOG).rstrip("\n").split("\n")
    for row, line in zip(told, lines, strict=True):
        event = json.loads(line)
        sequence, kind, verb, key, at = row[:5]
        if int(sequence) >= end:
            return
        date, _, digits = at.rstrip("Z").partition(".")
        seconds = calendar.timegm(time.strptime(date, "%Y-%m-%dT%H:%M:%S"))
        customer = event.get("customer_id", key) if kind != "CUSTOMER" else key
        amount = Decimal(row[6].split()[0]) if row[6] else None
        # CSV has JSON texts as they came; what is absent is empty there, and told by the event.
        absent = lambda name, text: text if name in event else None
        texts = [absent(name, row[at]) for at, name in
                 ((7, "last_name"), (8, "adr_city"), (9, "adr_state"), (10, "tags"), (11, "camera_make"), (12, "camera_model"))]
        yield (int(sequence), 0, kind, verb, key, seconds * 1_000_000 + int(digits.ljust(6, "0") or 0), customer, amount,
               "USD" if row[6] else None, *texts, row[13] or None, bucket_of(customer, 16))


def same_answers(lake, log=LOG):
    """DuckDB, by the SQL of docs/scale-out, gives what ltvlog gives."""
    duck = engine(lake)
    replayed = answer("replay", "--log", log)
    assert duck.execute("SELECT count(*), count(DISTINCT (partition, sequence)) FROM events").fetchone() == (replayed["events"],) * 2
    assert asked(duck, "digest") == [(replayed["digest"],)]
    tops = answer("top", 10, "--log", log)
    weeks = tops["frame"]["weeks"]
    for ours, theirs in zip(tops["customers"], asked(duck, "top"), strict=True):
        rank, customer, name, revenue, visits, orders, times_weeks, frame_weeks, _ = theirs
        assert (ours["rank"], ours["customer_id"], ours["last_name"]) == (rank, customer, name)
        assert (Decimal(ours["revenue"]), ours["visits"], ours["orders"], weeks) == (revenue, visits, orders, frame_weeks)
        assert Decimal(ours["ltv"]) == half_even(times_weeks, weeks)
    fields = "customer_id, last_name, adr_city, adr_state, visits, orders, revenue"
    customers = duck.execute(f"SELECT {fields} FROM statistics ORDER BY encode(customer_id)").fetchall()
    ids = [customer[0] for customer in customers]
    assert len(ids) == replayed["customers"]
    told = [one for at in range(0, len(ids), 1000) for one in answer("stats", "--log", log, "--", *ids[at : at + 1000])]
    ours = [(*(one[name] for name in fields.split(", ")[:-1]), Decimal(one["revenue"])) for one in told]
    assert ours == customers
    revenues = {str(week): revenue for week, _, revenue in asked(duck, "weeks")}
    sample = {*list(revenues)[:2], *DICE.sample(sorted(revenues), min(6, len(revenues))), *list(revenues)[-2:]}
    for week in sample:
        last = duck.execute(f"SELECT (DATE '{week}' + 6)::VARCHAR").fetchone()[0]
        found = answer("top", 10**9, "--log", log, "--frame", f"{week}..{last}")["customers"]
        assert sum(Decimal(one["revenue"]) for one in found) == revenues[week], week
    return replayed["events"]


def half_even(dividend, divisor):
    cents = int(dividend * 100)
    quotient, rest = divmod(cents, divisor)
    up = 2 * rest > divisor or (2 * rest == divisor and quotient % 2 == 1)
    return Decimal(quotient + up) / 100


def functions():
    """The function of buckets in SQL and in Python gives the golden values of the product."""
    duck = duckdb.connect()
    duck.execute((ROOT / "docs/scale-out/partition.sql").read_text())
    golden = re.findall(r'\("([^"]*)",\s*0x([0-9a-f]{8}),\s*\[([0-9, ]+)\]', spread(ROOT / "src/partition.rs"))
    assert len(golden) >= 6
    for customer, _, parts in golden:
        for of, part in zip((1, 2, 7, 64, 65535), map(int, parts.split(",")), strict=True):
            assert bucket_of(customer, of) == part, (customer, of)
            assert duck.execute("SELECT partition_of(?, ?)", [customer, of]).fetchone() == (part,), (customer, of)


def spread(path):
    return re.sub(r"\s+", " ", path.read_text()).replace("( \"", "(\"")


def whole_prefix(lake):
    """A dataset is a whole prefix of its log; gives where it ends."""
    if not (lake / "dataset.json").exists():
        assert manifests(lake) == []
        return 0
    checked = answer("export", "--to", lake, "--check")
    found = manifests(lake)
    if not found:
        return 0
    duck = engine(lake)
    end = found[-1]["end"]
    count, first, last, distinct = duck.execute(
        "SELECT count(*), min(sequence), max(sequence), count(DISTINCT sequence) FROM events").fetchone()
    assert (count, first, last, distinct) == (end, 0, end - 1, end), (count, first, last, distinct, end)
    assert checked["ok"] and checked["rows"] == end and checked["increments"] == len(found)
    return end


def kills(lake, events):
    """Killed at any moment, an export leaves a whole prefix, and the next one completes it."""
    command = [BINARY, "export", "--log", LOG, "--to", lake, "--all", "--increment-events", "4000"]
    started = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.monotonic() - started
    kept, cut = set(), 0
    for _ in range(20):
        shutil.rmtree(lake)
        patience, end = whole * 1.1, 0
        while True:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(DICE.uniform(0, patience))
            process.send_signal(signal.SIGKILL)
            ended, before = process.wait(), end
            end = whole_prefix(lake)
            assert end >= before, (before, end)
            # Where it goes on it reads first who the customers are: an increment may take longer than all of them did.
            patience *= 1.2 if end == before else 1
            if ended == 0:
                break
            cut += 1
            kept.add(end)
        # What was left behind is gone once an increment follows it.
        assert whole_prefix(lake) == events
        assert not list(lake.glob("drafts/*")), list(lake.glob("drafts/*"))
        assert answer("export", "--to", lake, "--check")["unnamed_files"] == 0
    assert cut >= 10 and len(kept) >= 3, (cut, kept)
    print(f"killed {cut} times, at {len(kept)} different ends", flush=True)


def races(lake, events):
    """Of exports at the same time each either adds something or says that another was quicker."""
    command = [BINARY, "export", "--log", LOG, "--to", lake, "--all", "--increment-events", "4000"]
    lost = 0
    for _ in range(8):
        shutil.rmtree(lake, ignore_errors=True)
        both = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        for process in both:
            said = process.communicate()[1]
            assert process.returncode == 0 or "was quicker" in said, said
            lost += process.returncode != 0
        export(lake)
        assert whole_prefix(lake) == events
        assert answer("export", "--to", lake, "--check")["unnamed_files"] == 0
    assert lost > 0
    print(f"{lost} of 16 exports were overtaken", flush=True)


def refusals(lake):
    other = SCRATCH / "other"
    ltvlog("append", "--log", other, ROOT / "tests/data/events.ndjson")
    said = export(lake, log=other, code=1)
    assert "of another log" in said and "another directory" in said, said
    said = export(lake, "--buckets", 8, code=1)
    assert "has 16 buckets, and not 8" in said, said
    said = export(SCRATCH / "many", "--buckets", 257, code=1)
    assert "at most 256 buckets" in said, said
    # Two copies of one log that went their own ways.
    ours, theirs, datasets = SCRATCH / "ours", SCRATCH / "theirs", SCRATCH / "ways"
    shutil.copytree(other, ours)
    shutil.copytree(other, theirs)
    for log, customer in ((ours, "a"), (theirs, "b")):
        text = '{"type": "CUSTOMER", "verb": "NEW", "key": "%s", "event_time": "2017-01-06T12:46:46Z"}' % customer
        ltvlog("append", "--log", log, stdin=text)
    export(datasets, log=ours)
    said = export(datasets, log=theirs, code=1)
    assert "went its own way" in said, said
    said = export(datasets, log=other, code=1)
    assert "which the log lost, or never had" in said, said
    assert "lies in the log's directory" in export(LOG / "lake", code=2)
    assert "a directory that is not there" in export(SCRATCH / "nowhere" / ".." / "log" / "lake", code=2)
    assert "engines take for a pattern" in export(SCRATCH / "la*ke", code=2)
    for log in (other, SCRATCH / "parts"):
        assert f"there is a log in {log}" in export(log, code=2)
        assert not (log / "dataset.json").exists()
    assert not (SCRATCH / "nowhere").exists() and not (LOG / "lake").exists()
    assert "at least 1" in ltvlog("export", "--log", LOG, "--to", lake, "--increment-events", 0, code=2)
    assert "there is no dataset in" in ltvlog("export", "--to", SCRATCH / "nowhere", "--check", code=1)
    assert "--to" in ltvlog("export", "--log", LOG, "--format", "parquet", code=2)
    assert "export --to" in ltvlog("top", 3, "--log", LOG, "--format", "parquet", code=2)
    assert "Not a directory" in export("/dev/null/lake", code=1)


def damage(lake):
    """A bit that fell over, a file that is gone and a manifest that is gone are found and named."""
    file = DICE.choice(sorted(lake.glob("events/*/*.parquet")))
    whole = file.read_bytes()
    at = DICE.randrange(len(whole))
    file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    found = json.loads(ltvlog("export", "--to", lake, "--check", "--format", "json", code=1).splitlines()[0])
    assert [one["file"] for one in found["problems"]] == [str(file.relative_to(lake))], found
    file.unlink()
    assert "is not there" in ltvlog("export", "--to", lake, "--check", code=1)
    file.write_bytes(whole)
    manifest = sorted(lake.glob("manifest/*/*.json"))[1]
    kept = manifest.read_bytes()
    manifest.write_bytes(kept.replace(b'"rows": ', b'"rows": 1', 1))
    assert "its own checksum" in ltvlog("export", "--to", lake, "--check", code=1)
    manifest.unlink()
    assert "the manifests before it end at" in ltvlog("export", "--to", lake, "--check", code=1)
    said = export(lake, code=1)
    assert "the manifests before it end at" in said and "export --to DEST --check" in said and "byte 0" not in said, said
    try:
        engine(lake)
        raise AssertionError("files.sql does not miss the manifest")
    except duckdb.InvalidInputException as error:
        assert "a manifest is missing" in str(error), error
    manifest.write_bytes(kept)
    assert answer("export", "--to", lake, "--check")["ok"]


def one_bucket(lake):
    """Who asks for one bucket opens its files alone, and the first of all for its schema: the others are no Parquet here."""
    bucket, rows = engine(lake).execute("SELECT bucket, count(*) FROM events GROUP BY bucket ORDER BY bucket").fetchall()[3]
    copy = SCRATCH / "one bucket"
    shutil.copytree(lake, copy)
    duck = engine(copy)
    first = copy / manifests(copy)[0]["files"][0]["name"]
    for file in copy.glob("events/*/*.parquet"):
        if file.parent.name != f"bucket={bucket}" and file != first:
            file.write_bytes(b"")
    assert duck.execute(f"SELECT count(*) FROM events WHERE bucket = {bucket}").fetchone() == (rows,)
    try:
        duck.execute("SELECT count(*) FROM events").fetchone()
        raise AssertionError("the files of other buckets are not read either")
    except duckdb.InvalidInputException as error:
        assert "bucket=" in str(error), error


def nothing_yet(lake):
    """A dataset without an increment says so to whoever asks, and that all its partitions are absent."""
    shutil.copytree(lake, empty := SCRATCH / "empty")
    partitions = len(list(empty.glob("manifest/*")))
    shutil.rmtree(sorted(empty.glob("manifest/*"))[0])
    found = answer("export", "--to", empty, "--check")
    assert (found["ok"], found["partitions"], found["absent_partitions"]) == (True, partitions - 1, 1), found
    said = subprocess.run([BINARY, "export", "--to", empty, "--check"], capture_output=True, text=True, check=True).stderr
    assert "1 partition without an increment here" in said, said
    for manifest in empty.glob("manifest/*"):
        shutil.rmtree(manifest)
    try:
        engine(empty)
        raise AssertionError("files.sql does not miss all manifests")
    except duckdb.InvalidInputException as error:
        assert f"no manifest yet in {empty}: ltvlog export --to DEST --all makes one" in str(error), error


def partitions(lake):
    """A log in two partitions that have a key in common: both events count, in every engine."""
    log = SCRATCH / "parts"
    made = ltvlog("generate", "--events", 3000, "--customers", 300, "--seed", SEED % 1000)
    ltvlog("append", "--log", log, "--partitions", 2, stdin="\n".join(crossing_events()) + "\n" + made)
    assert "twice" in ltvlog("verify", "--log", log, code=1)
    told = list(csv.DictReader(io.StringIO(ltvlog("export", "--log", log, "--to", lake, "--all", "--format", "csv"))))
    assert [one["partition"] for one in told] == ["0/2", "1/2"] and all(int(one["rows"]) > 0 for one in told), told
    same_answers(lake, log)
    buckets = dict(engine(lake).execute("SELECT DISTINCT customer_id, bucket FROM events").fetchall())
    assert all(bucket == bucket_of(customer, 16) for customer, bucket in buckets.items())
    # Names of directories that look like columns are none.
    elsewhere = SCRATCH / "type=x" / "bucket=7" / "lake"
    shutil.copytree(lake, elsewhere)
    same_answers(elsewhere, log)


def a_damaged_partition(lake):
    """What can be exported is, and what cannot, and what comes after it, is told."""
    log = SCRATCH / "hurt"
    shutil.copytree(SCRATCH / "parts", log)
    segment = sorted((log / "partitions" / "00000" / "segments").glob("*.seg"))[0]
    whole = segment.read_bytes()
    segment.write_bytes(whole[:300] + bytes([whole[300] ^ 1]) + whole[301:])
    said = export(lake, log=log, code=1)
    assert "last 2 partitions" in said and "what was exported before stays" in said and "the log was not changed" in said, said
    part = log / "partitions" / "00001"
    assert export(lake, log=part)["rows"] > 0
    about = lake / "dataset.json"
    about.write_text("x" + about.read_text())
    said = export(lake, log=part, code=1)
    assert "dataset.json is damaged" in said and "export --to DEST --check" in said and "verify" not in said, said
    found = json.loads(ltvlog("export", "--to", lake, "--check", "--format", "json", code=1).splitlines()[0])
    assert [(one["file"], one["reason"]) for one in found["problems"]] == [("dataset.json", "it is no JSON of this program")], found


def full_disk():
    small = SCRATCH / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", small], capture_output=True)
    if mounted.returncode != 0:
        print("skipped: this machine mounts no small file system", flush=True)
        return
    try:
        said = export(small / "lake", code=1)
        assert "No space left on device" in said and "make room on the disk" in said, said
        whole_prefix(small / "lake")
        assert not list(small.glob("lake/drafts/*"))
    finally:
        subprocess.run(["umount", small], check=True)


def private(lake):
    for path in [lake, *lake.rglob("*")]:
        mode = path.stat().st_mode & 0o777
        assert mode == (0o700 if path.is_dir() else 0o600), (path, oct(mode))


def documented(lake):
    """docs/lake.md names every column, its type, and every field of a manifest, and no others."""
    text = (ROOT / "docs/lake.md").read_text()
    columns, fields = (re.findall(r"^\| `(\w+)` \| ([^|]*) \|", part, re.M) for part in text.split("\n## Manifests\n"))
    types = {"INT64": "BIGINT", "INT32": "INTEGER", "STRING": "VARCHAR", "TIMESTAMP(MICROS, UTC)": "TIMESTAMP WITH TIME ZONE",
             "DECIMAL(14, 2)": "DECIMAL(14,2)", "of the path": "INTEGER"}
    told = [(name, types[kind.removesuffix(", optional")]) for name, kind in columns]
    assert told == [row[:2] for row in engine(lake).execute("DESCRIBE SELECT * FROM events").fetchall()], told
    schema = duckdb.execute("SELECT name, repetition_type FROM parquet_schema(?)", [str(next(lake.glob("events/*/*.parquet")))])
    optional = [name for name, repetition in schema.fetchall() if repetition == "OPTIONAL"]
    assert optional == [name for name, kind in columns if kind.endswith(", optional")]
    manifest = manifests(lake)[0]
    assert {name for name, _ in fields} == {*manifest, *manifest["files"][0], *manifest["last"]}, fields
    for name in json.loads((lake / "dataset.json").read_text()):
        assert f"`{name}`" in re.search(r"^`dataset.json` has .*$", text, re.M)[0], name


def as_printed(lake):
    """The questions of docs/lake.md in DuckDB's shell, word for word."""
    block = re.search(r"```sql\n(SET VARIABLE lake = 'lake';.*?)```", (ROOT / "docs/lake.md").read_text(), re.S)[1]
    shell = pathlib.Path(sys.executable).with_name("duckdb")
    statements = block.replace("'lake'", f"'{lake}'", 1)
    done = subprocess.run([shell, "-csv"], input=statements, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert answer("replay", "--log", LOG, "--format", "json")["digest"] in done.stdout, done.stdout


def main():
    step(f"seed {SEED}: a log with odd values and updates")
    functions()
    made = ltvlog("generate", "--events", 20000, "--customers", 1500, "--seed", SEED % 1000, "--updates", 20)
    lines = made.splitlines(keepends=True)
    ltvlog("append", "--log", LOG, stdin="\n".join(odd_events()) + "\n" + "".join(lines[:12000]), code=0)
    lake = SCRATCH / "lake"
    first = export(lake)
    assert (first["first"], first["left"]) == (0, 0) and first["increments"] == -(-first["end"] // 4000), first
    step("the same rows")
    rows = engine(lake).execute(f"SELECT {COLUMNS} FROM events ORDER BY sequence").fetchall()
    for ours, theirs in zip(rows_of_log(first["end"]), rows, strict=True):
        assert ours == theirs, (ours, theirs)
    step("the same answers")
    assert same_answers(lake) == first["end"]
    private(lake)
    documented(lake)
    as_printed(lake)
    step("an increment")
    before = {path: path.read_bytes() for path in lake.rglob("*.*") if path.is_file()}
    assert export(lake)["rows"] == 0
    ltvlog("append", "--log", LOG, stdin="".join(lines[12000:]))
    second = export(lake)
    assert second["first"] == first["end"] and second["rows"] == second["end"] - first["end"] > 0, second
    assert all(path.read_bytes() == content for path, content in before.items())
    assert same_answers(lake) == second["end"]
    one_bucket(lake)
    step("sealed segments alone: none yet")
    none = answer("export", "--log", LOG, "--format", "json", "--to", SCRATCH / "sealed")
    assert (none["rows"], none["left"]) == (0, second["end"]), none
    step("partitions, and a key that two of them have")
    partitions(SCRATCH / "parted")
    nothing_yet(SCRATCH / "parted")
    a_damaged_partition(SCRATCH / "hurt lake")
    step("refusals")
    refusals(lake)
    step("damage")
    damage(lake)
    step("a full disk")
    full_disk()
    step("kills")
    kills(SCRATCH / "killed", second["end"])
    step("races")
    races(SCRATCH / "raced", second["end"])
    step("done")


START = time.monotonic()
main()
