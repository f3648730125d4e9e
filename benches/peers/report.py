"""The lines as a page of Markdown: goals first, then every row, then the machine."""

import contextlib
import os
import platform
import re
import sqlite3
import subprocess
import tomllib
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from string import Template

from adapters import ltvlog, postgres
from growth import sizes
from measure import HERE, MissingError, duration
from rows import TITLES

BEGIN, END = "<!-- peers: written by benches/peers/run.py -->", "<!-- peers: end -->"
LIBRARIES = {"DuckDB": "duckdb", "Polars": "polars", "ClickHouse (chdb)": "chdb", "UmaDB": "umadb"}


def measured(goal, ours, other):
    """What a goal asks for, what was found, and whether that is enough."""
    amount = (lambda cost: f"{cost:.1f} bytes") if goal["row"] == "P9" else duration
    if "ratio_min" in goal:
        ratio = other.cost / ours.cost
        return f"{ratio:.2f} ×", ratio >= goal["ratio_min"]
    if "growth_max" in goal:
        growth = ours.cost / other.cost
        return f"{growth:.2f} ×", growth <= goal["growth_max"]
    if "bytes_each" in goal:
        allowed = sum(each * ours.counts[what] for what, each in goal["bytes_each"].items())
        return f"{ours.cost / 1e6:,.1f} MB of {allowed / 1e6:,.1f} MB", ours.cost <= allowed
    if "beyond_max" in goal:
        beyond = max(0, ours.cost - other.cost)
        return f"{duration(beyond)} beyond", beyond <= goal["beyond_max"]
    return amount(ours.cost), ours.cost <= goal["cost_max"]


def wish(goal):
    """A goal in words."""
    if "ratio_min" in goal:
        words = f"≥ {goal['ratio_min']:g} × {goal['beside']}"
    elif "growth_max" in goal:
        words = f"≤ {goal['growth_max']:g} × {goal['beside'].removeprefix('ltvlog, ')}"
    elif "beyond_max" in goal:
        words = f"≤ {duration(goal['beyond_max'])} beyond {goal['beside']}"
    elif "bytes_each" in goal:
        words = "≤ " + " + ".join(f"{each} bytes a {what}" for what, each in goal["bytes_each"].items())
    else:
        words = f"≤ {goal['cost_max']} bytes" if goal["row"] == "P9" else f"≤ {duration(goal['cost_max'])}"
    return words + (f" ({goal['who'].removeprefix('ltvlog, ')})" if "who" in goal else "")


def verdict(goal, lines):
    """A goal as a row of the table of goals."""
    named = {line.who: line for line in lines if line.row == goal["row"]}
    ours, other = named.get(goal.get("who", "ltvlog")), named.get(goal.get("beside"))
    is_known = ours and (other or "beside" not in goal)
    found, is_met = measured(goal, ours, other) if is_known else ("", None)
    word = {True: "yes", False: "**no**", None: "not measured"}[is_met]
    return f"| {goal['row']} {TITLES[goal['row']]} | {wish(goal)} | {found} | {word} |"


def table(lines):
    """Every line, its ratio first."""
    yield "| | | ÷ ltvlog | figure | whole process | peak memory | runs |"
    yield "|---|---|---|---|---|---|---|"
    last = None
    for line in lines:
        title = f"{line.row} {TITLES[line.row]}" if line.row != last else ""
        ratio = f"**{line.ratio:.2f}**" if line.ratio is not None else "–"
        whole = duration(line.whole) if line.whole is not None else ""
        peak = f"{line.peak_mib:,.0f} MiB" if line.peak_mib is not None else ""
        yield f"| {title} | {line.who} | {ratio} | {line.figure} | {whole} | {peak} | {line.runs} |"
        last = line.row


def told(*command):
    """What a command prints, in one line."""
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ltvlog.REPOSITORY).stdout.strip()


def machine(bench):
    """What it ran on, in which versions, and when."""
    (model, *_) = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) or [platform.machine()]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    disk = told("df", "--output=fstype", str(bench.work)).splitlines()[-1]
    peers = [f"{name} {version(package)}" for name, package in LIBRARIES.items()]
    with contextlib.suppress(MissingError):
        peers.append(f"PostgreSQL {postgres.version()}")
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {bench.events:,} events, {bench.file.stat().st_size / 1e6:,.0f} MB; "
        f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, {disk}, Linux {platform.release()}, "
        f"load {os.getloadavg()[2]:.1f} at the end; {told(bench.ltvlog, '--version')} at "
        f"{told('git', 'describe', '--always', '--dirty')}; {', '.join(peers)}, SQLite {sqlite3.sqlite_version}, "
        f"Python {platform.python_version()}."
    )


def page(bench, lines):
    """The section, without its markers."""
    goals = tomllib.loads(Template((HERE / "goals.toml").read_text()).substitute(sizes(bench)))["goal"]
    yield f"{machine(bench)}\n"
    yield "![Each row's cost beside that of ltvlog, log scale](peers.svg)\n"
    yield "| row | goal | measured | met |\n|---|---|---|---|"
    yield from (verdict(goal, lines) for goal in goals)
    yield ""
    yield from table(lines)
    if bench.left_out:
        yield "\nLeft out:\n"
        yield from (f"- {why}" for why in bench.left_out)


def put(text, section, begin=BEGIN, end=END):
    """The text with the section between its markers."""
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n{section}\n{end}{after}"
