"""200 users of 8 old schemes log in over IMAP and are migrated: is a password anywhere, was one shut out?

Both Dovecots, each store.  Looked through for any of the passwords: the SQL servers' logs of every statement,
the arguments and environments of all processes all the time, Dovecot's debug log, what the service said.
And the time that on-login adds to the login of a migrated user: logins to a Dovecot with it and to one
without, in turn; the median of the pairs' differences.

    python -m bench.migrate_on_login [--users 200] [--write]

--write puts it into bench/results/migrate-on-login.json.
"""

import argparse
import datetime as dt
import imaplib
import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from mailauth.lab.databases import SERVERS, Server
from mailauth.migrate.rehash import Rehashed
from tests.migrate.conftest import OnLoginLab, old_users, secret
from tests.migrate.test_on_login import CANARY, logging_everything, schemes, watched

RESULTS = Path(__file__).parent / "results" / "migrate-on-login.json"
VERSIONS = ("2.3.19.1", "2.4.1")
DRIVERS = ("passwd-file", "sqlite", "mysql", "pgsql")
PAIRS = 300
BOUND_MS = 2.0


@dataclass
class Found:
    """One Dovecot with one store."""

    dovecot: str
    store: str
    users: int
    failed: list[str] = field(default_factory=list)
    seen_in: list[str] = field(default_factory=list)
    statements: int = 0
    reports: int = 0
    seconds: float = 0.0
    added_ms: float = 0.0
    plain_ms: float = 0.0
    schemes: list[str] = field(default_factory=list)


def one(version: str, driver: str, server: Server | None, users: int) -> Found:
    found = Found(version, driver, users)
    settings = "auth_debug = yes\nmail_max_userip_connections = 0\n"
    with (
        tempfile.TemporaryDirectory() as state,
        Lab(version, driver, old_users(users), settings, ("imap",), database=server) as lab,
    ):
        if server:
            logging_everything(server)  # not before: the users were put there in plain statements
        work = OnLoginLab(lab, Path(state))
        work.enable()
        said = Path(state) / "journal"
        with said.open("w") as journal:
            work.start(journal=journal)
        began = time.monotonic()
        with watched() as seen:
            logins(found, lab, users, "first")
            work.wait(Rehashed.MIGRATED, users, 300)
            found.seconds = round(time.monotonic() - began, 1)
            logins(found, lab, users, "again")
        work.stop()
        found.schemes = sorted(schemes(work))
        found.seen_in += sorted(seen)
        logs = [lab.folder / "log", said]
        if server:
            logs.append(server.folder / ("server.log" if driver == "pgsql" else "data/general.log"))
            found.statements = logs[-1].read_bytes().count(b"UPDATE users")
        found.reports = logs[0].read_bytes().count(b"command=report")
        found.seen_in += [log.name for log in logs if CANARY in log.read_bytes()]
    found.added_ms, found.plain_ms = added(version, driver, server)
    return found


def logins(found: Found, lab: Lab, users: int, when: str) -> None:
    for number in range(users):
        try:
            with imaplib.IMAP4("127.0.0.1", lab.ports["imap"]) as client:
                client.login(f"u{number}", secret(number).decode())
        except (imaplib.IMAP4.error, OSError) as why:
            found.failed.append(f"{when}: u{number}: {type(why).__name__}")


def added(version: str, driver: str, server: Server | None) -> tuple[float, float]:
    """Milliseconds that on-login adds, and that a login takes without it."""
    stored = generate("SHA512-CRYPT", Password(secret(0)), rounds=1000)
    with ExitStack() as stack:
        state = stack.enter_context(tempfile.TemporaryDirectory())
        without, with_it = (
            stack.enter_context(Lab(version, driver, {"u0": stored}, database=server)) for _ in range(2)
        )
        work = OnLoginLab(with_it, Path(state))
        work.enable("--scheme", "SHA512-CRYPT", "--rounds", "1000")
        work.start()
        differences, plain = [], []
        for number in range(PAIRS + 20):
            pair = [without, with_it] if number % 2 else [with_it, without]
            took = {id(lab): lab.login("u0", secret(0)).seconds * 1000 for lab in pair}
            if number >= 20:
                differences.append(took[id(with_it)] - took[id(without)])
                plain.append(took[id(without)])
        work.stop()
    return round(statistics.median(differences), 3), round(statistics.median(plain), 3)


def kept(found: Found) -> None:
    """Into the results, in place of the last ones for this Dovecot and store."""
    before = json.loads(RESULTS.read_text())["each"] if RESULTS.exists() else []
    each = [one for one in before if (one["dovecot"], one["store"]) != (found.dovecot, found.store)]
    summary = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "bound ms": BOUND_MS,
        "each": [*each, vars(found) | {"load": round(os.getloadavg()[0], 2)}],
    }
    RESULTS.write_text(json.dumps(summary, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--only", nargs="*", choices=DRIVERS)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    every = []
    for driver in given.only or DRIVERS:
        for version in VERSIONS:
            with ExitStack() as stack:
                server = stack.enter_context(SERVERS[driver]()) if driver in SERVERS else None
                found = one(version, driver, server, given.users)
            print(found, flush=True)
            every.append(found)
            if given.write:
                kept(found)
    for found in every:
        assert not found.failed, found
        assert not found.seen_in, found
        assert found.schemes == ["ARGON2ID"], found
        assert found.reports >= found.users, found
        assert found.store not in SERVERS or found.statements >= found.users, found
        assert found.added_ms < BOUND_MS, found


if __name__ == "__main__":
    main()
