"""A million rows that no Dovecot can use, in ``migrate plan --mend``: what it takes in time and memory.

    python -m bench.bad_rows [--rows 1000000] [--seconds 600] [--write]

Rows of nine kinds of damage, each with another string, in a passwd-file.  The most memory is that of the
largest of the command and its children.  ``--seconds`` is the command's own limit (``--max-seconds``): where
it ends before the rows do, the plan says after how many.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.cli.bad_rows import write
from tests.cli.test_bounds import peak

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results" / "bad-rows.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--write", action="store_true", help=f"keep it in {RESULTS.name}")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "users"
        write(path, asked.rows)
        began = time.monotonic()
        words = ("--url", f"passwd-file:{path}", "--dovecot", "2.4.1", "--max-seconds", str(asked.seconds))
        out, err, most = peak("migrate", "plan", "--mend", *words)
        took = time.monotonic() - began
    if err:
        sys.stderr.write(err)
    machine = (
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    )
    seen = re.search(r": ([0-9]+) rows", out)
    looked = int(seen[1]) if seen else 0
    told = {
        "rows": asked.rows,
        "seconds": round(took, 1),
        "rows that were looked at": looked,
        "rows_a_second": round(looked / took),
        "peak_mib": round(most / 2**20),
        "said": out.splitlines()[:3],
        "host": machine,
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout.strip(),
    }
    sys.stdout.write(f"{json.dumps(told, indent=1)}\n")
    if asked.write:
        RESULTS.write_text(f"{json.dumps(told, indent=1)}\n")


if __name__ == "__main__":
    main()
