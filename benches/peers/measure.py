"""Whole processes, timed by a program that is too small to be seen, in turn, and their medians."""

import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent


class MissingError(Exception):
    """A peer that this machine cannot have; its message says why."""


@dataclass
class Run:
    """One process: all its seconds, its own count of them where it is a Python library, its peak memory."""

    whole: float
    seconds: float
    peak_mib: float
    answer: object


@dataclass
class Line:
    """What a row says of one contestant: what one unit of the row's work costs, in the row's unit.

    `counts` has what a goal allows so many bytes each for, such as customers.
    """

    row: str
    who: str
    cost: float
    figure: str
    runs: int
    whole: float | None = None
    peak_mib: float | None = None
    ratio: float | None = None
    counts: dict = field(default_factory=dict)


@dataclass
class Bench:
    """Where everything is, and how often and how long it is run."""

    work: Path
    scratch: Path
    ltvlog: Path
    file: Path
    events: int
    rounds: int
    slow_rounds: int
    writers_seconds: int
    follow_events: int
    is_quick: bool
    left_out: list = field(default_factory=list)

    def native(self, name):
        """The path of a program of `native/`, compiled if it is not there yet or is older than its source."""
        source, program = HERE / "native" / f"{name}.c", self.work / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True)
        return program

    def process(self, *command, codes=(0,)):
        """Runs a command; its answer is what it prints."""
        report = self.scratch / "report"
        done = subprocess.run(
            [self.native("timed"), report, *command], capture_output=True, text=True, cwd=HERE, check=True
        )
        seconds, peak_kib, code = report.read_text().split()
        if int(code) not in codes:
            sys.exit(f"{' '.join(map(str, command))}: exit {code}\n{done.stderr}")
        return Run(float(seconds), float(seconds), int(peak_kib) / 1024, done.stdout)

    def anonymous(self, *command):
        """Runs a command; the most memory in bytes that it had, without mapped files, and what it prints.

        The kernel keeps no peak of that, so it is looked at every 2 ms, which disturbs: no time is taken here.
        """
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
        status, peak_kib = Path(f"/proc/{process.pid}/status"), 0
        while process.poll() is None:
            # A process that has ended and was not asked for yet has no such line.
            if found := re.search(r"^RssAnon:\s*(\d+) kB", status.read_text(), re.MULTILINE):
                peak_kib = max(peak_kib, int(found[1]))
            time.sleep(0.002)
        told = process.communicate()[0]
        if process.returncode:
            sys.exit(f"{' '.join(map(str, command))}: exit {process.returncode}")
        return peak_kib * 1024, told

    def python(self, adapter, job, *arguments):
        """Runs one job of a Python library in a process of its own."""
        run = self.process(sys.executable, "-m", "child", adapter, job, *map(str, arguments))
        told = json.loads(run.answer)
        return Run(run.whole, told["seconds"], run.peak_mib, told["answer"])

    def in_turn(self, contestants, slow=()):
        """Runs each once, then each once again …, the slow ones fewer times: their runs by name."""
        runs = {who: [] for who in contestants}
        for turn in range(self.rounds):
            for who, job in contestants.items():
                if who in slow and turn >= self.slow_rounds:
                    continue
                try:
                    runs[who].append(job())
                except MissingError as why:
                    if turn == 0:
                        self.left_out.append(f"{who}: {why}")
                        print(f"left out: {who}: {why}", flush=True)
        return {who: done for who, done in runs.items() if done}


def timed_line(row, who, runs, per_event=None):
    """A line of seconds; or, where the contestants have files of different sizes, of seconds an event."""
    seconds = median(run.seconds for run in runs)
    figure = f"{per_event / seconds:,.0f} events/s" if per_event else duration(seconds)
    return Line(
        row,
        who,
        seconds / (per_event or 1),
        figure,
        len(runs),
        median(run.whole for run in runs),
        max(run.peak_mib for run in runs),
    )


def duration(seconds):
    """Seconds as people read them."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"
