"""Publishes and ingests while servers and ingesters are killed, and compares with one log."""

import argparse
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import ingesting
from cluster import Cluster

PARTITIONS = 2
EVENTS, UPDATES, CUSTOMERS = 200_000, 20_000, 20_000
BEGAN = time.monotonic()


def say(what):
    print(f"{time.monotonic() - BEGAN:6.1f} s  {what}", flush=True)


def write_events(binary, path):
    """Events in an order in which each is admitted. An order's updates stay with its customer: those
    of `generate --updates` move some to others, of which many are in another partition."""
    command = [binary, "generate", "--events", str(EVENTS - UPDATES)]
    command += ["--customers", str(CUSTOMERS), "--seed", "7"]
    made = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    updates = 0
    with open(path, "w") as out:
        for line in made.splitlines(keepends=True):
            out.write(line)
            if updates < UPDATES and '"type": "ORDER"' in line:
                updates += 1
                event = json.loads(line)
                event.update(verb="UPDATE", total_amount=f"{updates}.50 USD")
                out.write(json.dumps(event) + "\n")
    assert updates == UPDATES


class Product:
    """The program under test, and one log for each partition."""

    def __init__(self, binary, cluster, dir, partitions=PARTITIONS, stream="events"):
        self.binary, self.cluster, self.dir = binary, cluster, dir
        self.partitions, self.stream = partitions, stream
        self.running = []
        self.broker = ["--nats", cluster.url, "--stream", stream]

    def on(self, stream):
        """The same with another stream, of one partition, in a directory of its own."""
        dir = f"{self.dir}/{stream}"
        os.mkdir(dir)
        return Product(self.binary, self.cluster, dir, partitions=1, stream=stream)

    say, stop = staticmethod(say), staticmethod(lambda process: stop(process, 130))

    def log(self, partition):
        return f"{self.dir}/log-{self.stream}-{partition}"

    def run(self, *args, expect=0, input=None):
        """Runs a command to its end; what it printed as JSON."""
        command = [self.binary, *args, "--format", "json"]
        done = subprocess.run(command, input=input, capture_output=True, timeout=180)
        told = done.stderr.decode()
        assert done.returncode == expect, f"{command}: {done.returncode}, not {expect}\n{told}"
        self.told = told
        return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None

    def publish(self, file, *more, expect=0, input=None):
        args = [*self.broker, "--partitions", str(self.partitions), *more, file]
        return self.run("publish", *args, expect=expect, input=input)

    def ingest_args(self, partition, *more):
        of = f"{partition}/{self.partitions}"
        return ["ingest", *self.broker, "--partition", of, "--log", self.log(partition), *more]

    def catch_up(self, partition, *more, expect=0):
        args = self.ingest_args(partition, "--until-caught-up", *more)
        return self.run(*args, expect=expect)

    def follow(self, partition, *more):
        """An ingester that goes on, and tells each second how far it is."""
        args = self.ingest_args(partition, "--report", "1", "--format", "json", *more)
        out = open(f"{self.dir}/follow-{partition}", "a")
        said = open(f"{self.dir}/follow-{partition}.err", "a")
        return self.begin(args, out, said)

    def begin(self, args, out, said):
        """Runs a command until it ends, or this test does."""
        self.running.append(subprocess.Popen([self.binary, *args], stdout=out, stderr=said))
        return self.running[-1]

    def end(self):
        for one in self.running:
            one.kill()
            one.wait()

    def last_report(self, partition):
        with open(f"{self.dir}/follow-{partition}") as file:
            lines = [line for line in file.read().splitlines(keepends=True) if line.endswith("\n")]
        return json.loads(lines[-1]) if lines else None

    def until(self, partition, is_so, seconds=60):
        until = time.monotonic() + seconds
        while not ((report := self.last_report(partition)) and is_so(report)):
            assert time.monotonic() < until, f"partition {partition}: {report}"
            time.sleep(0.1)
        return report

    def digest(self):
        """Of all logs: the sum of two numbers each, wrapping."""
        sums, events = [0, 0], 0
        for partition in range(self.partitions):
            told = self.run("replay", "--log", self.log(partition))
            for at, number in enumerate(halves(told["digest"])):
                sums[at] = (sums[at] + number) % 2**64
            events += told["events"]
        return b"".join(number.to_bytes(8, "little") for number in sums).hex(), events


def halves(digest):
    raw = bytes.fromhex(digest)
    return [int.from_bytes(raw[at : at + 8], "little") for at in (0, 8)]


def stop(process, expect):
    process.send_signal(signal.SIGINT)
    code = process.wait(30)
    assert code == expect, f"an ingester that was told to stop ended with {code}"


