"""PostgreSQL: a cluster of its own on a socket, pgbench for its clients, so that no Python is in the way.

Synced commits, as by default: those who wait together share a sync. Memory and checkpoints as its manual advises,
so that no checkpoint falls into a run. Each event is one prepared statement: a primary key refuses what is there,
and only events of known customers are taken.
"""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from measure import MissingError

SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "min_wal_size": "1GB",
    "checkpoint_timeout": "30min",
    "wal_buffers": "16MB",
    "max_connections": "100",
}
TABLES = """CREATE TABLE customers(key text PRIMARY KEY);
CREATE TABLE events(type text, key text, verb text, event_time timestamptz, customer text, cents bigint, tags text,
    PRIMARY KEY (type, key));
INSERT INTO customers SELECT n::text FROM generate_series(0, {writers}) n;"""
ONE = r"""\set n random(1, 9223372036854775807)
INSERT INTO events
SELECT 'SITE_VISIT', to_hex(:n::bigint), 'NEW', '2024-05-06T12:45:52.041Z', key, NULL, '[{"key7":"value7"}]'
FROM customers WHERE key = :client_id::text ON CONFLICT DO NOTHING;
"""


def programs():
    """Where Debian keeps the server's programs; installed where root may."""

    def installed():
        return max(
            Path("/usr/lib/postgresql").glob("*/bin/pgbench"), default=None, key=lambda path: int(path.parts[-3])
        )

    if not installed() and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "postgresql"], stdout=subprocess.DEVNULL, check=False)
    if not installed():
        raise MissingError("PostgreSQL is not installed, and apt-get by root did not bring it")
    return installed().parent


def version():
    """What is measured."""
    return subprocess.run(
        [programs() / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout.split()[2]


@contextlib.contextmanager
def cluster(directory):
    """The environment in which clients find a server over that directory, for as long as the block runs."""
    binaries, sockets = programs(), Path(tempfile.mkdtemp(prefix="pg"))
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    directory.mkdir()
    if user:
        shutil.chown(directory, "postgres", "postgres")
        shutil.chown(sockets, "postgres", "postgres")

    def run(*command):
        done = subprocess.run(command, capture_output=True, text=True, cwd=sockets, check=False, **user)
        if done.returncode:
            raise MissingError(f"PostgreSQL does not start here: {done.stderr.strip().splitlines()[-1:]}")

    data, settings = directory / "data", [f"-c {name}={value}" for name, value in SETTINGS.items()]
    try:
        run(binaries / "initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C")
        run(
            binaries / "pg_ctl",
            "start",
            "-w",
            "-D",
            data,
            "-l",
            directory / "server.log",
            "-o",
            " ".join([*settings, f"-k {sockets}"]),
        )
        try:
            yield os.environ | {"PGHOST": str(sockets), "PGUSER": "bench", "PGDATABASE": "postgres"}
        finally:
            run(binaries / "pg_ctl", "stop", "-m", "immediate", "-D", data)
    finally:
        shutil.rmtree(sockets)


def many_writers(directory, writers, seconds):
    """Events acknowledged a second to that many connections."""
    with cluster(directory) as environment:

        def run(program, *arguments, text):
            return subprocess.run(
                [programs() / program, *arguments],
                input=text,
                capture_output=True,
                text=True,
                check=True,
                env=environment,
            ).stdout

        run("psql", "-q", "-v", "ON_ERROR_STOP=1", text=TABLES.format(writers=writers))
        run("psql", "-q", "-c", "CHECKPOINT", text="")
        told = run(
            "pgbench",
            "-n",
            "-c",
            str(writers),
            "-j",
            "2",
            "-M",
            "prepared",
            "-T",
            str(seconds),
            "-f",
            "/dev/stdin",
            text=ONE,
        )
        kept = int(run("psql", "-At", "-c", "SELECT count(*) FROM events", text=""))
    count = int(re.search(r"actually processed: (\d+)", told)[1])
    assert kept == count, (kept, count)
    return {"rate": float(re.search(r"tps = ([\d.]+)", told)[1])}
