"""What an ingester does where events wait, messages are gone, or servers have less than they acknowledged."""

import json
import os
import shutil
import signal
import subprocess
import time

from cluster import NODES

# Longer than what an ingester asks for at once.
LONG_BYTES = 9 << 20


def run(product, cluster, lines, customers):
    """All of it, on streams of its own: `customers` gives ids of a partition, one after the other."""
    for check in (waits, unread, rejected_before_a_kill, long_message, nobody_reads, gaps, lagging_replica, lost_end):
        product.say(f"  {check.__doc__.splitlines()[0]}")
        check(product.on(check.__name__.replace("_", "-")), cluster, lines, customers)


def customer(lines, key):
    return lines({"type": "CUSTOMER", "verb": "NEW", "key": key})


def visit(lines, key, of):
    return lines({"type": "SITE_VISIT", "verb": "NEW", "key": key, "customer_id": of})


def many(lines, customers, count):
    return b"".join(customer(lines, next(customers)) for _ in range(count))


def waits(product, cluster, lines, customers):
    """each event is held for its own time, and nobody else waits for it"""
    product.publish("-", "--create", input=visit(lines, "orphan", next(customers)))
    follower = product.follow(0, "--hold-max", "3s")
    product.until(0, lambda report: report["held"] == 1)
    others = many(lines, customers, 50)
    product.publish("-", input=others)
    report = product.until(0, lambda report: report["accepted"] == 50)
    assert (report["held"], report["end"], report["lag_events"]) == (1, 50, 0), report
    # The mark stays before what is held.
    assert report["position"] is None, report
    time.sleep(max(0, 2 - report["seconds"]))
    late = next(customers)
    product.publish("-", input=visit(lines, "early", late))
    time.sleep(1.8)
    product.publish("-", input=customer(lines, late))
    report = product.until(0, lambda report: report["held"] == 0 and report["accepted"] >= 52)
    assert report["reasons"] == {"unknown_customer": 1} and report["accepted"] == 52, report
    assert report["position"] == 53, report
    product.stop(follower)
    # A bound in events alone has the usual time, too, so that it comes to an end.
    product.publish("-", input=visit(lines, "another orphan", next(customers)))
    told = product.catch_up(0, "--hold-max", "1000", expect=3)
    assert told["reasons"] == {"unknown_customer": 1} and told["position"] == 54, told


def unread(product, cluster, lines, customers):
    """a partition of which there is nothing has a log all the same"""
    product.publish("-", "--create", input=b"")
    told = product.catch_up(0)
    assert (told["position"], told["lag_events"], told["end"]) == (None, 0, 0), told
    assert product.run("info", "--log", product.log(0))["end"] == 0
    follower = product.follow(0)
    product.until(0, lambda report: report["lag_events"] == 0)
    product.catch_up(0, expect=1)
    assert "another process is writing to" in product.told, product.told
    cluster.kill()
    report = product.until(0, lambda report: report["lag_events"] is None)
    assert report["lag_seconds"] is None, report
    cluster.start()
    product.until(0, lambda report: report["lag_events"] == 0)
    cluster.kill()
    product.until(0, lambda report: report["lag_events"] is None)
    # Whether it is at work or only trying to connect, it does as it is told.
    waiting = product.begin(product.ingest_args(0), subprocess.DEVNULL, subprocess.DEVNULL)
    time.sleep(0.5)
    product.stop(waiting)
    product.stop(follower)
    cluster.start()


def rejected_before_a_kill(product, cluster, lines, customers):
    """what is rejected is told of at once, and on the disk before the mark"""
    product.publish("-", "--create", input=b"")
    said = f"{product.dir}/follow-0.err"
    rejects = f"{product.dir}/rejects-kept"
    for more in ([], ["--rejects", rejects]):
        open(said, "w").close()
        follower = product.follow(0, *more)
        at = cluster.publish(f"{product.stream}.00000", b"no JSON")
        product.until(0, lambda report: report["position"] == at)
        follower.kill()
        follower.wait()
        kept = open(rejects if more else said).read()
        assert "malformed_json" in kept and "no JSON" in kept, kept
    told = product.catch_up(0)
    assert (told["rejected"], told["position"]) == (0, at), told


def long_message(product, cluster, lines, customers):
    """a message that is longer than what is asked for at once is rejected, and stops nothing"""
    product.publish("-", "--create", input=b"")
    cluster.publish(f"{product.stream}.00000", b"x" * LONG_BYTES)
    product.publish("-", input=many(lines, customers, 3))
    told = product.catch_up(0, expect=3)
    assert (told["accepted"], told["rejected"], told["lag_events"]) == (3, 1, 0), told