def kills_under_load(product, cluster, events):
    """Servers and an ingester are killed while events are published."""
    say("publish; kill a server, an ingester, and then all servers")
    command = ["publish", *product.broker, "--partitions", str(PARTITIONS)]
    command += ["--create", "--format", "json", events]
    # The streams come with the publisher; whoever comes before them waits for a little.
    # What is sent again after all servers were away can come a while after what was sent behind it.
    patient = ["--hold-max", "100000,60s"]
    followers = [product.follow(partition, *patient) for partition in range(PARTITIONS)]
    with open(f"{product.dir}/publish", "w") as out, open(f"{product.dir}/publish.err", "w") as said:
        publisher = product.begin(command, out, said)
    product.until(0, lambda report: report["accepted"] > 0)
    assert publisher.poll() is None, "publishing ended before anything was killed"
    cluster.kill(1)
    time.sleep(0.7)
    followers[0].kill()
    followers[0].wait()
    time.sleep(0.7)
    followers[0] = product.follow(0, *patient)
    assert publisher.poll() is None, "publishing ended before all servers were killed"
    cluster.kill()
    time.sleep(1)
    cluster.start()
    assert publisher.wait(120) == 0, open(f"{product.dir}/publish.err").read()
    receipt = json.load(open(f"{product.dir}/publish"))
    say(f"  {receipt}")
    assert receipt["published"] + receipt["duplicates"] == EVENTS, receipt
    assert (receipt["rejected"], receipt["unacknowledged"]) == (0, 0), receipt
    for partition, follower in enumerate(followers):
        product.until(partition, lambda report: report["lag_events"] == 0)
        stop(follower, 130)


def everything_once(product, events):
    """All that was acknowledged is in the logs, once, and they answer as one log does."""
    say("compare with one log")
    one = product.run("append", "--log", f"{product.dir}/one", events)
    for partition in range(PARTITIONS):
        told = product.catch_up(partition)
        assert told["rejected"] == 0 and told["lag_events"] == 0, told
        verified = product.run("verify", "--log", product.log(partition))
        assert verified["ok"], verified
    digest, count = product.digest()
    whole = product.run("replay", "--log", f"{product.dir}/one")
    assert (count, one["accepted"]) == (EVENTS, EVENTS), (count, one)
    assert digest == whole["digest"], (digest, whole)


def published_again(product, events):
    """The broker drops most of what it has, and the logs the rest."""
    say("publish everything again")
    receipt = product.publish(events, "--monitor", product.cluster.monitors[0])
    say(f"  {receipt}")
    assert receipt["published"] + receipt["duplicates"] == EVENTS, receipt
    assert product.told == "", product.told
    before = product.digest()
    new = 0
    for partition in range(PARTITIONS):
        told = product.catch_up(partition)
        assert (told["accepted"], told["rejected"]) == (0, 0), told
        new += told["duplicates"]
    assert new == receipt["published"], (new, receipt)
    assert product.digest() == before


def partition_of(customer):
    """As docs/scale-out.md has it."""
    return int.from_bytes(hashlib.sha256(customer.encode()).digest()[:4], "big") % PARTITIONS


def customer_of(partition):
    """A customer's id that belongs to a partition."""
    names = (f"made-up-{number}" for number in range(1000))
    return next(name for name in names if partition_of(name) == partition)


def lines(*events):
    at = "2017-01-06T12:00:00Z"
    return "".join(json.dumps({"event_time": at, **event}) + "\n" for event in events).encode()


def poison(product, cluster):
    """What is no event, or another partition's, is told of and stops nothing."""
    say("messages that are no events")
    cluster.publish("events.00000", b"no JSON")
    cluster.publish("events.00000", b"")
    foreign = {"type": "CUSTOMER", "verb": "NEW", "key": customer_of(1)}
    cluster.publish("events.00000", lines(foreign).strip())
    own = {**foreign, "key": customer_of(0)}
    seq = cluster.publish("events.00000", lines(own).strip())
    rejects = f"{product.dir}/rejects"
    told = product.catch_up(0, "--rejects", rejects, expect=3)
    assert told["accepted"] == 1 and told["position"] == seq, told
    assert told["reasons"] == {"invalid_field": 1, "malformed_json": 2}, told
    kept = [json.loads(line) for line in open(rejects)]
    assert [line["line"] for line in kept] == [seq - 3, seq - 2, seq - 1], kept
    assert all(line["file"] == "nats:events-00000" for line in kept), kept
    told = product.catch_up(0)
    assert (told["accepted"], told["duplicates"], told["rejected"]) == (0, 0, 0), told
    told = product.publish("-", expect=3, input=b'{"type":"CUSTOMER"}\nnonsense\n')
    assert told["reasons"] == {"malformed_json": 1, "missing_field": 1}, told
    assert told["published"] == 0, told
    product.run("publish", "--partitions", "2", "-", expect=2)
    product.run("publish", *product.broker[:2], "--stream", "a.b", "--partitions", "2", expect=2)


