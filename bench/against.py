"""This tree against an older commit: how much longer ``diagnose`` and ``check`` take, as ratios of one run.

    nice -n 10 python -m bench.against COMMIT [--rounds 8] [--on-login] [--write]

The commit gets a worktree of its own meanwhile.  Both trees run with this interpreter and its libraries, in
turns, on the same lab's Dovecot, so that a busy machine slows both; the ratio of the CPU seconds holds better
there than that of the times.  What on-login adds to a login is measured as in bench/migrate_on_login.py.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.migrate_on_login import BOUND_MS, added
from mailauth.hashes import Password, generate
from mailauth.lab import Lab, builds

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "bench" / "results" / "against.json"
MOST = 1.2


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """The tree of a commit, gone at the end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(path), commit)
        try:
            yield path
        finally:
            _git("worktree", "remove", "--force", str(path))


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()


def once(tree: Path, words: Sequence[str], state: Path) -> tuple[float, float, int]:
    """Seconds, CPU seconds and exit status of a command; the current folder is first in Python's path."""
    before, began = os.times(), time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "mailauth", *words],
        capture_output=True,
        input=b"secret\n",
        check=False,
        cwd=tree,
        env=os.environ | {"MAILAUTH_STATE": str(state)},
    )
    took, after = time.perf_counter() - began, os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return took, spent, ran.returncode


def compared(old: Path, words: Sequence[str], rounds: int, folder: Path) -> dict[str, object]:
    """Medians of both; the first run of each, which compiles and warms, does not count."""
    runs: dict[str, list[tuple[float, float, int]]] = {"old": [], "new": []}
    for number in range(rounds + 1):
        for name, tree in (("old", old), ("new", ROOT)):
            one = once(tree, words, folder / name)
            if number:
                runs[name].append(one)
    medians = {
        name: [statistics.median(each[at] for each in found) for at in (0, 1)] for name, found in runs.items()
    }
    return {
        "old, s": round(medians["old"][0], 3),
        "new, s": round(medians["new"][0], 3),
        "ratio of the times": round(medians["new"][0] / medians["old"][0], 2),
        "ratio of the CPU seconds": round(medians["new"][1] / max(medians["old"][1], 0.01), 2),
        "exit statuses": {name: sorted({each[2] for each in found}) for name, found in runs.items()},
    }


def commands(commit: str, rounds: int) -> dict[str, object]:
    """Each command, with the old tree and with this one, on one Dovecot."""
    users = {f"u{n}": generate("ARGON2ID", Password.of("secret"), memory=16384, time=1) for n in range(20)}
    with (
        worktree(commit) as old,
        Lab(store="sqlite", users=users) as lab,
        tempfile.TemporaryDirectory() as kept,
    ):
        pid, state = ("--pid", str(lab.master_pid)), ("--state", f"{kept}/check")
        each = {
            "diagnose USER": ("diagnose", "u1", *pid),
            "diagnose USER, with a password": ("diagnose", "u1", *pid, "--password-stdin"),
            "check": ("check", *pid, *state, "--timeout", "60s"),
            "check rows, counted each time": ("check", "rows", *pid, *state, "--survey-age", "0"),
        }
        found: dict[str, object] = {}
        for name, words in each.items():
            found[name] = compared(old, words, rounds, Path(kept))
            sys.stderr.write(f"{name}: {json.dumps(found[name])}\n")
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--on-login", action="store_true", help="also what on-login adds")
    parser.add_argument("--write", action="store_true", help=f"keep it in {RESULT.name}")
    asked = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    told = {
        "date": datetime.now(UTC).date().isoformat(),
        "old": _git("log", "-1", "--format=%h %cs %s", asked.commit),
        "new": _git("log", "-1", "--format=%h %cs %s"),
        "host": f"{platform.machine()}, {cores} cores, Python {platform.python_version()}",
        "load": Path("/proc/loadavg").read_text().split()[0],
        "rounds": asked.rounds,
        "not to exceed": MOST,
        "found": commands(asked.commit, asked.rounds),
    }
    installed = builds.installed()
    if installed and asked.on_login:
        adds, plain = added(str(installed.version), "sqlite", None)
        told["on-login, ms added to a migrated user's login"] = adds
        told["such a login without it, ms"] = plain
        told["not to exceed, ms"] = BOUND_MS
    sys.stdout.write(f"{json.dumps(told, indent=1)}\n")
    if asked.write:
        RESULT.write_text(f"{json.dumps(told, indent=1)}\n")


if __name__ == "__main__":
    main()
