"""libsodium, which Dovecot calls, against argon2-cffi, which Python programs call: memory and time, paired.

python -m bench.capacity_cffi             written to bench/results/libsodium-cffi.json
"""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.threshold import about
from mailauth import hashes
from mailauth.hashes import Flaw, Password
from mailauth.memory.measure import Spread, measure, spread

RESULTS = Path(__file__).parent / "results" / "libsodium-cffi.json"
CELLS = tuple((m, p) for m in (19456, 65536, 262144) for p in (1, 2, 4))
RUNS = 10
# Its lanes are threads; each takes a stack and an arena of address space.
CHILD = """
import json, sys, time
from argon2.low_level import Type, verify_secret
made, runs = sys.argv[1].encode(), int(sys.argv[2])
def status(key):
    return next(int(l.split()[1]) * 1024 for l in open("/proc/self/status") if l.startswith(key))
import os
reader, writer = os.pipe()
if not os.fork():
    before = status("VmSize")
    verify_secret(made, b"x", Type.ID)
    os.write(writer, str(status("VmPeak") - before).encode())
    os._exit(0)
os.close(writer)
rose = int(os.read(reader, 99))
times = []
for _ in range(runs):
    began = time.perf_counter()
    verify_secret(made, b"x", Type.ID)
    times.append(time.perf_counter() - began)
print(json.dumps({"rose": rose, "times": times}))
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """Both libraries on the same parameters, one right after the other."""

    m: int
    p: int
    libsodium: int
    cffi: int
    libsodium_time: Spread
    cffi_time: Spread


def cell(m: int, p: int) -> Cell:
    parsed = hashes.parse(f"{{ARGON2ID}}$argon2id$v=19$m={m},t=1,p={p}${'A' * 22}${'A' * 43}")
    assert not isinstance(parsed, Flaw)
    ours = measure(parsed, runs=RUNS, bisect=False)
    # Made elsewhere: the first use leaves stacks and arenas behind, which must not be there before.
    made = hashes.generate("ARGON2ID", Password.of("x"), memory=m, time=1, lanes=p).removeprefix("{ARGON2ID}")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, made, str(RUNS)], capture_output=True, text=True, check=True
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    return Cell(m, p, ours.rose, theirs["rose"], ours.time, spread(theirs["times"]))


def main() -> None:
    began = time.monotonic()
    cells = [cell(m, p) for m, p in CELLS]
    text = {"about": about() | {"runs": RUNS}, "cells": [asdict(one) for one in cells]}
    new = RESULTS.with_suffix(".new")
    new.write_text(json.dumps(text, indent=1) + "\n")
    new.replace(RESULTS)
    print(f"{len(cells)} cells in {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
