"""Disturb a migration at 300 random moments, over all stores and verbs, on both Dovecots.

Verbs: apply, undo, resume, import, on-login.  Disturbances: kill -9, a full disk, a network cut, a restart
(of the database, or of Dovecot where there is none), another writer.  100 numbers are each of them with each
store once.  After each: every row is its old or a new string, or what the other writer put there; everyone
can log in; it is gone on with; and the undo gives every old string back, byte for byte.

    nice -n 10 python -m bench.migrate_kills [--moments 300] [--first 0] [--minutes 60] [--write]

--write puts it into bench/results/migrate-kills.json.
"""

import argparse
import datetime as dt
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.migrate.disturbed import Event, carried_out
from tests.migrate.kills import Killed, Moment, benches

RESULTS = Path(__file__).parent / "results" / "migrate-kills.json"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--moments", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=600.0, help="Begin no moment after that.")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    began = time.monotonic()
    seeds = range(given.first, given.first + given.moments)
    with ProcessPoolExecutor(given.jobs) as pool:
        parts = [seeds[at :: given.jobs] for at in range(given.jobs)]
        stripes = list(pool.map(some, parts, [began + 60 * given.minutes] * given.jobs))
    found = sorted((one for stripe in stripes for one in stripe), key=lambda one: one.moment.seed)
    if given.write:
        RESULTS.write_text(json.dumps(summary(found, time.monotonic() - began), indent=2) + "\n")
    sys.exit(1 if any(one.problems for one in found) else 0)


def some(seeds: Sequence[int], until: float) -> list[Killed]:
    """One after the other, in labs of their own; none is begun after ``until``, on the monotonic clock."""
    found = []
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
            found.append(killed)
            took = round(time.monotonic() - began, 1)
            print(seed, event, took, killed.old, killed.new, killed.problems, flush=True)
    return found


def summary(found: list[Killed], seconds: float) -> dict[str, object]:
    kinds = Counter(f"{one.moment.victim} during {one.moment.activity}" for one in found)
    places = Counter(f"{one.moment.version} {one.moment.driver}" for one in found)
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "moments": len(found),
        "seconds": round(seconds),
        "load": round(os.getloadavg()[0], 2),
        "disturbed": dict(sorted(kinds.items())),
        "on": dict(sorted(places.items())),
        "with some rows old and some new": sum(bool(one.old and one.new) for one in found),
        "problems": [{"seed": one.moment.seed, "what": one.problems} for one in found if one.problems],
        "each": [
            {
                "seed": one.moment.seed,
                "dovecot": one.moment.version,
                "store": one.moment.driver,
                "by": one.moment.victim,
                "during": one.moment.activity,
                "old": one.old,
                "new": one.new,
            }
            for one in found
        ],
    }


if __name__ == "__main__":
    main()
