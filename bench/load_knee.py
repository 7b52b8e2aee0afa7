"""Is the knee that ``load --find-knee`` finds where a person finds it, and is it there again?

A lab with Argon2.  Three searches, and between them one by hand: a raw client (bench/load_raw.py) at fixed
rates, bisected until two are within 4 %.  Also: how much CPU time the generator took at the knee.

The CPU of a shared machine is now faster and now slower, and the knee with it.  So there is ``--sleep``: a
MariaDB whose answer takes 50 ms, whatever the CPU does, and four workers: the truth is 80 a second.

    python -m bench.load_knee --write      to bench/results/load-knee.json
"""

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

from bench.load_raw import paced
from bench.threshold import about
from mailauth.dovecot.version import Version
from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from mailauth.lab.stores.sql import QUERY
from mailauth.load.authpool import AuthPool
from mailauth.load.plan import LoadPlan, Search, Span
from mailauth.load.pool import Bounds
from mailauth.load.result import Knee
from mailauth.load.run import About, load
from mailauth.load.users import Account, Mix
from mailauth.load.watch import Watcher

RESULTS = Path(__file__).parent / "results" / "load-knee.json"
LIMIT = 0.2
STEP = 3.0
BY_HAND = 5.0
RUNS = 3
M, T = 19456, 2
ASLEEP, WORKERS = 0.05, 4


def searched(lab: Lab, mix: Mix) -> Knee:
    plan = LoadPlan(None, None, 1.0, 1.0, 0.0, 4, 1000, 30.0, search=Search(LIMIT, Span(STEP)))
    result = load(
        plan,
        About("auth socket", "a lab"),
        lambda: AuthPool(lab.auth_socket, mix, Bounds(plan.in_flight, plan.timeout), plan.connections),
        mix,
        Watcher(lab.master_pid, lab.folder / "log"),
    )
    assert result.knee
    return result.knee


def by_hand(lab: Lab, low: float, high: float) -> float:
    """The highest rate that holds: bisected between two rates of which nothing is known."""
    tried: list[tuple[float, bool]] = []
    while high / low > 1.04:
        rate = math.sqrt(low * high)
        seen = paced(lab.auth_socket, "u1", b"secret 1", rate, BY_HAND)
        tried.append((rate, seen.p95 <= LIMIT and not seen.failed))
        low, high = (rate, high) if tried[-1][1] else (low, rate)
        time.sleep(0.2)
    return low


def lab_for(version: str, driver: str, accounts: tuple[Account, ...], sleep: bool) -> Lab:
    if not sleep:
        hashed: dict[str, str | None] = {
            one.user: generate("ARGON2ID", one.password, memory=M, time=T, lanes=1) for one in accounts
        }
        return Lab(version, driver, hashed)
    plain: dict[str, str | None] = {one.user: f"{{PLAIN}}{one.password.raw.decode()}" for one in accounts}
    dialect = Version.parse(version).dialect
    query = QUERY[dialect].replace(" FROM ", f", SLEEP({ASLEEP}) AS slept FROM ")
    limit = {
        "2.3": f"auth_worker_max_count = {WORKERS}\n",
        "2.4": f"service auth-worker {{\n  process_limit = {WORKERS}\n}}\n",
    }
    return Lab(version, "mysql", plain, limit[dialect], query=query)


def measured(version: str, driver: str, sleep: bool) -> dict[str, Any]:
    accounts = tuple(Account(f"u{n}", Password.of(f"secret {n}")) for n in range(1, 6))
    with lab_for(version, driver, accounts, sleep) as lab:
        mix = Mix(accounts, 0.0)
        knees = [searched(lab, mix) for _ in range(RUNS - 1)]
        hand = by_hand(lab, 5.0, 160.0)
        knees.append(searched(lab, mix))
    rates = [knee.rate for knee in knees]
    median = statistics.median(rates)
    return {
        "dovecot": version,
        "driver": driver,
        "takes": f"{ASLEEP * 1000:g} ms asleep, {WORKERS} workers" if sleep else f"ARGON2ID m={M} t={T}",
        "p95_limit": LIMIT,
        "knees": [round(rate, 2) for rate in rates],
        "spread": round((max(rates) - min(rates)) / median, 3),
        "by_hand": round(hand, 2),
        "off": round(median / hand - 1, 3),
        "generator_share_of_a_core": [round(knee.generator, 3) for knee in knees],
        "steps": [len(knee.steps) for knee in knees],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--version", default="2.3.19.1", help="added to what is in the file")
    parser.add_argument("--driver", default="passwd-file")
    parser.add_argument("--sleep", action="store_true", help="a database that takes its time")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    run = measured(given.version, "mysql" if given.sleep else given.driver, given.sleep)
    print(json.dumps(run, indent=1))
    if given.write:
        old = json.loads(RESULTS.read_text())["runs"] if RESULTS.exists() else []
        key = ("dovecot", "driver", "takes")
        kept = [one for one in old if any(one.get(name) != run[name] for name in key)]
        new = RESULTS.with_suffix(".new")
        new.write_text(json.dumps({"about": about(), "runs": [*kept, run]}, indent=1) + "\n")
        new.replace(RESULTS)


if __name__ == "__main__":
    main()
