"""A dataset on Spark: a master and two workers on loopback, and the same with one worker killed."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pyspark

from common import ROOT, answer, asked, crossing_events, engine, ltvlog, odd_events

SCRATCH = pathlib.Path(sys.argv[2])
HOME = pathlib.Path(pyspark.__file__).parent
EVENTS = int(os.environ.get("LTVLOG_EVENTS", 300_000))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Cluster:
    """Spark standalone: a master and two workers, each a process of ours."""

    def __init__(self):
        self.port, self.page = free_port(), free_port()
        self.env = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(HOME), "PYSPARK_PYTHON": sys.executable,
                                 "SPARK_LOCAL_DIRS": str(SCRATCH / "spark"), "SPARK_WORKER_DIR": str(SCRATCH / "work")}
        self.url = f"spark://127.0.0.1:{self.port}"
        self.master = self.daemon("master.Master", "--host", "127.0.0.1", "--port", self.port, "--webui-port", self.page)
        self.until(lambda: self.alive() == 0)
        self.workers = [self.daemon("worker.Worker", "--cores", 1, "--memory", "900m", "--host", "127.0.0.1",
                                    "--webui-port", free_port(), self.url) for _ in range(2)]
        self.until(lambda: self.alive() == 2)

    def daemon(self, name, *args):
        said = open(SCRATCH / f"{name}.{time.monotonic_ns()}.log", "w")
        command = [HOME / "bin/spark-class", f"org.apache.spark.deploy.{name}", *map(str, args)]
        return subprocess.Popen(command, env=self.env, stdout=said, stderr=said, start_new_session=True)

    def status(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.page}/json/", timeout=5) as page:
            return json.load(page)

    def alive(self):
        try:
            return self.status()["aliveworkers"]
        except OSError:
            return -1

    def until(self, true):
        for _ in range(600):
            if true():
                return
            time.sleep(0.1)
        raise AssertionError("the cluster does not come up")

    def submit(self, lake):
        command = [HOME / "bin/spark-submit", "--master", self.url, "--conf", "spark.ui.enabled=false",
                   "--conf", "spark.driver.bindAddress=127.0.0.1", "--conf", "spark.driver.host=127.0.0.1",
                   "--conf", "spark.sql.shuffle.partitions=16", "--executor-memory", "600m", "--driver-memory", "600m",
                   ROOT / "docs/scale-out/top.py", lake, "10"]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=open(SCRATCH / "submit.log", "a"), text=True)

    def stop(self):
        for process in [*self.workers, self.master]:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def same(told, lake, log):
    """Spark, DuckDB and ltvlog say the same."""
    duck = engine(lake)
    replayed, tops = answer("replay", "--log", log), answer("top", 10, "--log", log)
    assert told["digest"] == replayed["digest"], (told["digest"], replayed)
    assert told["statistics"]["customers"] == replayed["customers"]
    for ours, theirs in zip(tops["customers"], told["top"], strict=True):
        assert all(ours[name] == theirs[name] for name in ("customer_id", "last_name", "revenue", "visits", "orders")), (ours, theirs)
        assert theirs["weeks"] == tops["frame"]["weeks"]
    weeks = [[str(week), orders, str(revenue)] for week, orders, revenue in asked(duck, "weeks")]
    assert told["weeks"] == weeks, (told["weeks"][:3], weeks[:3])
    return f"{replayed['customers']} customers, {len(weeks)} weeks, top 10 and digest {told['digest']} as ltvlog has them"


def main():
    log, lake = SCRATCH / "log", SCRATCH / "lake"
    made = ltvlog("generate", "--events", EVENTS, "--customers", EVENTS // 10, "--seed", 5, "--updates", 20)
    ltvlog("append", "--log", log, stdin="\n".join(odd_events()) + "\n" + made)
    done = answer("export", "--log", log, "--to", lake, "--all", "--increment-events", EVENTS // 3)
    print(f"{done['rows']} events in {done['files']} files and {done['increments']} increments, {done['bytes']} bytes", flush=True)
    parts, parted = SCRATCH / "parts", SCRATCH / "parted"
    ltvlog("append", "--log", parts, "--partitions", 2, stdin="\n".join(crossing_events()) + "\n")
    ltvlog("export", "--log", parts, "--to", parted, "--all")
    cluster = Cluster()
    try:
        told = cluster.submit(parted).communicate()[0]
        print(f"one key in two partitions: {same(json.loads(told), parted, parts)}", flush=True)
        started = time.monotonic()
        told = cluster.submit(lake).communicate()[0]
        print(f"two workers, {time.monotonic() - started:.1f} s: {same(json.loads(told), lake, log)}", flush=True)
        started = time.monotonic()
        job = cluster.submit(lake)
        cluster.until(lambda: any(app["state"] == "RUNNING" for app in cluster.status()["activeapps"]))
        time.sleep(float(os.environ.get("LTVLOG_KILL_AFTER", 4)))
        executors = subprocess.run(["pgrep", "-P", str(cluster.workers[0].pid)], capture_output=True, text=True).stdout.split()
        running = job.poll() is None
        os.killpg(cluster.workers[0].pid, signal.SIGKILL)
        told = job.communicate()[0]
        assert running, "the job was over before the worker was killed"
        print(f"a worker and its {len(executors)} executor killed -9 in the middle, {time.monotonic() - started:.1f} s: "
              f"{same(json.loads(told), lake, log)}", flush=True)
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
