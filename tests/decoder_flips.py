#!/usr/bin/env python3
"""Changes the bytes of a small closed log one at a time: decoder.py must report each change.

    python3 tests/decoder_flips.py STEP DIR...

Every STEP-th byte of every file is changed in memory: each of its bits alone where STEP is 1, else
one bit. Prints one line of JSON: how many changes there were, and which nobody reported.
"""

import json
import sys

import decoder


def is_reported(files):
    """Whether a reader of these files says that something is wrong."""
    try:
        return bool(decoder.read_log(files).problems)
    except decoder.Damage:
        return True


def main(step, directories):
    changes, missed = 0, []
    for directory in directories:
        files = decoder.load(directory)
        if is_reported(files):
            sys.exit(f"{directory} is damaged before anything was changed")
        for name, data in sorted(files.items()):
            for at in range(0, len(data), step):
                for bit in range(8) if step == 1 else [at // step % 8]:
                    changed = bytearray(data)
                    changed[at] ^= 1 << bit
                    changes += 1
                    if not is_reported({**files, name: bytes(changed)}):
                        missed.append(f"{directory}/{name} byte {at} bit {bit}")
    print(json.dumps({"changes": changes, "missed": missed}))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
