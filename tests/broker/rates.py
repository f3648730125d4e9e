"""`publish` and `ingest` beside a bare client of the same broker, in the same run."""

import json
import shutil
import subprocess
import tempfile

from cluster import Cluster
from run import Product

EVENTS, CUSTOMERS = 100_000, 10_000


def bare(*args):
    """The bare client, as `cargo bench` builds it: with the release profile, so compare a release build."""
    command = ["cargo", "bench", "--quiet", "--features", "nats", "--bench", "broker", "--", *args]
    done = subprocess.run(command, capture_output=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def rate(count, seconds):
    return f"{count / seconds:,.0f}"


def ingest_all(product):
    """All partitions at once, each by a process of its own; the longest time of one."""
    running = []
    for partition in range(product.partitions):
        args = product.ingest_args(partition, "--until-caught-up", "--format", "json")
        running.append(subprocess.Popen([product.binary, *args], stdout=subprocess.PIPE))
    told = [json.loads(one.communicate()[0].splitlines()[-1]) for one in running]
    assert sum(one["accepted"] for one in told) == EVENTS, told
    return max(one["seconds"] for one in told)


def run(args):
    dir = tempfile.mkdtemp(prefix="ltvlog-broker-")
    cluster = Cluster(args.server, dir)
    client = bare if args.bare is None else lambda *more: json.loads(
        subprocess.run([args.bare, *more], capture_output=True, check=True).stdout
    )
    try:
        events = f"{dir}/events.ndjson"
        with open(events, "w") as out:
            command = [args.binary, "generate", "--events", str(EVENTS)]
            command += ["--customers", str(CUSTOMERS), "--seed", "7"]
            subprocess.run(command, stdout=out, check=True)
        cluster.start()
        print("| events/s | publish | bare | | ingest | bare | |\n|---|---|---|---|---|---|---|")
        for partitions in (1, 4):
            name = f"bare{partitions}"
            sent = client("publish", cluster.url, name, str(partitions), events)
            product = Product(args.binary, cluster, dir, partitions, f"events{partitions}")
            told = product.publish(events, "--create")
            assert told["published"] == EVENTS, told
            read = client("read", cluster.url, name, str(partitions))
            assert sent["messages"] == read["messages"] == EVENTS, (sent, read)
            taken = ingest_all(product)
            print(
                f"| {partitions} partition{'s' * (partitions > 1)} "
                f"| {rate(EVENTS, told['seconds'])} | {rate(EVENTS, sent['seconds'])} "
                f"| {sent['seconds'] / told['seconds']:.2f} "
                f"| {rate(EVENTS, taken)} | {rate(EVENTS, read['seconds'])} "
                f"| {read['seconds'] / taken:.2f} |",
                flush=True,
            )
    finally:
        cluster.kill()
        shutil.rmtree(dir, ignore_errors=True)
