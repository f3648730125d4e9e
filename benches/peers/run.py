#!/usr/bin/env python3
"""ltvlog beside everything that a user would pick instead.

    python3 benches/peers/run.py --quick     small files, once each, in a minute: does all of it work here?
    python3 benches/peers/run.py --load      `ltvlog serve` under load instead; writes docs/benchmarks.md
    python3 benches/peers/run.py             all rows; writes docs/benchmarks.md and docs/peers.svg

It makes a Python environment in target/peers with the peers in pinned versions (requirements.txt), compiles the
two programs of native/, builds ltvlog unless --ltvlog names it, generates the events unless --file has them, runs
each row of rows.py and growth.py in turn (a, b, c, a, b, c …) and takes medians. It fails if two answers differ. A
peer that cannot be had is left out, with a line that says so. Python 3.11 and a C compiler are needed, Linux,
16 GB of disk, and as much memory, or files of ten times the events are read from the disk.

How a contestant is timed: ltvlog and what is bare by the whole process, its start included. A peer that is a
Python library by its own clock, from after its imports, in a process of its own: so nobody pays for Python, and
what the whole process took stands beside it. Files are read from the page cache by everyone. Memory is the
peak of the process (ru_maxrss), but for P8, which looks at what is not mapped files while the process runs.

adapters/ has a file for each contestant, which says how it is used and why so; goals.toml says what each row is to
show.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
WORK = REPOSITORY / "target" / "peers"
PYTHON = WORK / "venv" / "bin" / "python"


def options():
    """What the command was told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="100,000 events, one run each; the page is written to target/peers"
    )
    parser.add_argument("--load", action="store_true", help="the server under load instead of all other rows")
    parser.add_argument("--ltvlog", type=Path, help="the binary, instead of building it")
    parser.add_argument(
        "--file", type=Path, help="NDJSON as `ltvlog generate` prints it, without updates, instead of making it"
    )
    return parser.parse_args()


def environment():
    """Makes the environment as requirements.txt has it."""
    wanted, has = (HERE / "requirements.txt").read_text(), WORK / "requirements.txt"
    if not (has.exists() and has.read_text() == wanted):
        WORK.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", WORK / "venv"], check=True)
        subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"], check=True)
        has.write_text(wanted)


def binary(told):
    """The ltvlog that is measured."""
    if told:
        return told.resolve()
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=REPOSITORY, check=True)
    return REPOSITORY / "target" / "release" / "ltvlog"


def generated(program, events):
    """The file of events, made if it is not there."""
    from adapters import ltvlog

    path = WORK / f"events-{events}.ndjson"
    if not path.exists():
        part = path.with_suffix(".part")
        ltvlog.generate(program, part, events, events // 10)
        part.rename(path)
    return path


def main():
    """Runs everything; in the environment, once that is made."""
    told = options()
    if Path(sys.prefix) != WORK / "venv":
        environment()
        os.environ["PYTHONPYCACHEPREFIX"] = str(WORK / "pycache")
        os.execv(PYTHON, [PYTHON, __file__, *sys.argv[1:]])

    import load
    import plot
    import report
    import rows
    from measure import Bench

    ltvlog = binary(told.ltvlog)
    file = told.file.resolve() if told.file else generated(ltvlog, 100_000 if told.quick else 5_000_000)
    with file.open("rb") as lines:
        events = sum(piece.count(b"\n") for piece in iter(lambda: lines.read(1 << 24), b""))
    scale = (1, 1, 1, 50) if told.quick else (5, 3, 3, 1000)
    with tempfile.TemporaryDirectory(dir=WORK, prefix="scratch-") as scratch:
        Path(scratch).chmod(0o755)  # PostgreSQL runs as another user.
        bench = Bench(WORK, Path(scratch), ltvlog, file, events, *scale, is_quick=told.quick)
        docs = REPOSITORY / "docs"
        place, before = WORK if told.quick else docs, (docs / "benchmarks.md").read_text()
        if told.load:
            section = load.section(bench, report.machine(bench))
            (place / "benchmarks.md").write_text(report.put(before, section, load.BEGIN, load.END))
            print(section)
            return
        lines = rows.every(bench)
        section = "\n".join(report.page(bench, lines))
    (place / "benchmarks.md").write_text(report.put(before, section))
    plot.save(place / "peers.svg", lines, rows.TITLES)
    print(f"written: {place / 'benchmarks.md'}, {place / 'peers.svg'}")


if __name__ == "__main__":
    main()
