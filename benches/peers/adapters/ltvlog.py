"""ltvlog: its binary as released, one process a job, every default as it is."""

import json
import os
import re
import subprocess

from measure import HERE, MissingError, Run

REPOSITORY = HERE.parent.parent
# 64 threads of one process append through the library, each waiting for its own acknowledgement. The program
# prints medians of its slices: "N events/s in groups of G, B bytes".
GROUP_SOURCE = REPOSITORY / "benches" / "group.rs"
GROUP = ["cargo", "bench", "--quiet", "--bench", "group"]
GROUP_BYTES = 4096
# Some events were rejected, as they should be.
REJECTED = 3


def generate(program, path, events, customers):
    """Writes a file of events and syncs it, so that the disk is not busy with it later, when something is timed."""
    command = [program, "generate", "--events", str(events), "--customers", str(customers), "--seed", "1"]
    with path.open("wb") as out:
        subprocess.run(command, stdout=out, check=True)
        os.fsync(out.fileno())


def run(bench, *arguments, log=None):
    """A command; its answer is what it prints as JSON."""
    place = ["--log", log] if log else []
    done = bench.process(bench.ltvlog, *arguments, *place, "--format", "json", codes=(0, REJECTED))
    done.answer = json.loads(done.answer)
    return done


def anonymous(bench, *arguments, log):
    """A command's most memory in bytes, without mapped files, and what it prints as JSON."""
    peak, told = bench.anonymous(bench.ltvlog, *arguments, "--log", log, "--format", "json")
    return peak, json.loads(told)


def top(bench, *files, log=None):
    """Top 10 of files or of the log; its answer is as the peers give theirs."""
    done = run(bench, "top", "10", *files, log=log)
    cents = (int(customer["revenue"].replace(".", "")) for customer in done.answer["customers"])
    done.answer = {
        "top": [
            [customer["customer_id"], revenue, customer["visits"], customer["orders"]]
            for customer, revenue in zip(done.answer["customers"], cents, strict=True)
        ]
    }
    return done


def fold(replayed):
    """The same replay, counting what it says of its fold alone."""
    return Run(replayed.whole, replayed.answer["seconds"], replayed.peak_mib, replayed.answer)


def many_writers(bench):
    """Events acknowledged a second to 64 writers, and how many bytes a group had."""
    if not GROUP_SOURCE.exists():
        raise MissingError(f"{GROUP_SOURCE.relative_to(REPOSITORY)}, which measures group commit, is not there")
    if bench.is_quick:
        raise MissingError(
            "a quick run compiles nothing of ltvlog, and group commit is measured by a program of its own"
        )
    told = subprocess.run(
        GROUP,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=True,
        env=os.environ | {"LTVLOG_BENCH_DIR": str(bench.scratch)},
    ).stdout
    found = re.search(r"(\d+) events/s in groups of [\d.]+, (\d+) bytes", told)
    if not found:
        raise RuntimeError(f"the group benchmark says nothing of groups:\n{told}")
    return float(found[1]), int(found[2])
