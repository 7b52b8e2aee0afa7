"""How many logins a second does ``mailauth load`` make at the auth socket, beside other ways to make them?

A lab with PLAIN passwords.  In turn, so that other work on the machine moves all: the best raw client
(bench/load_raw.py, closed loop, several windows); ``load --max``; ``load --rate``, at 4,000 a second; and a
loop that spawns ``doveadm auth test``.

    python -m bench.load_speed --write      to bench/results/load-speed.json
"""

import argparse
import json
import statistics
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.load_raw import closed
from bench.threshold import about
from mailauth.hashes import Password
from mailauth.lab import Lab
from mailauth.load.authpool import AuthPool
from mailauth.load.plan import LoadPlan
from mailauth.load.pool import Bounds
from mailauth.load.result import LoadResult
from mailauth.load.run import About, load
from mailauth.load.users import Account, Mix
from mailauth.load.watch import Watcher

RESULTS = Path(__file__).parent / "results" / "load-speed.json"
WINDOWS = (64, 256)
ROUNDS = 3
SECONDS = 2.0
WANTED = 4000.0
SPAWNS = 40


@dataclass(frozen=True, slots=True)
class Round:
    """Logins a second of each way; ``steady``: answered of WANTED, its p99 (seconds) and what went wrong."""

    raw: float
    most: float
    steady: float
    steady_p99: float
    steady_bad: int
    doveadm: float


def loaded(lab: Lab, mix: Mix, rate: float | None, in_flight: int, seconds: float) -> LoadResult:
    plan = LoadPlan(rate, rate, seconds, 0.5, 0.0, connections=4, in_flight=in_flight, timeout=30.0)
    return load(
        plan,
        About("auth socket", "a lab"),
        lambda: AuthPool(lab.auth_socket, mix, Bounds(plan.in_flight, plan.timeout), plan.connections),
        mix,
        Watcher(lab.master_pid, lab.folder / "log"),
    )


def spawned(lab: Lab) -> float:
    """``doveadm auth test`` in a loop, its password on standard input."""
    argv = lab.argv("doveadm", "auth", "test", "u1")
    began = time.perf_counter()
    for _ in range(SPAWNS):
        done = subprocess.run(argv, input=b"secret 1\n", capture_output=True, check=False, env={})
        assert done.returncode == 0, done
    return SPAWNS / (time.perf_counter() - began)


def one_round(lab: Lab, mix: Mix) -> Round:
    raw = max(closed(lab.auth_socket, "u1", b"secret 1", window, SECONDS) for window in WINDOWS)
    most = max(loaded(lab, mix, None, window, SECONDS).answered for window in WINDOWS)
    steady = loaded(lab, mix, WANTED, 1000, 2 * SECONDS)
    return Round(
        round(raw, 1),
        most,
        steady.answered,
        steady.latency.p99,
        steady.counts.bad,
        round(spawned(lab), 1),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--versions", nargs="+", default=["2.3.19.1", "2.4.1"])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    accounts = tuple(Account(f"u{n}", Password.of(f"secret {n}")) for n in range(1, 21))
    stored: dict[str, str | None] = {one.user: f"{{PLAIN}}{one.password.raw.decode()}" for one in accounts}
    runs = []
    for version in given.versions:
        with Lab(version, "passwd-file", stored) as lab:
            rounds = [one_round(lab, Mix(accounts, 0.0)) for _ in range(ROUNDS)]
        median = {name: statistics.median(getattr(one, name) for one in rounds) for name in Round.__slots__}
        runs.append(
            {
                "dovecot": version,
                "median": median,
                "of_raw": round(median["most"] / median["raw"], 3),
                "of_doveadm": round(median["most"] / median["doveadm"], 1),
                "rounds": [asdict(one) for one in rounds],
            }
        )
        print(json.dumps({**runs[-1], "rounds": len(rounds)}, indent=1), flush=True)
    if given.write:
        new = RESULTS.with_suffix(".new")
        new.write_text(json.dumps({"about": about(), "runs": runs}, indent=1) + "\n")
        new.replace(RESULTS)


if __name__ == "__main__":
    main()
