"""Faults x findings: run every proof on every Dovecot here, and write what each fault was called.

    python bench/matrix.py [--write] [--dovecot VERSION ...]    writes bench/results/confusion-matrix.json
    python bench/matrix.py --add -- tests/proofs -k CODE        the rows of these tests only; all others stay

The proofs assert the exact set of findings; this only keeps what they saw.  docs/confusion-matrix.md is
made of the result by ``python -m tests.docs.generated``.
"""

import argparse
import functools
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mailauth.lab import builds

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "bench" / "results" / "confusion-matrix.json"


def available() -> list[str]:
    """Every Dovecot that is installed or unpacked."""
    here = builds.installed()
    found = [str(here.version)] if here else []
    found += [str(build.version) for one in builds.RELEASES if (build := builds.unpacked(one))]
    return sorted(set(found))


def recorded(folder: Path) -> list[dict[str, object]]:
    """What the tests of a run recorded; what a test also records with a name of its own stands once."""
    lines = [
        json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()
    ]
    named = {_same(line) for line in lines if line["named"]}
    kept = {
        json.dumps(line, sort_keys=True): line for line in lines if line["named"] or _same(line) not in named
    }
    return [{name: line[name] for name in line if name != "named"} for line in kept.values()]


def _same(line: dict[str, Any]) -> tuple[str, ...]:
    return (line["test"], line["dovecot"], line["store"], *line["found"])


def run(versions: str, words: list[str]) -> tuple[list[dict[str, object]], str]:
    """The proofs on these Dovecots, with blanks between: what they recorded, and pytest's last line."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "2", *(words or ["tests/proofs", "tests/field"])],
            cwd=ROOT,
            env=os.environ | {"MAILAUTH_MATRIX": folder, "MAILAUTH_DOVECOTS": versions},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = recorded(Path(folder))
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines, "\n".join([*failed, done.stdout.strip().splitlines()[-1]])


def add(rows: list[dict[str, Any]], ends: dict[str, str]) -> None:
    """Put rows in the place of those that the same tests gave before, and of those that are gone."""
    result = json.loads(RESULT.read_text())
    anew = {row["test"] for row in rows}
    kept = (row for row in result["rows"] if row["test"] not in anew and _is_there(row["test"]))
    result["rows"] = in_order([*kept, *rows])
    result["pytest"] |= ends
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def _is_there(test: str) -> bool:
    """Whether its file has such a function."""
    file, _, name = test.partition("::")
    return f"def {name.partition('[')[0].rpartition('::')[2]}(" in _text_of(ROOT / file)


@functools.cache
def _text_of(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sorted, each once: a test that names its Dovecot itself runs in the run of each version."""
    once = {json.dumps(row, sort_keys=True): row for row in rows}
    return [once[key] for key in sorted(once)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the result file")
    parser.add_argument(
        "--add", action="store_true", help="write the rows of the tests that ran, beside the others"
    )
    parser.add_argument("--dovecot", action="append", help="only this version; may be repeated")
    parser.add_argument("--recorded", metavar="FOLDER", help="what a run with MAILAUTH_MATRIX=FOLDER left")
    parser.add_argument("words", nargs="*", help="passed on to pytest")
    asked = parser.parse_args()
    rows: list[dict[str, object]] = []
    ends = {}
    if asked.recorded:
        rows = recorded(Path(asked.recorded))
        ends["bin/test"] = f"{len(rows)} rows"
    chosen = [] if asked.recorded else asked.dovecot or available()
    # a few tests take less time than pytest's start: all versions in one
    for versions in [" ".join(chosen)] if asked.add and chosen else chosen:
        print(f"Dovecot {versions}: running", flush=True)
        lines, ends[versions] = run(versions, asked.words)
        rows += lines
        print(f"{len(lines)} faults and healthy systems; {ends[versions]}", flush=True)
    if asked.add:
        add(rows, {f"{versions}: {' '.join(asked.words)}": end for versions, end in ends.items()})
        return
    result = {
        "host": platform.platform(),
        "date": datetime.now(UTC).date().isoformat(),
        "pytest": ends,
        "rows": in_order(rows),
    }
    if asked.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
