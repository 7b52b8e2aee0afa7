"""Bulk ARGON2ID: all cores of this machine, and a Dask cluster on them, beside one process alone.

In one run: the rate of one process, of ``Local``, and of ``Dask`` with one worker a core; repeated, since
other work on the machine moves all three.  What counts is the median of rate / (cores x single rate).

    python -m bench.migrate_bulk [--rounds 5] [--write]

--write puts it into bench/results/migrate-bulk.json.
"""

import argparse
import datetime as dt
import json
import os
import statistics
import time
from pathlib import Path

from mailauth.hashes import batch
from mailauth.hashes.argon2 import footprint
from mailauth.hashes.making import profile
from mailauth.migrate.goal import Goal
from mailauth.migrate.hashing import Dask, Hashers, Local, hash_some
from tests.migrate.test_cluster import cluster, passwords

RESULTS = Path(__file__).parent / "results" / "migrate-bulk.json"
GOAL = Goal("ARGON2ID", tuple(profile("owasp").items()))
MEMORY = footprint(int(dict(GOAL.options)["memory"]), 1).total
BOUNDS = {"Local": 0.9, "Dask": 0.85}
ALONE, TOGETHER = 100, 1024


def rate(hashers: Hashers) -> float:
    wanted = passwords(TOGETHER)
    began = time.perf_counter()
    assert not [why for _, why in hashers.hashes(wanted) if why]
    return TOGETHER / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    order, cores, rounds = GOAL.order((2, 4, 1), None, 0), batch.cores(), []
    with (
        cluster(cores, 2 * MEMORY) as (address, _),
        Local(order) as local,
        Dask(order, address, MEMORY) as dask,
    ):
        for hashers in (local, dask):
            hashers.hashes(passwords(64))  # everything is started and imported
        for _ in range(given.rounds):
            began = time.perf_counter()
            hash_some(order, passwords(ALONE))
            alone = ALONE / (time.perf_counter() - began)
            one = {"single": alone, "Local": rate(local), "Dask": rate(dask)}
            rounds.append({name: round(value, 1) for name, value in one.items()})
            rounds[-1]["load"] = round(os.getloadavg()[0], 2)
            print(rounds[-1], flush=True)
    found = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "cores": cores,
        "goal": dict(GOAL.options),
        "bounds": BOUNDS,
        "share of cores x single": {
            name: round(statistics.median(one[name] / one["single"] / cores for one in rounds), 3)
            for name in BOUNDS
        },
        "hashes a second": rounds,
    }
    print(json.dumps(found, indent=2))
    if given.write:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