def moved_order(product):
    """An order that moves to a customer of another partition is not known there."""
    say("an order that moves to another partition")
    first, second = customer_of(0), customer_of(1)
    order = {"type": "ORDER", "key": "moving", "total_amount": "1.00 USD"}
    told = product.publish(
        "-",
        input=lines(
            {"type": "CUSTOMER", "verb": "NEW", "key": first},
            {"type": "CUSTOMER", "verb": "NEW", "key": second},
            {**order, "verb": "NEW", "customer_id": first},
            {**order, "verb": "UPDATE", "customer_id": second},
        ),
    )
    assert told["published"] == 4, told
    told = product.catch_up(0)
    assert (told["accepted"], told["rejected"]) == (1, 0), told
    told = product.catch_up(1, "--hold-max", "1s", expect=3)
    assert told["accepted"] == 1 and told["reasons"] == {"unknown_order": 1}, told


def held_across_a_restart(product):
    """The position does not pass an event that is held, whoever is killed meanwhile."""
    say("an event that is held while its ingester is killed")
    late = "late-" + customer_of(0)
    visit = {"type": "SITE_VISIT", "verb": "NEW", "key": "held", "customer_id": late}
    partition = partition_of(late)
    product.publish("-", input=lines(visit))
    for end in (signal.SIGKILL, signal.SIGINT):
        os.truncate(f"{product.dir}/follow-{partition}", 0)
        follower = product.follow(partition, "--hold-max", "600s")
        product.until(partition, lambda report: report["held"] == 1)
        follower.send_signal(end)
        follower.wait(30)
    product.publish("-", input=lines({"type": "CUSTOMER", "verb": "NEW", "key": late}))
    told = product.catch_up(partition)
    assert (told["accepted"], told["rejected"], told["held"]) == (2, 0, 0), told


def lost_positions(product, cluster):
    """A stream that was purged or made anew is not read as if nothing had happened."""
    say("a stream that is purged, and one that is made anew")
    visit = {"type": "SITE_VISIT", "verb": "NEW", "customer_id": customer_of(0)}
    product.publish("-", input=lines({**visit, "key": "purged"}))
    cluster.request("$JS.API.STREAM.PURGE.events-00000")
    product.publish("-", input=lines({**visit, "key": "after the purge"}))
    product.catch_up(0, expect=1)
    assert "are gone, and were not read" in product.told, product.told
    told = product.catch_up(0, "--from-first")
    assert (told["accepted"], told["rejected"]) == (1, 0), told
    cluster.request("$JS.API.STREAM.DELETE.events-00000")
    product.publish("-", "--create", input=lines({**visit, "key": "made anew"}))
    product.catch_up(0, expect=1)
    assert "this one was made at" in product.told, product.told
    told = product.catch_up(0, "--from-first")
    assert (told["accepted"], told["rejected"]) == (1, 0), told
    told = product.run("publish", *product.broker, "--partitions", "3", "-", expect=1, input=b"")
    assert "say as many partitions as it was made for" in product.told, product.told


def weaker_streams(product, cluster):
    """A stream that somebody else made, and that may lose what it has acknowledged."""
    say("streams that keep less, and a stream that is sealed")
    event = lines({"type": "CUSTOMER", "verb": "NEW", "key": customer_of(0)})
    stream = {"name": "weak-00000", "subjects": ["weak.00000"], "num_replicas": 1, "storage": "memory"}
    stream |= {"max_msgs": 2, "max_msg_size": 300, "discard": "old"}
    api = "$JS.API.STREAM.%s.weak-00000"
    assert "error" not in cluster.request(api % "CREATE", json.dumps(stream).encode())
    weak = "it is in memory; its replicas are 1, not %s; it drops the oldest beyond 2 messages"
    product.publish("-", "--create", input=event, expect=1)
    assert f"not as `--create` makes it: {weak % 3}" in product.told, product.told
    long = lines({"type": "CUSTOMER", "verb": "NEW", "key": customer_of(0), "more": "x" * 300})
    told = product.publish("-", input=event + long, expect=3)
    assert (told["published"], told["reasons"]) == (1, {"too_large": 1}), told
    assert f"may lose what it has acknowledged: {weak % 2}" in product.told, product.told
    # What the stream says of a message is final; it says nothing else from now on.
    answer = cluster.request(api % "UPDATE", json.dumps(stream | {"sealed": True}).encode())
    assert "error" not in answer, answer
    told = product.publish("-", input=event, expect=1)
    assert "the stream refuses a message" in product.told and "trying again" not in product.told, product.told
    assert told["unacknowledged"] == 1, told


