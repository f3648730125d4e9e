"""The server under load: events acknowledged over HTTP, and a top 10 asked for meanwhile.

`ltvlog serve` is loaded by wrk (Debian), on the same two cores. Beside it in the same run: the bare disk, UmaDB and
PostgreSQL, which take single events alone. Durability is the same: acknowledged is synced.
"""

import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.request
from statistics import median

from adapters import bare, ltvlog, postgres
from measure import HERE, MissingError, duration

BEGIN, END = "<!-- load: written by benches/peers/run.py --load -->", "<!-- load: end -->"
CONNECTIONS = (1, 16, 64, 256)
# PostgreSQL takes a hundred connections as it is set up here, and UmaDB's writers come in fours.
PEERS_CONNECTIONS = (16, 64)
EVENTS = (1, 100)
CUSTOMERS = 1_000_000


def wrk():
    """The load generator; installed where root may."""
    if not shutil.which("wrk") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "wrk"], stdout=subprocess.DEVNULL, check=False)
    if not shutil.which("wrk"):
        raise MissingError("wrk is not installed, and apt-get by root did not bring it")
    return "wrk"


@contextlib.contextmanager
def server(bench, log):
    """The URL of a server of that log, for as long as the block runs."""
    command = [bench.ltvlog, "serve", "--log", log, "--listen", "127.0.0.1:0", "--format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def post(url, text):
    """One request; its receipt."""
    with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/events", data=text.encode())) as answer:
        return json.load(answer)


def known(url, customers):
    """Makes customers known: c0, c1, …"""
    form = '{{"type": "CUSTOMER", "verb": "NEW", "key": "c{}", "event_time": "2017-01-06T12:46:46.384Z"}}'
    for start in range(0, customers, 50_000):
        receipt = post(url, "\n".join(form.format(n) for n in range(start, min(customers, start + 50_000))))
        assert receipt["rejected"] == 0, receipt


def load(url, connections, events, seconds, run):
    """What wrk measured: events a second, and percentiles of the time to a receipt."""
    told = subprocess.run(
        [wrk(), "-t1", f"-c{connections}", f"-d{seconds}", "-s", HERE / "native" / "post.lua", url],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"EVENTS": str(events), "RUN": run},
    ).stdout
    found = json.loads(told.splitlines()[-1])
    assert found["failed"] == 0, found
    return found["requests"] * events / (found["us"] / 1e6), found["p50"] / 1e6, found["p99"] / 1e6


def middle(rounds):
    """Rates and percentiles as the row of a table has them: medians."""
    rate, *waits = (median(values) for values in zip(*rounds, strict=True))
    return f"{rate:,.0f} | " + " | ".join(duration(wait) for wait in waits)


def appends(bench, seconds):
    """A row for each number of connections, ltvlog's and the peers'."""
    yield "| acknowledged durable events a second | connections | events a request | events/s | p50 | p99 |"
    yield "|---|---|---|---|---|---|"
    yield f"| bare write + fdatasync of 4,096 bytes (C) | 1 | | {bare.syncs(bench, ltvlog.GROUP_BYTES):,.0f} syncs/s | | |"
    with server(bench, bench.scratch / "load") as url:
        known(url, 1_000)
        before, sent = post(url, "")["end"], 0
        for events in EVENTS:
            for connections in CONNECTIONS:
                rounds = [
                    load(url, connections, events, seconds, f"{events}-{connections}-{turn}-")
                    for turn in range(bench.rounds)
                ]
                yield f"| `ltvlog serve` | {connections} | {events} | {middle(rounds)} |"
                sent += sum(rate for rate, *_ in rounds) * seconds
        kept = post(url, "")["end"] - before
    # What was on its way when wrk stopped may be kept, too; what was acknowledged must be.
    assert kept >= sent * 0.98, (kept, sent)
    for connections in PEERS_CONNECTIONS:
        for name, job in (
            ("UmaDB", lambda at, n=connections: bench.python("umadb", "many_writers", at, n, seconds).answer["rate"]),
            ("PostgreSQL", lambda at, n=connections: postgres.many_writers(at, n, seconds)["rate"]),
        ):
            rates = []
            for turn in range(bench.rounds):
                place = bench.scratch / f"{name}-{connections}-{turn}"
                rates.append(job(place))
                shutil.rmtree(place) if place.is_dir() else place.unlink()
            yield f"| {name} | {connections} | 1 | {median(rates):,.0f} | | |"


def ask(url, path, seconds):
    """How long each answer took, one after another over one connection, at a hundred a second."""
    import http.client

    connection, waits = http.client.HTTPConnection(url.removeprefix("http://")), []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        began = time.perf_counter()
        connection.request("GET", path)
        assert connection.getresponse().read()
        waits.append(time.perf_counter() - began)
        time.sleep(0.01)
    return sorted(waits)


def answers(bench, seconds):
    """The top 10 of a million customers while events are appended at full speed, beside /healthz, in turn."""
    yield "| answers meanwhile, 64 connections appending 100 events each | p50 | p99 |"
    yield "|---|---|---|"
    customers = CUSTOMERS // (100 if bench.is_quick else 1)
    with server(bench, bench.scratch / "asked") as url:
        known(url, customers)
        waits = {"/healthz": [], "/v1/top?x=10": []}
        for turn in range(bench.rounds):
            for path, of in waits.items():
                command = [wrk(), "-t1", "-c64", f"-d{seconds + 2}", "-s", HERE / "native" / "post.lua", url]
                told = os.environ | {"EVENTS": "100", "RUN": f"{turn}{len(path)}-"}
                with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=told):
                    time.sleep(1)
                    of.append(ask(url, path, seconds))
    for path, of in waits.items():
        half, most = (median(each[len(each) * percent // 100] for each in of) for percent in (50, 99))
        yield f"| `GET {path}`, {customers:,} customers | {duration(half)} | {duration(most)} |"


def section(bench, machine):
    """The part of the page between the markers."""
    seconds = 1 if bench.is_quick else 5
    parts = [machine, "", *appends(bench, seconds), "", *answers(bench, seconds)]
    return "\n".join(parts)
