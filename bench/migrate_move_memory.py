"""How much memory ``mailauth migrate move`` takes, by the number of rows: to a passwd-file, and to SQLite.

The source is an SQLite table of bare SHA512-CRYPT hashes; the move is carried out, and then undone.  The most
that either process had resident is what wait4(2) says.

    python -m bench.migrate_move_memory [--rows 10000 100000 1000000] [--write]

--write puts it into bench/results/migrate-move-memory.json.
"""

import argparse
import datetime as dt
import json
import os
import platform
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.scale import CRYPT64

RESULTS = Path(__file__).parent / "results" / "migrate-move-memory.json"
TARGETS = ("passwd-file", "sqlite")
BOUND_MIB = 200
_ROWS = "SELECT userid, password FROM users"
_TABLE = "CREATE TABLE users (userid TEXT PRIMARY KEY, password TEXT)"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--targets", nargs="*", choices=TARGETS, default=TARGETS)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    each = []
    for rows in given.rows:
        for target in given.targets:
            with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
                each.append(moved(Path(folder), rows, target))
            print(each[-1], flush=True)
    found = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "bound MiB": BOUND_MIB,
        "each": each,
    }
    if given.write:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    assert all(max(one["move MiB"], one["undo MiB"]) < BOUND_MIB for one in each), each


def moved(folder: Path, rows: int, target: str) -> dict[str, Any]:
    """One move, and its undo."""
    source, to = folder / "source.sqlite", folder / "target"
    fill(source, rows)
    words = ["--url", f"sqlite:{source}", "--rows-query", _ROWS, "--default-scheme", "CRYPT"]
    more: list[str] = []
    if target == "sqlite":
        with closing(sqlite3.connect(to)) as link:
            link.execute(_TABLE)
        more = ["--to-rows-query", _ROWS]
    else:
        to.touch()
    there = ["--to", f"{target}:{to}", *more]
    moving = measured(folder, ["move", *words, *there, "--apply", "--json"])
    assert moving["report"]["written"] == rows, moving["report"]
    name = str(moving["id"])
    at = [word.replace("--to", "--url", 1) if word == "--to" else word for word in there]
    undone = measured(
        folder, ["undo", name, *[w.replace("--to-rows", "--rows") for w in at], "--apply", "--json"]
    )
    assert undone["report"]["written"] == rows, undone["report"]
    return {
        "to": target,
        "rows": rows,
        "move MiB": moving["MiB"],
        "move s": moving["s"],
        "undo MiB": undone["MiB"],
        "undo s": undone["s"],
        "load": round(os.getloadavg()[0], 2),
    }


def measured(folder: Path, words: list[str]) -> dict[str, Any]:
    """What the program said, with the most MiB that it had, and seconds."""
    began = time.monotonic()
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "mailauth", "migrate", *words],
            stdout=said,
            env=os.environ | {"MAILAUTH_STATE": str(folder / "state")},
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    assert process.returncode == 0, text
    found: dict[str, Any] = json.loads(text)
    return found | {"MiB": round(used.ru_maxrss / 1024, 1), "s": round(time.monotonic() - began, 1)}


def fill(path: Path, rows: int) -> None:
    chance = random.Random(1)  # noqa: S311 - nobody's hashes
    hashes = ["$6$rounds=1000$saltsalt$" + "".join(chance.choices(CRYPT64, k=85)) + "." for _ in range(500)]
    with closing(sqlite3.connect(path)) as link:
        link.execute(_TABLE)
        named = ((f"user{number}@example.org", hashes[number % len(hashes)]) for number in range(rows))
        link.executemany("INSERT INTO users VALUES (?, ?)", named)
        link.commit()


if __name__ == "__main__":
    main()
