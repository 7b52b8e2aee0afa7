"""Disturb a migration at 300 random moments, over all stores and verbs, on both Dovecots.

Numbers below 1000.  Verbs: apply, undo, resume, import, on-login.  Disturbances: kill -9, a full disk, a
network cut, a restart (of the database, or of Dovecot where there is none), another writer.  100 numbers are
each of them with each store once.

From 1000 on: kill -9 while another writer is at work.  Verbs: move, default-scheme, the undo of both, apply,
undo, resume, import.  32 numbers are each of them with each store once.

After each: every row is its old or a new string, or what the other writer put there; everyone can log in; it
is gone on with; and the undo gives every old string back, byte for byte, and the settings.

    nice -n 10 python -m bench.migrate_kills [--moments 300] [--first 0] [--minutes 60] [--write] [--again]
        [--verbs undo] [--disturbances kill]

--write puts each moment into bench/results/migrate-kills.json as it ends; those that are there without a
problem are left out, unless --again is given: it can be stopped and run again.
"""

import argparse
import datetime as dt
import fcntl
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tests.migrate.disturbed import Event
from tests.migrate.kills import Killed, Moment, benches
from tests.migrate.moments import carried_out

RESULTS = Path(__file__).parent / "results" / "migrate-kills.json"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--moments", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--verbs", nargs="*", help="Only these.")
    parser.add_argument("--disturbances", nargs="*", help="Only these.")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=600.0, help="Begin no moment after that.")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--again", action="store_true", help="Also those that were measured before.")
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    known = {one["seed"] for one in before()} if not given.again else set()
    seeds = [
        seed
        for seed in range(given.first, given.first + given.moments)
        if seed not in known
        and (not given.verbs or Event.of(seed).verb in given.verbs)
        and (not given.disturbances or Event.of(seed).what in given.disturbances)
    ]
    with ProcessPoolExecutor(given.jobs) as pool:
        parts = [seeds[at :: given.jobs] for at in range(given.jobs)]
        failed = list(pool.map(some, parts, [until] * given.jobs, [given.write] * given.jobs))
    sys.exit(1 if any(failed) else 0)


def some(seeds: Sequence[int], until: float, write: bool) -> int:
    """One after the other, in labs of their own; none is begun after ``until``, on the monotonic clock.

    Returns how many had a problem.
    """
    failed = 0
    with benches() as bench:
        for seed in seeds:
            if time.monotonic() > until:
                break
            event = Event.of(seed)
            began = time.monotonic()
            try:
                killed = carried_out(bench(event.version, event.driver), event)
            except Exception as why:  # noqa: BLE001 - to be counted, and the rest to be done
                moment = Moment(seed, event.version, event.driver, event.verb, event.what, event.share)
                killed = Killed(moment, problems=[f"{type(why).__name__}: {why}"])
            took = round(time.monotonic() - began, 1)
            print(seed, event, took, killed.old, killed.new, killed.problems, flush=True)
            failed += bool(killed.problems)
            if write:
                kept(killed, took)
    return failed


def before() -> list[dict[str, Any]]:
    """What is in the results."""
    found: list[dict[str, Any]] = json.loads(RESULTS.read_text())["each"] if RESULTS.exists() else []
    return [one for one in found if not one.get("problems")]


def kept(killed: Killed, took: float) -> None:
    """Into the results, in place of the last one of this number; the two jobs take turns."""
    moment = killed.moment
    one = {
        "seed": moment.seed,
        "dovecot": moment.version,
        "store": moment.driver,
        "by": moment.victim,
        "during": moment.activity,
        "old": killed.old,
        "new": killed.new,
        "seconds": took,
        "date": _today(),
    }
    if killed.problems:
        one["problems"] = killed.problems
    with RESULTS.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        each = [it for it in (json.loads(text)["each"] if text else []) if it["seed"] != moment.seed]
        each = sorted([*each, one], key=lambda it: int(it["seed"]))
        file.truncate(0)
        file.write(json.dumps(summary(each), indent=2) + "\n")


def _today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


def summary(each: list[dict[str, Any]]) -> dict[str, object]:
    return {
        "date": _today(),
        "host": {
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "load": round(os.getloadavg()[0], 2),
        },
        "moments": len(each),
        "disturbed": dict(sorted(Counter(f"{one['by']} during {one['during']}" for one in each).items())),
        "on": dict(sorted(Counter(f"{one['dovecot']} {one['store']}" for one in each).items())),
        "with some rows old and some new": sum(bool(one["old"] and one["new"]) for one in each),
        "problems": [{"seed": one["seed"], "what": one["problems"]} for one in each if one.get("problems")],
        "each": each,
    }


if __name__ == "__main__":
    main()
