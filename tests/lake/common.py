"""What the checks of datasets share: the program, odd events, and the questions that engines are asked."""

import hashlib
import json
import pathlib
import subprocess
import sys

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[2]
SQL = ROOT / "docs" / "scale-out"
BINARY = sys.argv[1]


def ltvlog(*args, code=0, stdin=None):
    """Runs the program; gives its standard output, or all that it said where it is to fail."""
    done = subprocess.run([BINARY, *map(str, args)], input=stdin, capture_output=True, text=True)
    assert done.returncode == code, f"{args[:9]}: {done.returncode}, {done.stdout[-500:]}{done.stderr[-2000:]}"
    return done.stdout if code == 0 else done.stdout + done.stderr


def answer(*args, code=0):
    return json.loads(ltvlog("--format", "json", *args, code=code))


def event(type, verb, key, at, **fields):
    return json.dumps({"type": type, "verb": verb, "key": key, "event_time": at, **fields}, ensure_ascii=False)


def odd_events():
    """Values at the edges: empty, quoted, in other scripts, negative, stale, moved, tied, before and after."""
    order, customer = "ORDER", "CUSTOMER"
    yield event(customer, "NEW", "é", "1970-01-01T00:00:00Z", last_name="", adr_city="\"quoted\", and\nbroken", adr_state="\\")
    yield event(customer, "NEW", "c 'quote'", "2099-12-31T23:59:59.999999Z", last_name="Łódź 漢字 🦀")
    yield event(customer, "NEW", "x" * 255, "2017-01-07T23:59:59.999999Z")
    yield event(customer, "UPDATE", "é", "2017-01-08T00:00:00Z", adr_state="", last_name="later", extra={"n": 1})
    yield event(customer, "UPDATE", "é", "2016-01-08T00:00:00Z", last_name="stale")
    yield event("SITE_VISIT", "NEW", "v", "2017-01-07T23:59:59.999999Z", customer_id="é", tags=[{"k": "\u0000 \" é"}, 1.50])
    yield event("IMAGE", "UPLOAD", "i", "2017-01-08T00:00:00.000001Z", customer_id="c 'quote'", camera_make="", camera_model="\t")
    yield event(order, "NEW", "o1", "2017-01-08T00:00:00Z", customer_id="é", total_amount="-999999999999.99 USD")
    yield event(order, "NEW", "o2", "2017-01-08T00:00:00Z", customer_id="é", total_amount="999999999999.99 USD")
    yield event(order, "UPDATE", "o2", "2017-01-07T00:00:00Z", customer_id="é", total_amount="5 USD")  # stale
    yield event(order, "NEW", "o3", "2017-02-01T00:00:00Z", customer_id="é", total_amount="0.01 USD")
    yield event(order, "UPDATE", "o3", "2017-02-02T00:00:00Z", customer_id="c 'quote'", total_amount="-0.02 USD")  # moved
    yield event(order, "UPDATE", "o3", "2017-02-02T00:00:00Z", customer_id="x" * 255, total_amount="7.5 USD")  # tied, later
    yield event(order, "NEW", "o4", "2017-02-04T23:59:59.999999Z", customer_id="x" * 255, total_amount="-0 USD")


def crossing_events():
    """Two orders of one key, and two visits, of customers in different partitions of two; a tie of time between them."""
    one, other = (next(id for id in map("c{}".format, range(99)) if bucket_of(id, 2) == part) for part in (0, 1))
    for customer, amount in ((one, "10.00 USD"), (other, "20.00 USD")):
        yield event("CUSTOMER", "NEW", customer, "2017-01-01T00:00:00Z", last_name=customer)
        yield event("ORDER", "NEW", "twice", "2017-01-02T00:00:00Z", customer_id=customer, total_amount=amount)
        yield event("SITE_VISIT", "NEW", "seen twice", "2017-01-03T00:00:00Z", customer_id=customer)


def bucket_of(customer, buckets):
    return int.from_bytes(hashlib.sha256(customer.encode()).digest()[:4], "big") % buckets


def engine(lake):
    """DuckDB with the views of docs/scale-out over what the manifests name."""
    duck = duckdb.connect()
    duck.execute("SET threads = 2; SET TimeZone = 'UTC'")
    duck.execute("SET VARIABLE lake = '" + str(lake) + "'")
    for name in ("files", "partition", "statistics"):
        duck.execute((SQL / f"{name}.sql").read_text())
    return duck


def asked(duck, name):
    return duck.execute((SQL / f"{name}.sql").read_text()).fetchall()


def manifests(lake):
    return [json.loads(path.read_text()) for path in sorted(pathlib.Path(lake).glob("manifest/*/*.json"))]
