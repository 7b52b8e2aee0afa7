"""Moves and changes of the default scheme, killed while another writer is at work; then their undo.

After each: who was there has the string that was there, who was added has the one that counts for it, and
what the other writer put there stays.  The undo leaves strings and settings as they were, byte for byte.
"""

import random
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.hashes import Password, generate
from tests.migrate.disturbances import killed_beside, put
from tests.migrate.disturbed import STARTS, Work
from tests.migrate.kills import words as secrets

DEFAULT = "SSHA512"  # the new one
_ADDED = 2500  # users
_RATE = 1500  # rows a second, where there is any
_QUICK = 0.15  # seconds that the batches take where they are not held back
_WRITES, _APART = 3, 0.08  # by another writer; seconds between them
_ROWS = "SELECT userid, password FROM users"
_NAMES = {"sqlite": "sqlite", "mysql": "mysql", "pgsql": "postgresql"}
_BATCH = 500  # rows of a batch of a move


def carried_out(work: Work) -> None:
    if "move" in work.event.verb:
        _Move(work, _word_hash()).carry_out()
    else:
        _default_scheme(work)


def _word_hash() -> str:
    return generate("BLF-CRYPT", Password(b"moved"), cost=4).removeprefix("{BLF-CRYPT}")


@dataclass
class _Move:
    """Users of a file or of an SQLite table, added to the lab's store."""

    work: Work
    bare: str
    wrote: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = [f"m{n}" for n in range(_ADDED)]
        self.source = {
            name: self.bare if n % 10 == 0 else "{PLAIN}moved" for n, name in enumerate(self.names)
        }
        self.expected = {
            name: stored if stored.startswith("{") else "{CRYPT}" + stored
            for name, stored in self.source.items()
        }

    @property
    def url(self) -> str:
        place, driver = self.work.found.lab.store.place, self.work.found.lab.driver
        if driver in ("passwd-file", "sqlite"):
            return f"{driver}:{place.path}"
        return f"{_NAMES[driver]}://{place.user}:{place.password}@{place.host}:{place.port}/{place.database}"

    @property
    def rows(self) -> tuple[str, ...]:
        return () if self.work.found.lab.driver == "passwd-file" else (_ROWS,)

    def words(self) -> tuple[str, ...]:
        """With one who is there with another string, and one in other letters."""
        users = self.source | {"u0": "{PLAIN}other", "U1": "{PLAIN}other"}
        folder = self.work.found.state
        words: tuple[str, ...]
        if self.work.event.seed // 2 % 2:
            path = folder / "source"
            path.write_text("".join(f"{user}:{stored}\n" for user, stored in users.items()))
            words = ("--url", f"passwd-file:{path}")
        else:
            path = folder / "source.sqlite"
            if not path.exists():
                with closing(sqlite3.connect(path)) as link:
                    link.execute("CREATE TABLE users (userid TEXT PRIMARY KEY, password TEXT)")
                    link.executemany("INSERT INTO users VALUES (?, ?)", users.items())
                    link.commit()
            words = ("--url", f"sqlite:{path}", "--rows-query", _ROWS)
        to = [word for row in self.rows for word in ("--to-rows-query", row)]
        return ("move", *words, "--default-scheme", "CRYPT", "--to-fd", "0", *to, "--apply")

    def undo(self, name: str) -> tuple[str, ...]:
        rows = [word for row in self.rows for word in ("--rows-query", row)]
        return ("undo", name, "--url-fd", "0", *rows, "--apply")

    def carry_out(self) -> None:
        work = self.work
        slowly = ("--rate", str(_RATE)) if work.event.seed % 2 else ()
        span = 0.8 * (_ADDED - _BATCH) / _RATE if slowly else _QUICK
        if work.event.verb == "move":
            self.disturbed(span, *self.words(), *slowly)
            self.judge("disturbed")
            self.run(*self.words(), wanted=(1,))
            self.judge("gone on with", wanted="new")
        else:
            self.run(*self.words(), wanted=(1,))
            self.disturbed(_QUICK, *self.undo(work.heads()[-1]))
            self.judge("disturbed")
        for name in reversed(work.heads()):
            self.run(*self.undo(name), wanted=(0, 1) if self.wrote else (0,))
        self.judge("undone", wanted="old")

    def run(self, *words: str, wanted: tuple[int, ...]) -> None:
        process = self.work.found.run(*words, feed=self.url)
        said, _ = process.communicate(timeout=300)
        if process.returncode not in wanted or "Traceback" in said:
            self.work.killed.problems.append(f"{words[0]}: {process.returncode} {said[-400:]}")

    def disturbed(self, span: float, *words: str) -> None:
        """Killed at a moment after the first batch was written down, or, early, after its start."""
        work = self.work
        size = self.journaled()
        process = work.found.run(*words, feed=self.url)
        end = time.monotonic() + STARTS
        undoing = words[0] == "undo"
        before = work.found.stored() if undoing else {}
        while not work.event.early and process.poll() is None and time.monotonic() < end:
            if (work.found.stored() != before) if undoing else (self.journaled() != size):
                break
            time.sleep(0.005)
        users = random.Random(work.event.seed).sample(self.names, _WRITES)  # noqa: S311 - to be repeated
        seconds = work.event.share * (span + work.event.early)
        killed_beside(process, lambda: self.other_writer(users), seconds)
        said, _ = process.communicate(timeout=180)
        if "Traceback" in said:
            work.killed.problems.append(said[-600:])

    def journaled(self) -> int:
        """Bytes of all batches."""
        return sum(path.stat().st_size for path in self.work.found.state.glob("migrate/*/rows"))

    def other_writer(self, users: Sequence[str]) -> None:
        """Some of those that are added get a password, be they there by now or not."""
        for user in users:
            stored = generate("SSHA", Password(b"theirs"))
            put(self.work.found, user, stored)
            self.wrote[user] = stored
            time.sleep(_APART)

    def judge(self, stage: str, *, wanted: str = "") -> None:
        found, problems = self.work.found, self.work.killed.problems
        now = found.stored()
        theirs = found.before | self.wrote
        problems += [
            f"{stage}: {user} has {now.get(user)!r} and not {stored!r}"
            for user, stored in theirs.items()
            if now.get(user) != stored
        ]
        ours = {user: stored for user, stored in now.items() if user not in theirs}
        wrong = {user: stored for user, stored in ours.items() if self.expected.get(user) != stored}
        problems += [f"{stage}: {user} has {stored!r}" for user, stored in wrong.items()]
        full = len(self.expected) - len(self.wrote)
        if wanted and len(ours) != (full if wanted == "new" else 0):
            problems.append(f"{stage}: {len(ours)} users of {full} were added")
        if not wanted:
            self.work.killed.old, self.work.killed.new = full - len(ours), len(ours)
        found.all_log_in(stage, problems)
        some = dict.fromkeys(list(ours)[:: max(1, len(ours) // 4)], b"moved") | dict.fromkeys(
            self.wrote, b"theirs"
        )
        problems += [
            f"{stage}: {user} cannot log in" for user, word in some.items() if not self.gets_in(user, word)
        ]

    def gets_in(self, user: str, word: bytes) -> bool:
        """Dovecot looks at a passwd-file once a second."""
        end = time.monotonic() + STARTS
        while not self.work.found.lab.login(user, word).ok:
            if time.monotonic() > end:
                return False
            time.sleep(0.2)
        return True


def settings(work: Work) -> dict[Path, bytes]:
    folder = Path(work.found.lab.folder)
    return {path: path.read_bytes() for path in folder.glob("*.conf*") if path.is_file()}


def _default(work: Work) -> str:
    return read_config(at_pid(work.found.lab.master_pid, None)).passdbs[0].default_scheme


def _default_scheme(work: Work) -> None:
    found = work.found
    before, old = settings(work), _default(work)
    change = ("default-scheme", DEFAULT, *work.at, "--apply")
    if work.event.verb == "default-scheme":
        work.disturbed(*change, *work.event.slowly)
        work.judge("disturbed")
        work.run(*change, wanted=(0, 2))  # 2: the setting was there already
        work.judge("gone on with", wanted="new")
        if (now := _default(work)) != DEFAULT:
            work.killed.problems.append(f"gone on with: the default scheme is {now}")
    else:
        work.run(*change, "--batch", "2")
        work.disturbed("undo", work.heads()[-1], *work.at, "--rate", str(work.event.rate), "--apply")
        work.judge("disturbed")
    for name in reversed(work.heads()):
        work.run("undo", name, *work.at, "--apply")
    work.judge("undone", wanted="old")
    if _default(work) != old or settings(work) != before:
        work.killed.problems.append("undone: the settings are not as they were")
        for path, content in before.items():
            path.write_bytes(content)
        found.lab.restart()


def bare_users() -> dict[str, str | None]:
    """Whose meaning the default scheme decides."""
    return {
        user: generate("BLF-CRYPT", Password(word), cost=4).removeprefix("{BLF-CRYPT}")
        for user, word in secrets().items()
    }
