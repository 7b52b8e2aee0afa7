"""A migration of each verb and store, disturbed at a random moment; then gone on with, and undone.

After each: every row is its old string, a new one that its user's password matches, or what another writer
put there; who could log in can; and the undo gives each old string back, byte for byte.
"""

import json
import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from mailauth.hashes import Password, Verdict, verify
from tests.migrate.disturbances import Disk, Wire, connections_end, full_for, killed_beside, other_writer
from tests.migrate.kills import DRIVERS, USERS, VERSIONS, Bench, Killed, Moment, with_service

VERBS = ("apply", "undo", "resume", "import", "on-login")
DISTURBANCES = ("kill", "full disk", "network cut", "restart", "another writer")
BESIDE = 1000  # from this number on, all that a tool does is killed beside another writer
KILLED_BESIDE = "kill beside another writer"
ADDING = ("move", "undo of a move", "default-scheme", "undo of default-scheme")
_RULES = ("--prefix", "--rehash", "ARGON2ID", "--profile", "owasp-7")
_ROWS = ("--rows-query", "SELECT userid, password FROM users", "--default-scheme", "CRYPT")
STARTS = 90.0  # seconds, at most, until the first row is changed
_CHANGED_TOO = 5  # rows of 24 that the other writer may choose from


@dataclass(frozen=True, slots=True)
class Event:
    """What happens at what, and when: all of it from one number."""

    seed: int
    version: str
    driver: str
    verb: str
    what: str
    share: float  # of the time that the verb takes
    early: bool  # counted from the start of the program, not of its work
    rate: int = 14  # rows a second

    @property
    def slowly(self) -> tuple[str, ...]:
        return ("--batch", "2", "--rate", str(self.rate))

    @property
    def span(self) -> float:
        """Seconds that most of the rows take."""
        return 0.8 * USERS / self.rate

    @classmethod
    def of(cls, seed: int) -> "Event":
        """100 numbers one after the other are all verbs, disturbances and stores, each once.

        From ``BESIDE`` on, 32 are all verbs of a tool and all stores.
        """
        if seed >= BESIDE:
            return cls._beside(seed)
        verb, rest = VERBS[seed % 5], seed // 5
        what, driver = DISTURBANCES[rest % 5], DRIVERS[rest // 5 % 4]
        chance = random.Random(seed)  # noqa: S311 - to be repeated
        version = VERSIONS[(seed // 100 + seed) % 2]
        return cls(seed, version, driver, verb, what, chance.random(), chance.random() < 0.1)

    @classmethod
    def _beside(cls, seed: int) -> "Event":
        verbs = (*ADDING, *VERBS[:4])
        at = seed - BESIDE
        driver, version = DRIVERS[at // 8 % 4], VERSIONS[(at // 32 + at) % 2]
        chance = random.Random(seed)  # noqa: S311 - to be repeated
        early = chance.random() < 0.25
        return cls(seed, version, driver, verbs[at % 8], KILLED_BESIDE, chance.random(), early)


@dataclass
class Work:
    """One event, while it happens."""

    found: Bench
    event: Event
    killed: Killed
    disk: Disk
    wire: Wire | None

    @property
    def at(self) -> tuple[str, ...]:
        """Where the cut is to be, the store is named by the wire's URL."""
        return ("--url-fd", "0", *_ROWS) if self.wire else self.found.at

    def run(self, *words: str, wanted: tuple[int, ...] = (0,)) -> None:
        """Undisturbed."""
        process = self.start(*words)
        said, _ = process.communicate(timeout=180)
        allowed = {*wanted, *([1] if self.found.wrote else [])}
        if process.returncode not in allowed or "Traceback" in said:
            self.killed.problems.append(f"{words[0]}: {process.returncode} {said[-400:]}")

    def start(self, *words: str) -> subprocess.Popen[str]:
        feed = None
        if self.wire:
            place, name = self.found.lab.store.place, {"mysql": "mysql", "pgsql": "postgresql"}
            feed = (
                f"{name[self.found.lab.driver]}://{place.user}:{place.password}@{place.host}:{self.wire.port}"
            )
            feed += f"/{place.database}"
        return self.found.run(*words, feed=feed)

    def disturbed(self, *words: str) -> None:
        """At a moment after the first row was changed, or, early, after the program was started."""
        event, before = self.event, self.found.stored()
        process = self.start(*words)
        end = time.monotonic() + STARTS
        while not event.early and process.poll() is None and time.monotonic() < end:
            if self.found.stored() != before:
                break
            time.sleep(0.02)
        more = event.early + 1.5 * ("default-scheme" in event.verb)  # there the setting is changed at the end
        time.sleep(event.share * (event.span + more))
        began = time.monotonic()
        mend = self.disturb(process)
        said, _ = process.communicate(timeout=180)
        mend()
        self.killed.seconds = round(time.monotonic() - began, 3)
        if "Traceback" in said:
            self.killed.problems.append(said[-600:])

    def disturb(self, process: subprocess.Popen[str]) -> Callable[[], None]:
        """Returns what makes it well again."""
        found, what = self.found, self.event.what
        if what in ("another writer", KILLED_BESIDE):
            users = random.Random(self.event.seed).sample(sorted(found.words), _CHANGED_TOO)  # noqa: S311
            if what == KILLED_BESIDE:
                killed_beside(process, lambda: other_writer(found, users), self.event.share * 0.2)
            else:
                other_writer(found, users)
        elif what == "full disk":
            if self.disk.ours and self.event.seed % 3:
                self.disk.fill()
                return self.disk.empty
            full_for(process)
        elif what == "network cut" and self.wire:
            self.wire.cut()
            return self.wire.mend
        elif what == "network cut" and found.server:
            connections_end(found)
        elif what in ("restart", "network cut"):
            victim = "database" if found.server else "Dovecot"
            found.kill(victim, process)
            return lambda: found.revive(victim)
        else:
            process.kill()
        return lambda: None

    def heads(self) -> list[str]:
        """The migrations, the oldest first."""
        return sorted((path.parent.name for path in self.found.state.rglob("head.json")), key=_by_age)

    def state(self, name: str) -> str:
        return str(json.loads((self.found.state / "migrate" / name / "head.json").read_bytes())["state"])

    def judge(self, stage: str, *, wanted: str = "") -> None:
        """Each row is old, new, or the other writer's; ``wanted``: which of the first two all others are."""
        before, after, counts = self.found.before, self.found.stored(), {"old": 0, "new": 0}
        if set(after) != set(before):
            self.killed.problems.append(f"{stage}: other users than before")
        for user, stored in after.items():
            if user in self.found.wrote:
                if stored != self.found.wrote[user]:
                    self.killed.problems.append(f"{stage}: {user}: what the other writer wrote is gone")
                continue
            kind = _kind(stored or "", before[user] or "", self.found.words[user], user)
            if kind not in counts or (wanted and kind != wanted):
                self.killed.problems.append(f"{stage}: {user} is {kind}, {stored!r} was {before[user]!r}")
            else:
                counts[kind] += 1
        if not wanted:
            self.killed.old, self.killed.new = counts["old"], counts["new"]
        self.found.all_log_in(stage, self.killed.problems)


def _by_age(name: str) -> tuple[str, int]:
    stamp, _, number = name[15:].partition("-")
    return name[:15] + stamp, int(number or 1)


def _kind(stored: str, old: str, word: bytes, user: str) -> str:
    if stored == old:
        return "old"
    if stored in ("{BLF-CRYPT}" + old, "{CRYPT}" + old):
        return "new"
    sound = stored.startswith("{ARGON2ID}")
    return "new" if sound and verify(stored, Password(word), user=user).verdict is Verdict.MATCH else "lost"


def of_a_tool(work: Work) -> None:
    rules: tuple[str, ...] = (*_RULES, "--apply")
    verb, found = work.event.verb, work.found
    listed = found.state / "list.csv"
    if verb == "import":
        listed.write_text("".join(f"{user},{word.decode()}\n" for user, word in work.found.words.items()))
        listed.chmod(0o600)
    importing = ("import", str(listed), *work.at, "--profile", "owasp-7", "--apply")
    if verb == "undo":
        work.run("apply", *work.at, *rules, "--batch", "2")
        work.disturbed("undo", work.heads()[-1], *work.at, "--rate", str(work.event.rate), "--apply")
    elif verb == "resume":
        _interrupted(work, rules)
        work.disturbed("apply", *work.at, *rules, *work.event.slowly, "--resume", work.heads()[-1])
    elif verb == "import":
        work.disturbed(*importing, *work.event.slowly)
    else:
        work.disturbed("apply", *work.at, *rules, *work.event.slowly)
    work.judge("disturbed")
    if verb != "undo":
        _gone_on_with(work, rules, importing)
        work.judge("gone on with", wanted="new")
    for name in reversed(work.heads()):
        work.run("undo", name, *work.at, "--apply")
    work.judge("undone", wanted="old")


def _gone_on_with(work: Work, rules: tuple[str, ...], importing: tuple[str, ...]) -> None:
    """Dovecot may have another PID by now."""
    names = work.heads()
    if work.event.verb == "import":
        work.run(*importing[:2], *work.at, *importing[-3:])
    elif not names:
        work.run("apply", *work.at, *rules)
    elif work.state(names[-1]) == "applying":
        work.run("apply", *work.at, *rules, "--resume", names[-1])


def _interrupted(work: Work, rules: tuple[str, ...]) -> None:
    """Half of an apply."""
    process = work.start("apply", *work.at, *rules, *work.event.slowly)
    end = time.monotonic() + STARTS
    while not work.heads() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(work.event.span / 3)
    process.terminate()
    process.communicate(timeout=180)


def on_login(work: Work) -> Killed:
    """Logins of that moment may fail, but where the service alone was killed."""
    victims = {"kill": "service", "restart": "database" if work.found.server else "Dovecot"}
    victims["network cut"] = "connections" if work.found.server else "Dovecot"
    event = work.event
    victim = victims.get(event.what, event.what)
    moment = Moment(event.seed, event.version, event.driver, "on-login", victim, event.share)
    return with_service(work.found, moment, None if victim in _KILLED else work.disturb)


_KILLED = ("service", "database", "Dovecot")
