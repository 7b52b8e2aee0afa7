"""A lab whose parts can be killed and started again, and a migration on login in which one is."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from mailauth.errors import CannotObserve
from mailauth.hashes import Password, Verdict, generate, verify
from mailauth.lab import Lab
from mailauth.lab.databases import SERVERS, Server
from tests.cli.running import ROOT
from tests.migrate.conftest import OnLoginLab, old_users, secret

USERS = 24
VERSIONS = ("2.3.19.1", "2.4.1")
DRIVERS = ("passwd-file", "sqlite", "mysql", "pgsql")


@dataclass(frozen=True, slots=True)
class Moment:
    """What is killed, at what, and when."""

    seed: int
    version: str
    driver: str
    activity: str
    victim: str
    share: float  # of the time that the activity takes


@dataclass
class Killed:
    """What came of it."""

    moment: Moment
    seconds: float = 0.0  # from the beginning of the activity
    old: int = 0  # rows as they were, right after the kill
    new: int = 0
    problems: list[str] = field(default_factory=list)


def users_for_apply() -> dict[str, str | None]:
    """Half bare bcrypt, half plaintext: fast and slow batches."""
    found: dict[str, str | None] = {}
    for number in range(USERS):
        password = Password(secret(number))
        bare = generate("BLF-CRYPT", password, cost=4).removeprefix("{BLF-CRYPT}")
        found[f"u{number}"] = bare if number % 2 else "{PLAIN}" + secret(number).decode()
    return found


def words() -> dict[str, bytes]:
    return {f"u{number}": secret(number) for number in range(USERS)}


@dataclass
class Bench:
    """A lab whose parts can be killed and started again."""

    lab: Lab
    server: Server | None
    state: Path
    before: dict[str, str | None] = field(default_factory=users_for_apply)
    words: dict[str, bytes] = field(default_factory=words)  # everyone's password, as it is now
    wrote: dict[str, str] = field(default_factory=dict)  # what another writer put there

    def stored(self) -> dict[str, str | None]:
        if self.lab.store.path and self.lab.driver == "passwd-file":
            lines = self.lab.store.path.read_text().splitlines()
            pairs = [line.partition(":") for line in lines]
            return {user: stored for user, _, stored in pairs}
        return self.lab.store.users()

    def run(self, *arguments: str, feed: str | None = None) -> subprocess.Popen[str]:
        """``feed``: on standard input."""
        with ExitStack() as stack:
            source = stack.enter_context(tempfile.TemporaryFile("w+")) if feed else None
            if source:
                source.write(feed or "")
                source.seek(0)
            return self._run(arguments, source)

    def _run(self, arguments: tuple[str, ...], source: "IO[str] | None") -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mailauth", "migrate", *arguments],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"MAILAUTH_STATE": str(self.state), "COVERAGE": ""},
            cwd=ROOT,
        )

    @property
    def at(self) -> tuple[str, str]:
        return ("--pid", str(self.lab.master_pid))

    def kill(self, victim: str, process: "subprocess.Popen[str] | None") -> None:
        if victim in ("tool", "service"):
            assert process
            process.kill()
        elif victim == "database":
            assert self.server
            self.server.kill()
        else:
            family = self.lab.processes()
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    one.suspend()
            for one in [*self.lab.processes(), *family]:
                with suppress(psutil.NoSuchProcess):
                    one.kill()

    def revive(self, victim: str) -> None:
        if victim == "database":
            assert self.server
            self.server.start()
        elif victim == "Dovecot":
            self.lab.restart()

    def all_log_in(self, when: str, problems: list[str]) -> None:
        """Dovecot looks at a passwd-file once a second, and finds the database again after a while."""
        for number in range(USERS):
            end = time.monotonic() + 120
            while not self.logs_in(number):
                if time.monotonic() > end:
                    problems.append(f"{when}: u{number} cannot log in")
                    return
                time.sleep(0.2)

    def logs_in(self, number: int) -> bool:
        with suppress(CannotObserve, OSError):
            return self.lab.login(f"u{number}", self.words[f"u{number}"]).ok
        return False


@contextmanager
def bench(version: str, driver: str, server: Server | None) -> Iterator[Bench]:
    default = "default_pass_scheme = CRYPT" if version < "2.4" else "passdb_default_password_scheme = CRYPT"
    if driver == "passwd-file":
        default = "" if version < "2.4" else default
    settings = "auth_failure_delay = 0\n"
    with (
        tempfile.TemporaryDirectory() as state,
        Lab(
            version,
            driver,
            users_for_apply(),
            settings,
            database=server,
            passdb_extra=default if driver == "passwd-file" else "",
            sql_extra=default if driver != "passwd-file" else "",
        ) as lab,
    ):
        yield Bench(lab, server, Path(state))


def judged(found: Bench, before: dict[str, str | None], killed: Killed, *, wanted: str = "") -> None:
    """Each row is its old string or a new one that verifies; ``wanted``: all "old", or all "new"."""
    after = found.stored()
    if set(after) != set(before):
        killed.problems.append(f"{wanted or 'killed'}: other users than before")
    old = new = 0
    for user, stored in after.items():
        if user in found.wrote and stored == found.wrote[user]:
            old, new = old + (wanted == "old"), new + (wanted == "new")
        elif stored == before.get(user) and user not in found.wrote:
            old += 1
        elif stored and _new(stored, before.get(user) or "", user, found.words[user]):
            new += 1
        else:
            killed.problems.append(f"{wanted or 'killed'}: {user} is neither old nor new: {stored!r}")
    if not wanted:
        killed.old, killed.new = old, new
    elif (old if wanted == "old" else new) != len(before):
        killed.problems.append(f"all should be {wanted}: {old} old, {new} new")


def _new(stored: str, old: str, user: str, word: bytes) -> bool:
    if stored == "{BLF-CRYPT}" + old:
        return True
    if not stored.startswith("{ARGON2ID}"):
        return False
    return verify(stored, Password(word), user=user).verdict is Verdict.MATCH


Disturb = Callable[["subprocess.Popen[str]"], Callable[[], None]]
"""Disturbs a program, and returns what makes all well again."""


def with_service(found: Bench, moment: Moment, disturb: Disturb | None = None) -> Killed:
    """Logins that migrate, something killed among them; all are migrated in the end."""
    killed = Killed(moment)
    before = old_users(USERS)
    found.lab.set_users(before)
    service = OnLoginLab(found.lab, found.state)
    service.enable()
    service.start()
    failed: list[int] = []
    over = threading.Event()

    def log_in() -> None:
        for number in range(USERS):
            if not found.logs_in(number) and not over.is_set():
                failed.append(number)  # noqa: PERF401 - to be read while it grows

    logins = threading.Thread(target=log_in)
    logins.start()
    began = time.monotonic()
    time.sleep(moment.share * 1.5)
    if moment.victim != "service":
        over.set()  # a login of that moment may fail
    killed.seconds = round(time.monotonic() - began, 3)
    assert service.service
    mend = disturb(service.service) if disturb else _killing(found, moment.victim)(service.service)
    logins.join()
    if moment.victim == "service" and failed:
        killed.problems.append(f"logins failed: {failed}")
    mend()
    judged(found, before, killed)
    service.stop(signal.SIGKILL)
    service.start(*(found.at if moment.victim == "Dovecot" else ()))
    end = time.monotonic() + 300
    while any(not (stored or "").startswith("{ARGON2ID}") for stored in found.stored().values()):
        found.all_log_in("after the kill", killed.problems)
        if time.monotonic() > end or killed.problems:
            killed.problems.append(f"not migrated: {service.totals()}")
            break
        time.sleep(0.5)
    judged(found, before, killed, wanted="new")
    found.all_log_in("migrated", killed.problems)
    service.stop()
    service.mailauth("disable", *found.at, "--apply")
    service.close()
    return killed


def _killing(found: Bench, victim: str) -> Disturb:
    def disturb(process: "subprocess.Popen[str]") -> Callable[[], None]:
        found.kill(victim, process)
        return lambda: found.revive(victim)

    return disturb


@contextmanager
def benches() -> Iterator[Callable[[str, str], Bench]]:
    """One bench for each Dovecot and store, made when it is first asked for."""
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        made: dict[tuple[str, str], Bench] = {}

        def get(version: str, driver: str) -> Bench:
            if driver in SERVERS and driver not in servers:
                servers[driver] = stack.enter_context(SERVERS[driver]())
            if (version, driver) not in made:
                made[version, driver] = stack.enter_context(bench(version, driver, servers.get(driver)))
            return made[version, driver]

        yield get
