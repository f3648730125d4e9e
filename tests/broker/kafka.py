"""Publishes and ingests by way of a Kafka broker in a process of its own (Tansu, in memory); an ingester is killed."""

import json
import subprocess
import sys
import tempfile
import time

from cluster import free_ports
from run import EVENTS, Product, say

PARTITIONS = 4
REST = 10_000


class Broker:
    """Tansu, which keeps its messages in memory."""

    def __init__(self, program, dir):
        self.port = free_ports(1)[0]
        url = f"tcp://127.0.0.1:{self.port}"
        command = [program, "broker", "--listener-url", url, "--advertised-listener-url", url]
        said = open(f"{dir}/broker.log", "w")
        self.process = subprocess.Popen([*command, "--storage-engine", "memory://tansu/"], stdout=said, stderr=said)
        # Product asks it for nothing else.
        self.url = f"127.0.0.1:{self.port}"


def main(binary, program):
    dir = tempfile.mkdtemp(prefix="ltvlog-kafka-")
    broker = Broker(program, dir)
    product = Product(binary, broker, dir, PARTITIONS)
    product.broker = ["--kafka", broker.url, "--topic", "events"]
    try:
        events = f"{dir}/events.ndjson"
        with open(events, "w") as out:
            generate = ["generate", "--events", str(EVENTS), "--customers", str(EVENTS // 10), "--seed", "7"]
            subprocess.run([binary, *generate], stdout=out, check=True)
        say("a topic that is missing, and options that lower what an acknowledgement is worth")
        product.publish("-", input=b"", expect=1)
        assert "there is no topic events" in product.told, product.told
        product.publish("-", "--kafka-option", "acks=1", input=b"", expect=2)
        say("publish, and kill an ingester meanwhile")
        # Tansu's end of a topic is where its last batch begins: whoever has read that batch is ahead of it. So
        # some events are published behind all that was read.
        most, rest = f"{dir}/most.ndjson", f"{dir}/rest.ndjson"
        with open(events) as all, open(most, "w") as first, open(rest, "w") as second:
            for number, line in enumerate(all):
                (first if number < EVENTS - REST else second).write(line)
        command = ["publish", *product.broker, "--partitions", str(PARTITIONS), "--create", "--replicas", "1"]
        with open(f"{dir}/publish", "w") as out, open(f"{dir}/publish.err", "w") as err:
            publisher = product.begin([*command, "--format", "json", most], out, err)
        time.sleep(0.5)
        follower = product.follow(2)
        product.until(2, lambda report: report["accepted"] > 0)
        follower.kill()
        follower.wait()
        assert publisher.wait(180) == 0, open(f"{dir}/publish.err").read()
        receipt = json.load(open(f"{dir}/publish"))
        say(f"  {receipt}")
        assert receipt["published"] == EVENTS - REST and receipt["rejected"] == 0, receipt
        assert product.publish(rest)["published"] == REST
        for partition in range(PARTITIONS):
            told = product.catch_up(partition)
            assert (told["rejected"], told["lag_events"]) == (0, 0), told
        say("compare with one log")
        product.run("append", "--log", f"{dir}/one", events)
        whole = product.run("replay", "--log", f"{dir}/one")
        digest, count = product.digest()
        assert (digest, count) == (whole["digest"], EVENTS), (digest, count, whole)
        say("publish everything again")
        product.publish("-", "--create", input=b"", expect=1)
        assert "its replicas are 1, not 3" in product.told, product.told
        product.publish(events)
        assert "acknowledge what they have in memory" in product.told, product.told
        told = [product.catch_up(partition) for partition in range(PARTITIONS)]
        assert sum(one["duplicates"] for one in told) == EVENTS, told
        assert product.digest() == (digest, EVENTS)
        say(f"all is well: {count} events, each once, digest {digest}")
    finally:
        product.end()
        broker.process.kill()
        broker.process.wait()


main(*sys.argv[1:])
