"""`publish` and `ingest` beside a bare client of the same broker: in turn, each time into new streams, by the wall clock."""

import json
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass

from cluster import Cluster
from run import Product, say

EVENTS, CUSTOMERS, ROUNDS = 1_000_000, 100_000, 5
TRIES = 5


def built():
    """The bare client, as `cargo bench` builds it: with the release profile, so compare a release build."""
    command = ["cargo", "bench", "--features", "nats", "--bench", "broker", "--no-run"]
    done = subprocess.run([*command, "--message-format", "json"], stdout=subprocess.PIPE, check=True)
    told = (json.loads(line) for line in done.stdout.splitlines())
    return next(one["executable"] for one in told if one.get("target", {}).get("name") == "broker" and one.get("executable"))


def seconds(run):
    """From before the first process is started until the last has ended."""
    began = time.monotonic()
    run()
    return time.monotonic() - began


def seconds_to_read(run):
    """The bare client does not try again when a busy server breaks off: then its time begins anew."""
    for _ in range(TRIES - 1):
        try:
            return seconds(run)
        except subprocess.CalledProcessError as error:
            say(f"  once more: {error.stderr.decode().strip()}")
    return seconds(run)


@dataclass
class Bare:
    """The client that sends and reads the same payloads, and does nothing else."""

    client: str
    cluster: Cluster
    stream: str
    partitions: int

    def run(self, *args):
        command = [self.client, args[0], self.cluster.url, self.stream, str(self.partitions), *args[1:]]
        told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        assert told["messages"] == EVENTS, told

    def publish(self, events):
        self.run("publish", events)

    def read(self):
        self.run("read")


class Ours(Product):
    """The product, with an ingester for each partition, all at once."""

    def publish(self, events):
        told = super().publish(events, "--create")
        assert told["published"] == EVENTS, told

    def read(self):
        running = []
        for partition in range(self.partitions):
            args = self.ingest_args(partition, "--until-caught-up", "--format", "json")
            running.append(subprocess.Popen([self.binary, *args], stdout=subprocess.PIPE))
        told = [json.loads(one.communicate()[0].splitlines()[-1]) for one in running]
        assert sum(one["accepted"] for one in told) == EVENTS, told


def drop_streams(cluster):
    """So that no round meets the messages of the one before it."""
    for name in cluster.request("$JS.API.STREAM.NAMES")["streams"] or []:
        assert cluster.request(f"$JS.API.STREAM.DELETE.{name}")["success"], name


def one_round(client, args, cluster, events, partitions, bare_first):
    """How long each of the two took to publish and to read; who begins takes turns."""
    dir = tempfile.mkdtemp(prefix="ltvlog-rates-")
    try:
        pair = {
            "bare": Bare(client, cluster, "bare", partitions),
            "ours": Ours(args.binary, cluster, dir, partitions, "ours"),
        }
        turn = sorted(pair, reverse=not bare_first)
        publish = {who: seconds(lambda: pair[who].publish(events)) for who in turn}
        read = {who: seconds_to_read(pair[who].read) for who in turn}
    finally:
        shutil.rmtree(dir, ignore_errors=True)
    drop_streams(cluster)
    return publish, read


def cells(rounds):
    """Of one task: both rates, and their ratio of each round; each by its median, the least and the greatest."""
    ratios = sorted(one["bare"] / one["ours"] for one in rounds)
    rates = {who: sorted(EVENTS / one[who] for one in rounds) for who in ("ours", "bare")}
    return [
        *(f"{statistics.median(all):,.0f} ({all[0]:,.0f} to {all[-1]:,.0f})" for all in rates.values()),
        f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
    ]


def run(args):
    client = args.bare or built()
    dir = tempfile.mkdtemp(prefix="ltvlog-broker-")
    cluster = Cluster(args.server, dir)
    table = ["| events/s | `publish` | bare | of bare | `ingest` | bare | of bare |", "|---|---|---|---|---|---|---|"]
    try:
        events = f"{dir}/events.ndjson"
        with open(events, "w") as out:
            command = [args.binary, "generate", "--events", str(EVENTS)]
            command += ["--customers", str(CUSTOMERS), "--seed", "7"]
            subprocess.run(command, stdout=out, check=True)
        cluster.start()
        for partitions in (1, 4):
            rounds = []
            for number in range(ROUNDS):
                rounds.append(one_round(client, args, cluster, events, partitions, number % 2 == 0))
                say(f"{partitions}: {rounds[-1]}")
            title = "1 partition" if partitions == 1 else f"{partitions} partitions, an ingester each"
            tasks = (cells([one[task] for one in rounds]) for task in (0, 1))
            table.append(f"| {' | '.join([title, *(cell for task in tasks for cell in task)])} |")
        print("\n".join(table))
    finally:
        cluster.kill()
        shutil.rmtree(dir, ignore_errors=True)