def wrong_usage(product):
    """What can never be right is told at once, and no password with it."""
    say("wrong usage")
    publish = ["publish", "--stream", "events", "--partitions", "2"]
    nats = ["--nats", "nats://h:4222"]
    of_usage = (
        (["--nats", ""], "it has no host"),
        (["--nats", "nats://"], "it has no host"),
        (["--nats", "nats://h:4222,"], "it has no host"),
        (["--nats", "http://me:s3cret@h"], "invalid scheme"),
        (["--nats", "nats://me:s3cret@h,nats://you:s3cret@h2"], "name different users"),
        ([*nats, "--log", product.dir], "`publish` reads files, and no log"),
        ([*nats, "--monitor", "nonsense"], "is no address of a monitoring port"),
        ([*nats, "--give-up", str(2**64 - 1)], "--give-up"),
    )
    for args, why in of_usage:
        product.run(*publish, *args, "-", expect=2, input=b"")
        assert why in product.told and "s3cret" not in product.told, product.told
    ingest = ["ingest", "--stream", "events", "--partition", "0/2", "--log", f"{product.dir}/none"]
    product.run(*ingest, *nats, "--report", str(2**64 - 1), expect=2)
    product.run(*publish, "--nats", "nats://me:s3cret@127.0.0.1:1", "--give-up", "1", "-", expect=1, input=b"")
    assert "cannot connect to nats://127.0.0.1:1:" in product.told and "s3cret" not in product.told, product.told
    product.publish("-", "--broker-ca-file", f"{product.dir}/nowhere", expect=1, input=b"")
    assert "cannot use the authorities in" in product.told, product.told


def gone_for_good(product, cluster, events):
    """Publishers whose servers are all gone end when they were told to, though thousands of messages are under way."""
    say("servers that do not come back")
    command = ["publish", *product.broker, "--partitions", str(PARTITIONS), "--format", "json"]
    ended = []
    for more in (["--give-up", "3"], []):
        with open(f"{product.dir}/gone", "w") as out, open(f"{product.dir}/gone.err", "w") as said:
            ended.append(product.begin([*command, *more, events], out, said))
    time.sleep(1)
    assert all(one.poll() is None for one in ended), "publishing ended before the servers were killed"
    patient, began = ended.pop(), time.monotonic()
    cluster.kill()
    assert ended.pop().wait(15) == 1, "a publisher that was to give up"
    gave_up = time.monotonic() - began
    assert patient.poll() is None, "a publisher that was to wait"
    began = time.monotonic()
    stop(patient, 130)
    stopped = time.monotonic() - began
    say(f"  given up after {gave_up:.1f} s, ended {stopped:.1f} s after a signal")
    # Counted from the last acknowledgement, which may have come a little before.
    assert 2.5 <= gave_up < 8 and stopped < 5, (gave_up, stopped)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--rates", action="store_true")
    parser.add_argument("--bare", help="the bare client, if it is built already")
    parser.add_argument("--keep", action="store_true", help="leave the directory of logs")
    parser.add_argument("binary", nargs="?", default="target/debug/ltvlog")
    args = parser.parse_args()
    if args.rates:
        import rates

        return rates.run(args)
    # Whoever takes but the helpers from here has no need of its libraries.
    import guarded

    dir = tempfile.mkdtemp(prefix="ltvlog-broker-")
    cluster = Cluster(args.server, dir)
    product = Product(args.binary, cluster, dir)
    try:
        cluster.start()
        events = f"{dir}/events.ndjson"
        write_events(args.binary, events)
        kills_under_load(product, cluster, events)
        everything_once(product, events)
        published_again(product, events)
        poison(product, cluster)
        moved_order(product)
        held_across_a_restart(product)
        lost_positions(product, cluster)
        say("waiting, gaps, and servers that have less than they acknowledged")
        ingesting.run(product, cluster, lines, (f"someone-{number}" for number in itertools.count()))
        say("a disk that is full while a partition is read")
        alone = Product(args.binary, cluster, dir, partitions=1, stream="alone")
        say(f"  {guarded.full_disk(alone, events, EVENTS)}")
        say("TLS and credentials")
        guarded.only_who_is_known(product, args.server, lines, customer_of(0))
        guarded.by_address(product, args.server, lines, customer_of(0))
        guarded.without_jetstream(product, args.server)
        weaker_streams(Product(args.binary, cluster, dir, partitions=1, stream="weak"), cluster)
        wrong_usage(product)
        gone_for_good(product, cluster, events)
        say("all is well")
    finally:
        product.end()
        cluster.kill()
        if args.keep:
            print(dir)
        else:
            shutil.rmtree(dir, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
