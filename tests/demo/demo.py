"""A million events, four partitions, three servers, kills; and four ways to the same answer."""

import json
import pathlib
import subprocess
import sys
import time

BINARY, SCRATCH, SERVER = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]

from cluster import Cluster  # noqa: E402  (of tests/broker)
from common import answer, asked, engine, ltvlog  # noqa: E402  (of tests/lake)
from run import Product  # noqa: E402  (of tests/broker)
from spark import Cluster as Spark  # noqa: E402  (of tests/lake)

EVENTS, CUSTOMERS, PARTITIONS = 1_000_000, 100_000, 4
BEGAN = time.monotonic()
ROWS = []


def timed(what, work):
    """Runs a step; its time, and what is to be told of it, become a row."""
    began = time.monotonic()
    told, note = work()
    ROWS.append((what, time.monotonic() - began, note))
    print(f"{time.monotonic() - BEGAN:6.1f} s  {what}: {note}", flush=True)
    return told


def rate(events, seconds):
    return f"{events / seconds:,.0f} events/s"


def through_the_brokers(product, cluster, events):
    """Publishes, with all ingesters at work, and kills one of them and a server on the way."""
    command = ["publish", *product.broker, "--partitions", str(PARTITIONS), "--create", "--format", "json", str(events)]
    patient = ["--hold-max", "100000,60s"]
    followers = [product.follow(partition, *patient) for partition in range(PARTITIONS)]
    began = time.monotonic()
    with open(SCRATCH / "publish", "w") as out, open(SCRATCH / "publish.err", "w") as said:
        publisher = product.begin(command, out, said)
    product.until(2, lambda report: report["accepted"] > 0)
    assert publisher.poll() is None, "publishing ended before anything was killed"
    cluster.kill(1)
    followers[2].kill()
    followers[2].wait()
    time.sleep(2)
    cluster.start(1)
    followers[2] = product.follow(2, *patient)
    assert publisher.poll() is None, "publishing ended before what was killed was there again"
    assert publisher.wait(200) == 0, (SCRATCH / "publish.err").read_text()
    seconds = time.monotonic() - began
    receipt = json.loads((SCRATCH / "publish").read_text())
    acknowledged = receipt["published"] + receipt["duplicates"]
    assert acknowledged == EVENTS and receipt["rejected"] == 0, receipt
    return acknowledged, f"{acknowledged:,} acknowledged by a cluster of three, {rate(acknowledged, seconds)}"


def caught_up(product):
    """Lag 0 everywhere; then the ingesters are told to stop."""
    for partition in range(PARTITIONS):
        product.until(partition, lambda report: report["lag_events"] == 0 and report["held"] == 0, 120)
    lags = [product.last_report(partition)["lag_events"] for partition in range(PARTITIONS)]
    for follower in product.running[-PARTITIONS - 1 :]:
        if follower.poll() is None:
            follower.terminate()
            follower.wait(30)
    return lags, f"lag {sum(lags)} events"


def logs(product):
    return [word for partition in range(PARTITIONS) for word in ("--log", product.log(partition))]


def exported(product):
    lake = SCRATCH / "lake"
    done = [answer("export", "--log", product.log(partition), "--to", lake, "--all") for partition in range(PARTITIONS)]
    rows, size = sum(one["rows"] for one in done), sum(one["bytes"] for one in done)
    assert rows == EVENTS, done
    return lake, f"{rows:,} rows, {size / rows:.1f} bytes each"


def same(tops, other):
    """Whether another engine's ranking is ltvlog's."""
    names = ("customer_id", "last_name", "revenue", "visits", "orders")
    ours = [[str(customer[name]) for name in names] for customer in tops["customers"]]
    return ours == [[str(row[name]) for name in names] for row in other]


def by_duckdb(lake, tops):
    duck = engine(lake)
    columns = [name[0] for name in duck.execute((engine_sql() / "top.sql").read_text()).description]
    rows = [dict(zip(columns, row)) for row in asked(duck, "top")]
    assert same(tops, rows), rows
    return None, "the same top 10"


def engine_sql():
    return pathlib.Path(__file__).resolve().parents[2] / "docs" / "scale-out"


def by_spark(lake, tops, digest):
    spark = Spark()
    try:
        told = json.loads(spark.submit(lake).communicate()[0])
    finally:
        spark.stop()
    assert same(tops, told["top"]), told["top"]
    assert told["digest"] == digest, told["digest"]
    return None, "the same top 10 and digest, by a master and two workers"


def main():
    events = SCRATCH / "events.ndjson"
    with open(events, "w") as out:
        generate = ["generate", "--events", str(EVENTS), "--customers", str(CUSTOMERS), "--seed", "7"]
        subprocess.run([BINARY, *generate], stdout=out, check=True)

    def appended():
        began = time.monotonic()
        receipt = answer("append", "--log", SCRATCH / "one", events)
        return receipt, f"{receipt['accepted']:,} events, {rate(EVENTS, time.monotonic() - began)}"

    cluster = Cluster(SERVER, SCRATCH)
    product = Product(BINARY, cluster, SCRATCH, PARTITIONS)
    try:
        timed("one log, for comparison", appended)
        timed("three NATS servers", lambda: (cluster.start(), "each syncs before it acknowledges"))
        acknowledged = timed("publish and ingest; a server and an ingester killed -9 and started again",
                             lambda: through_the_brokers(product, cluster, events))
        timed("the rest", lambda: caught_up(product))
        info = answer("info", *logs(product))
        assert info["end"] == info["synced_end"] == acknowledged, info
        verified = timed("verify, over all partitions", lambda: (
            told := answer("verify", *logs(product)), f"{told['events']:,} events, {len(told['problems'])} problems"))
        assert verified["ok"] and verified["events"] == acknowledged, verified

        def replayed():
            one, parts = answer("replay", "--log", SCRATCH / "one"), answer("replay", *logs(product))
            assert (one["events"], one["digest"]) == (parts["events"], parts["digest"]), (one, parts)
            return parts["digest"], f"digest {parts['digest']} of one log and of the four"

        def ranked():
            one, parts = answer("top", 10, "--log", SCRATCH / "one"), answer("top", 10, *logs(product))
            assert one == parts, (one, parts)
            return parts, "the same top 10 of one log and of the four"

        digest, tops = timed("replay", replayed), timed("top 10", ranked)
        lake = timed("export to Parquet", lambda: exported(product))
        timed("DuckDB", lambda: by_duckdb(lake, tops))
        timed("Spark", lambda: by_spark(lake, tops, digest))
    finally:
        product.end()
        cluster.kill()
    print("\n| step | seconds | |\n|---|---|---|")
    for what, seconds, note in ROWS:
        print(f"| {what} | {seconds:.1f} | {note} |")
    print(f"| all | {time.monotonic() - BEGAN:.1f} | acknowledged = distinct in the logs = {acknowledged:,} |")


main()
