"""python -m child ADAPTER JOB ARGUMENT…: one job of a peer that is a Python library, in a process of its own.

Prints the answer, and the seconds from after its imports to the answer, so that nobody is charged for Python.
"""

import importlib
import json
import sys
import time


def main():
    """Runs the job that the arguments name."""
    adapter, job, *arguments = sys.argv[1:]
    run = getattr(importlib.import_module(f"adapters.{adapter}"), job)
    began = time.perf_counter()
    answer = run(*arguments)
    print(json.dumps({"seconds": time.perf_counter() - began, "answer": answer}))


if __name__ == "__main__":
    main()
