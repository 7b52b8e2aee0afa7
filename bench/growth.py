"""Whether what ``log`` and ``audit`` take grows as the log and the store do, and whether memory stays.

    python -m bench.growth log [--gb 0.1 1 10] [--folder /tmp]
    python -m bench.growth passwd-file [--rows 100000 1000000 10000000]       or sqlite, pgsql, mysql

The log is that of ``bench/log_speed.py`` (a mail server's, 64,000 s to each GB; each further GB is the first
one again, a day later); the rows are those of ``bench/scale.py`` in a real Dovecot's store.  Whole commands,
once each, with the start: seconds, seconds of CPU of mailauth and its children (without a database server's),
and the most MiB that they had at one time (PSS: what they share once; looked at ten times a second).
Each size is kept in bench/results/growth.json as soon as it is measured.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bench.directory_audit import MAILAUTH
from bench.log_speed import BEGAN, MiB, resident, spent, write
from bench.scale import fill
from mailauth.lab import Lab

RESULT = Path(__file__).parent / "results" / "growth.json"
DRIVERS = ("passwd-file", "sqlite", "pgsql", "mysql")
GB = 10**9
_LOOK = 0.1  # seconds between two looks at the memory
_SLOW = 36_000  # seconds that log may take


def ran(words: list[str]) -> tuple[dict[str, Any], dict[str, float]]:
    """What it said, as JSON, and what it took.  Raises RuntimeError where it fails."""
    with tempfile.TemporaryFile() as out:
        before, began, largest = os.times(), time.monotonic(), 0
        process = psutil.Popen(words, stdout=out)
        while process.poll() is None:
            largest = max(largest, resident(process))
            time.sleep(_LOOK)
        took, after = time.monotonic() - began, os.times()
        out.seek(0)
        said = out.read()
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{words}: status {process.returncode}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    figures = {"s": round(took, 2), "CPU s": round(cpu, 2), "MiB": round(largest / MiB, 1)}
    return json.loads(said), figures | {"load": round(os.getloadavg()[0], 1)}


def grow(path: Path, size: int) -> None:
    """A log of so many bytes."""
    write(path, "mail", min(size, GB))
    if size <= GB:
        return
    first = path.with_suffix(".1")
    path.rename(first)
    with path.open("wb") as whole:
        for day in range(size // GB):
            stamp = f"{BEGAN.replace(day=BEGAN.day - size // GB + 1 + day):%b %d} ".encode()
            with first.open("rb") as lines:
                whole.writelines(stamp + line[len(stamp) :] for line in lines)
    first.unlink()


def of_log(size: int, folder: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        path = Path(inside) / "mail.log"
        grow(path, size)
        at = path.stat().st_size
        words = [MAILAUTH, "log", "--log", str(path), "--since", "all", "--json", "--max-seconds", str(_SLOW)]
        grep = min(spent(["grep", "-c", "dovecot", str(path)])[1] for _ in range(2))
        told, took = ran(words)
    lines = {"lines": told["lines"], "failures": told["failures"], "whole": not told.get("stopped")}
    more = {"grep -c, CPU s": round(grep, 2), "MB a CPU second": round(at / 1e6 / took["CPU s"], 1)}
    return {"MB": round(at / 1e6), **lines, **took, **more, "MB/s": round(at / 1e6 / took["s"], 1)}


def of_rows(driver: str, count: int, version: str | None) -> dict[str, Any]:
    with Lab(version, driver) as lab:
        fill(lab, count)
        told, took = ran([MAILAUTH, "audit", "--pid", str(lab.master_pid), "--json"])
    found = told["stores"][0]["rows"]
    if found != count:
        raise RuntimeError(f"{found} rows of {count}")
    return {"rows": count, **took, "rows/s": round(count / took["s"])}


def keep(name: str, size: str, figures: dict[str, Any]) -> None:
    found: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    about = {"date": datetime.now(UTC).date().isoformat(), "commit": commit.stdout.strip()}
    host = {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}
    found.setdefault(name, {})[size] = figures | about | {"host": host}
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    print(name, size, json.dumps(figures), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("log", *DRIVERS))
    parser.add_argument("--gb", type=float, nargs="+", default=[0.1, 1, 10])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--dovecot", help="Its version.  [the machine's own]")
    given = parser.parse_args()
    if given.what == "log":
        for size in given.gb:
            keep("log", f"{size:g} GB", of_log(round(size * GB), given.folder))
        return
    for count in given.rows:
        keep(given.what, f"{count:,} rows", of_rows(given.what, count, given.dovecot))


if __name__ == "__main__":
    main()
