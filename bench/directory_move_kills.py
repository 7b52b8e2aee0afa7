"""Kill a move into a directory 40 times at random moments, and go on with it, on a real slapd.

    nice -n 10 python -m bench.directory_move_kills [--kills 40] [--entries 400] [--write]

By turns a move, a move that is gone on with, and its undo are killed with SIGKILL, half on 2.3.19.1 and half
on 2.4.1.  After each kill: every entry has no string, as before, or exactly the one that its user had where
it came from.  Then it is gone on with: all have it; and all that was done is undone: all are as they were.
bench/results/directory-move-kills.json
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.directory_kills import Plan, main
from mailauth.lab.stores.ldap import name_of
from tests.migrate.conftest import secret
from tests.migrate.test_directory import Commands, bare, entry, held, slapd

RESULT = Path(__file__).parent / "results" / "directory-move-kills.json"
VERBS = ("move", "again", "undo")
RATE = ("--rate", "auto")  # some at a time, so that a moment can be among them


class Bench:
    """A passwd-file and one directory: whose entries have no strings, and two that have one already."""

    def __init__(self, one: Commands, count: int) -> None:
        self.one, self.file = one, one.lab.folder / "source"
        users = {f"u{n}": bare(n) for n in range(count)}
        self.file.write_text("".join(f"{user}:{stored}\n" for user, stored in users.items()))
        self.new = {name_of(user): ["{CRYPT}" + stored] for user, stored in users.items()}
        slapd(one.lab).add({name_of(user): entry(user) for user in users})
        slapd(one.lab).add({name_of("theirs"): entry("theirs", "{PLAIN}a", "{PLAIN}behind it")})
        self.before = held(one.lab)
        at = ("--url", f"passwd-file:{self.file}", "--default-scheme", "CRYPT", "--to-passdb", "1")
        self.move = ("move", *at, "--apply")

    def counts(self) -> tuple[int, int, list[str]]:
        """Old, new, and the names of those that are neither."""
        old = new = 0
        odd = []
        for name, values in held(self.one.lab).items():
            if values == self.before[name]:
                old += 1
            elif values == self.new.get(name):
                new += 1
            else:
                odd.append(name)
        return old, new, odd

    def ids(self) -> list[str]:
        """Of the moves that have begun, the last one first."""
        heads = [json.loads(path.read_text()) for path in self.one.folder.glob("migrate/*/head.json")]
        return [
            str(head["id"]) for head in sorted(heads, key=lambda head: float(head["begun"]), reverse=True)
        ]

    def killed(self, verb: str, chance: random.Random) -> dict[str, Any]:
        """One kill, what it left, and what became of it when it was gone on with."""
        most = len(self.new)
        if verb == "again":
            self.one.killed((*self.move, *RATE), lambda: self.counts()[1] >= most // 4, chance)
        if verb == "undo":
            self.one.run(*self.move)
        words = ("undo", self.ids()[0], "--apply") if verb == "undo" else self.move
        there = self.counts()[1]
        done = chance.randrange(max(1, most if verb != "again" else most - there))  # it may be done by then
        was_killed = self.one.killed((*words, *RATE), lambda: abs(self.counts()[1] - there) >= done, chance)
        old, new, odd = self.counts()
        problems = [f"{name} is neither old nor new" for name in odd]
        problems += list(self.finished(verb))
        left = {"at, entries": done, "was running": was_killed, "old": old, "new": new}
        return {"during": verb, **left, "problems": problems}

    def finished(self, verb: str) -> Iterator[str]:
        """What is wrong once it was gone on with and undone."""
        if verb != "undo":
            self.one.run(*self.move)
            old, new, odd = self.counts()
            if new != len(self.new) or odd:
                yield f"gone on with: {old} old, {new} new, {len(odd)} neither"
            if not self.one.lab.login("u1", secret(1)).ok:
                yield "gone on with: u1 cannot log in"
        for name in self.ids():
            if self.counts()[1]:
                self.one.run("undo", name, "--apply")
        if held(self.one.lab) != self.before:
            yield "undone: not what it was"


if __name__ == "__main__":
    main(Plan(Bench, VERBS, RESULT, entries=400, stay=1))
