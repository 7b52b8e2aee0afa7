"""Kill a prefix migration of a directory 40 times at random moments, and go on with it, on a real slapd.

    nice -n 10 python -m bench.directory_kills [--kills 40] [--entries 200] [--verbs undo] [--write]

By turns an apply, its --resume and its undo are killed with SIGKILL, half on 2.3.19.1 and half on 2.4.1.
After each kill: every entry has its old value or "{BLF-CRYPT}" before it, and its other values as they were.
Then it is gone on with: all are new; and undone: all are old, byte for byte, in their order.
bench/results/directory-kills.json; with --verbs undo, directory-kills-undo.json
"""

import argparse
import json
import os
import platform
import random
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from mailauth.lab import Lab
from mailauth.lab.slapd import PEOPLE
from tests.migrate.conftest import secret
from tests.migrate.test_directory import Commands, bare, commands, entry, held, slapd

RESULT = Path(__file__).parent / "results" / "directory-kills.json"
VERSIONS = ("2.3.19.1", "2.4.1")
VERBS = ("apply", "resume", "undo")
RATE = 100  # entries a second, so that a moment can be among them


class Bench:
    """One directory, and what its entries were."""

    def __init__(self, one: Commands, count: int) -> None:
        self.one, self.count = one, count
        users = {f"uid=u{n},{PEOPLE}": entry(f"u{n}", bare(n)) for n in range(count)}
        users[f"uid=two,{PEOPLE}"] = entry("two", bare(count), "{PLAIN}behind it")
        slapd(one.lab).add(users)
        self.before = held(one.lab)

    def counts(self) -> tuple[int, int, list[str]]:
        """Old, new, and the names of those that are neither."""
        old = new = 0
        odd = []
        for name, values in held(self.one.lab).items():
            was = self.before[name]
            if values == was:
                old += 1
            elif values == ["{BLF-CRYPT}" + was[0], *was[1:]]:
                new += 1
            else:
                odd.append(name)
        return old, new, odd

    def written(self, verb: str) -> int:
        """By the directory itself."""
        old, new, _ = self.counts()
        return old if verb == "undo" else new

    def killed(self, verb: str, chance: random.Random) -> dict[str, Any]:
        """One kill, what it left, and what became of it when it was gone on with."""
        apply = ("apply", "--prefix", "--apply", "--batch", "8")
        slowly = ("--rate", str(RATE))
        if verb == "resume":
            self.one.killed((*apply, *slowly), lambda: self.one.journal() > 0, chance)
        if verb == "undo":
            self.one.run(*apply)
        began = self.one.head.get("id")
        resume = ("--resume", began) if began else ()
        words = ("undo", str(began), "--apply", *slowly) if verb == "undo" else (*apply, *resume, *slowly)
        done = chance.randrange(len(self.before))  # entries, at least, when it is killed
        was_killed = self.one.killed(words, lambda: self.written(verb) >= done, chance)
        old, new, odd = self.counts()
        problems = [f"{name} is neither old nor new" for name in odd]
        problems += list(self.finished(verb, apply))
        left = {"at, entries": done, "was running": was_killed, "old": old, "new": new}
        return {"during": verb, **left, "problems": problems}

    def finished(self, verb: str, apply: tuple[str, ...]) -> Iterator[str]:
        """What is wrong once it was gone on with and undone."""
        head = self.one.head
        if verb != "undo":
            if head.get("state") != "applied":
                self.one.run(*apply, *(("--resume", head["id"]) if head else ()))
            old, new, odd = self.counts()
            if old or odd:
                yield f"gone on with: {old} old, {new} new, {len(odd)} neither"
            if not self.one.lab.login("u1", secret(1)).ok:
                yield "gone on with: u1 cannot log in"
        if self.counts()[0] < len(self.before):
            self.one.run("undo", self.one.head["id"], "--apply")
        if held(self.one.lab) != self.before:
            yield "undone: not what it was"


class Killed(Protocol):
    """What is killed: one directory with entries."""

    def __init__(self, one: Commands, count: int) -> None: ...

    def killed(self, verb: str, chance: random.Random) -> dict[str, Any]:
        """One kill, what it left, and what became of it when it was gone on with."""


@dataclass(frozen=True)
class Plan:
    """``stay``: entries that stay old, whatever is done; ``entries``: if not said."""

    bench: type[Killed]
    verbs: tuple[str, ...]
    result: Path
    entries: int
    stay: int = 0


def measured(plan: Plan, version: str, numbers: list[int], count: int) -> list[dict[str, Any]]:
    found = []
    with tempfile.TemporaryDirectory() as folder, commands(Lab, Path(folder), version) as one:
        bench = plan.bench(one, count)
        for number in numbers:
            chance = random.Random(number)  # noqa: S311 - to be repeated
            one.folder = Path(folder) / str(number)  # a state of its own
            one.folder.mkdir(mode=0o700)
            verb = plan.verbs[number // 2 % len(plan.verbs)]
            told = {"kill": number, "dovecot": version, **bench.killed(verb, chance)}
            print(json.dumps(told), flush=True)
            found.append(told)
    return found


def main(plan: Plan) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--entries", type=int, default=plan.entries)
    parser.add_argument("--verbs", nargs="*", choices=plan.verbs, default=list(plan.verbs))
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    all_verbs, plan = plan.verbs, replace(plan, verbs=tuple(given.verbs))
    numbers = [list(range(at, given.kills, len(VERSIONS))) for at in range(len(VERSIONS))]
    with ProcessPoolExecutor(len(VERSIONS)) as pool:
        parts = pool.map(partial(measured, plan), VERSIONS, numbers, [given.entries] * len(VERSIONS))
        each = [one for part in parts for one in part]
    among = sum(one["old"] > plan.stay and one["new"] > 0 for one in each)
    found = {
        "kills": len(each),
        "while it ran": sum(one["was running"] for one in each),
        "with some entries old and some new": among,
        "entries": given.entries + 1,
        "with a problem": sum(bool(one["problems"]) for one in each),
        "date": datetime.now(UTC).date().isoformat(),
        "host": {
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "load": round(os.getloadavg()[0], 2),
        },
        "each": sorted(each, key=lambda one: int(one["kill"])),
    }
    print(json.dumps({name: value for name, value in found.items() if name != "each"}, indent=2))
    if given.write:
        some = "-".join(["", *given.verbs]) if given.verbs != list(all_verbs) else ""
        plan.result.with_stem(plan.result.stem + some).write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(bool(found["with a problem"]))


if __name__ == "__main__":
    main(Plan(Bench, VERBS, RESULT, entries=200))
