"""Users of eight old schemes log in at a steady rate, behind a cache and a query that returns another name.

Each logs in twice, at moments that do not wait for the service (an open loop): first to be migrated, then as
a migrated user.  Is everyone migrated, is every report counted, how long does a login take?

What the new hash costs by itself is measured in the same run: each second login has a twin at a Dovecot with
the same migrated users and without on-login, just before or after it, both with an empty cache.
``p95 ratio`` is that of the two; other work on the machine moves both.  ``hash_ms`` is what verifying one
such hash costs alone.

    python -m bench.migrate_load [--dovecot VERSION] [--users 2000] [--rate 20] [--write]

--write puts it into bench/results/migrate-load.json; with --dovecot it replaces only that one there.
"""

import argparse
import datetime as dt
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from mailauth.errors import CannotObserve
from mailauth.hashes import Password, generate, verify
from mailauth.lab import Lab
from mailauth.lab.databases import SERVERS
from mailauth.migrate.rehash import Rehashed
from tests.migrate.conftest import OnLoginLab, old_users, secret

RESULTS = Path(__file__).parent / "results" / "migrate-load.json"
QUERY = "SELECT userid AS user, password FROM users WHERE userid = '{}'"
NAMES = {"2.3.19.1": "%n", "2.4.1": "%{user | username}"}
AT_ONCE = 32  # logins
BOUND = 1.3
MOST = 600.0  # seconds until the last report is worked at


def logins(labs: Sequence[Lab], users: int, rate: float) -> list[tuple[list[float], int]]:
    """Of each lab: milliseconds of those that were let in, from the planned moment; and how many were not.

    All log in to each lab; which one comes first changes from user to user.  ``rate``: of all together.
    """
    began = time.monotonic()
    order = [(number, (number + turn) % len(labs)) for number in range(users) for turn in range(len(labs))]

    def one(at: int) -> float | None:
        due, (number, which) = began + at / rate, order[at]
        time.sleep(max(0.0, due - time.monotonic()))
        with suppress(CannotObserve, OSError):
            if labs[which].login(f"u{number}@example.org", secret(number)).ok:
                return (time.monotonic() - due) * 1000
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        took = list(pool.map(one, range(len(order))))
    found = []
    for lab in range(len(labs)):
        ours = [ms for ms, (_, which) in zip(took, order, strict=True) if which == lab]
        found.append(([ms for ms in ours if ms is not None], ours.count(None)))
    return found


def spread(took: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(took, n=100)
    return {"p50 ms": round(cuts[49], 1), "p95 ms": round(cuts[94], 1)}


def hash_ms() -> float:
    stored = generate("ARGON2ID", Password(b"x"), memory=19456, time=2)
    took = []
    for _ in range(20):
        began = time.perf_counter()
        verify(stored, Password(b"x"))
        took.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(took), 1)


def one(version: str, users: int, rate: float) -> dict[str, object]:
    settings = "auth_cache_size = 10M\nauth_failure_delay = 0\n"
    query = QUERY.format(NAMES[version])
    with (
        SERVERS["mysql"]() as server,
        tempfile.TemporaryDirectory() as state,
        Lab(version, "mysql", old_users(users), settings, database=server, query=query) as lab,
        Lab(version, "mysql", {}, settings, database=server, query=query) as without,
    ):
        work = OnLoginLab(lab, Path(state))
        work.enable("--profile", "owasp")
        with (Path(state) / "journal").open("w") as journal:
            work.start(journal=journal)
        ((first, refused),) = logins([lab], users, rate)
        over = time.monotonic()
        while sum(work.totals().values()) < users and time.monotonic() < over + MOST:
            time.sleep(0.2)
        behind = round(time.monotonic() - over, 1)
        alone = hash_ms()
        without.set_users(lab.store.users())
        for each in (lab, without):  # 2.3.19.1 goes on with the old hash that it has in its cache
            each.reload()
        (second, refused_again), (plain, refused_there) = logins([lab, without], users, rate)
        stopped = work.stop()
        totals = work.totals()
        stored = lab.store.users().values()
        work.close()
    return {
        "dovecot": version,
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "users": users,
        "logins a second": rate,
        "first": spread(first) | {"refused": refused},
        "seconds until all were worked at": behind,
        "migrated": sum((text or "").startswith("{ARGON2ID}") for text in stored),
        "second": spread(second) | {"refused": refused_again},
        "without on-login": spread(plain) | {"refused": refused_there},
        "p95 ratio": round(spread(second)["p95 ms"] / spread(plain)["p95 ms"], 3),
        "hash_ms": alone,
        "reports": {outcome.value: count for outcome, count in totals.items() if count},
        "every report counted": sum(totals.values()) == 2 * users,
        "all migrated": totals[Rehashed.MIGRATED] == users and stopped == 0,
        "load": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dovecot", action="append", choices=NAMES)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    every = []
    for version in given.dovecot or NAMES:
        every.append(one(version, given.users, given.rate))
        print(json.dumps(every[-1]), flush=True)
    if given.write:
        others = json.loads(RESULTS.read_text())["each"] if RESULTS.exists() else []
        measured = {each["dovecot"]: each for each in (*others, *every)}
        summary = {
            "bound of the ratio": BOUND,
            "each": [measured[version] for version in NAMES if version in measured],
        }
        RESULTS.write_text(json.dumps(summary, indent=2) + "\n")
    sound = all(one["all migrated"] and one["every report counted"] for one in every)
    sys.exit(0 if sound and all(float(str(one["p95 ratio"])) <= BOUND for one in every) else 1)


if __name__ == "__main__":
    main()