def nobody_reads(product, cluster, lines, customers):
    """an ingester goes on when nobody reads its reports any more"""
    product.publish("-", "--create", input=b"")
    command = product.ingest_args(0, "--report", "1", "--format", "json")
    process = subprocess.Popen([product.binary, *command], stdout=subprocess.PIPE)
    product.running.append(process)
    process.stdout.readline()
    process.stdout.close()
    time.sleep(2.5)
    assert process.poll() is None, process.poll()
    product.publish("-", input=many(lines, customers, 5))
    until = time.monotonic() + 20
    while product.run("info", "--log", product.log(0))["end"] < 5:
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130


def gaps(product, cluster, lines, customers):
    """messages that are dropped while an ingester runs are missed"""
    product.publish("-", "--create", input=many(lines, customers, 10))
    # Who begins with what there is takes gaps there, and none that come later.
    follower = product.follow(0, "--from-first")
    product.until(0, lambda report: report["accepted"] == 10)
    follower.send_signal(signal.SIGSTOP)
    # More than what is on its way to the ingester already.
    product.publish("-", input=many(lines, customers, 40_000))
    cluster.request(f"$JS.API.STREAM.PURGE.{product.stream}-00000")
    product.publish("-", input=many(lines, customers, 1))
    follower.send_signal(signal.SIGCONT)
    assert follower.wait(60) == 1, "it went on"
    said = open(f"{product.dir}/follow-0.err").read()
    assert f"nats:{product.stream}-00000: the messages from" in said and "`--from-first`" in said, said
    told = product.catch_up(0, "--from-first")
    assert (told["rejected"], told["position"]) == (0, 40_011), told
    # One in the middle is missed as well.
    at = cluster.publish(f"{product.stream}.00000", customer(lines, next(customers)).strip())
    product.publish("-", input=many(lines, customers, 1))
    cluster.request(f"$JS.API.STREAM.MSG.DELETE.{product.stream}-00000", json.dumps({"seq": at}).encode())
    product.catch_up(0, expect=1)
    assert f"the messages from {at} up to {at} are gone" in product.told, product.told
    told = product.catch_up(0, "--from-first")
    assert (told["accepted"], told["position"]) == (1, at + 1), told
    # At the end, there is nothing behind it that could tell.
    cluster.request(f"$JS.API.STREAM.MSG.DELETE.{product.stream}-00000", json.dumps({"seq": at + 1}).encode())
    told = product.catch_up(0)
    assert (told["position"], told["lag_events"]) == (at + 1, 0), told


def lagging_replica(product, cluster, lines, customers):
    """a server that is behind does not end an ingester that was to catch up"""
    for _ in range(3):
        product.publish("-", "--create", input=b"")
        leader = cluster.request(f"$JS.API.STREAM.INFO.{product.stream}-00000")["cluster"]["leader"]
        behind = [at for at in range(NODES) if f"n{at}" != leader][0]
        cluster.nodes[behind].send_signal(signal.SIGSTOP)
        events = many(lines, customers, 20_000)
        servers = ",".join(f"nats://127.0.0.1:{cluster.ports[at]}" for at in range(NODES) if at != behind)
        broker, product.broker = product.broker, ["--nats", servers, "--stream", product.stream]
        told = product.publish("-", input=events)
        product.broker = broker
        cluster.nodes[behind].send_signal(signal.SIGCONT)
        assert told["published"] == 20_000, told
        told = product.catch_up(0)
        assert (told["accepted"], told["lag_events"]) == (20_000, 0), told


def lost_end(product, cluster, lines, customers):
    """a stream that has lost its end, and got other messages there, is refused"""
    product.publish("-", "--create", input=many(lines, customers, 9))
    cluster.kill()
    for at in range(NODES):
        shutil.copytree(f"{cluster.dir}/{at}", f"{cluster.dir}/{at}.kept")
    cluster.start()
    # One that is held does not hide it.
    product.publish("-", input=many(lines, customers, 5) + visit(lines, "held", next(customers)))
    follower = product.follow(0, "--hold-max", "600s")
    product.until(0, lambda report: (report["held"], report["position"]) == (1, 14))
    product.stop(follower)
    cluster.kill()
    for at in range(NODES):
        shutil.rmtree(f"{cluster.dir}/{at}")
        os.rename(f"{cluster.dir}/{at}.kept", f"{cluster.dir}/{at}")
    cluster.start()
    product.publish("-", input=many(lines, customers, 8))
    product.catch_up(0, expect=1)
    assert "up to message 14, and that is another one here" in product.told, product.told
    told = product.catch_up(0, "--from-first")
    assert (told["accepted"], told["duplicates"], told["rejected"]) == (8, 9, 0), told
