"""Is the through-put that ``memory recommend`` predicts what a lab's Dovecot gives?

For each (version, driver, row): predict, load, predict, load ...; the two are paired in one run, since other
work on the machine moves both.  The figure that counts is the median of the pairs' ratios; each pair
waits a while for a quiet moment, and how busy the machine was with other work is beside it.

    python -m bench.capacity_load             written to bench/results/load.json
"""

import argparse
import json
import statistics
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from bench.threshold import about
from mailauth import hashes
from mailauth.hashes import Flaw
from mailauth.lab import STORES, MariaDB, Postgres
from mailauth.lab.databases import Server
from mailauth.lab.prove_memory import lab_for, load
from mailauth.memory.measure import Spread
from mailauth.memory.recommend import AdviceRow, Wish, advise, fitting, logins_per_second
from mailauth.memory.speed import Speed, speed
from mailauth.probes.linked import linked_library

RESULTS = Path(__file__).parent / "results" / "load.json"
VERSIONS = ("2.3.19.1", "2.4.1")
ROWS = ((19456, 2), (65536, 1), (65536, 3))
PAIRS = 3
QUIET, PATIENCE = 25.0, 4  # per cent of other work, and for how many seconds to wait for less
SECONDS = 1.5
CORES = 2
CLIENTS = 8
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Pair:
    """Logins a second: as predicted, and as a lab's clients saw; each of PAIRS runs."""

    dovecot: str
    driver: str
    m: int
    t: int
    predicted: tuple[float, ...]
    seen: tuple[float, ...]
    others: tuple[float, ...]  # per cent of all cores that other work took just before
    failed: int

    @property
    def ratio(self) -> float:
        """Seen over predicted: the median of the pairs."""
        return statistics.median(s / p for s, p in zip(self.seen, self.predicted, strict=True))

    @property
    def quiet(self) -> bool:
        return statistics.median(self.others) < QUIET


def wish_for(driver: str) -> Wish:
    return Wish(driver, 4096 * MIB, CORES, 0.1, 10.0, None, True, 26 * MIB, 30)


def row_of(wish: Wish, m: int, t: int) -> tuple[AdviceRow, dict[str, str]]:
    """The row with these parameters, and the settings for it."""
    quick = {(row.m, row.t): Speed(1, _nothing(), 1e9) for row in fitting(wish) if (row.m, row.t) == (m, t)}
    advice = advise(wish, quick)
    assert advice.chosen is not None
    return advice.chosen, advice.config


def _nothing() -> Spread:
    return Spread(1, 0.0, 0.0, 0.0, 0.0)


def measure_pair(version: str, driver: str, m: int, t: int, database: Server | None) -> Pair:
    """Prediction and load in turn."""
    wish = wish_for(driver)
    row, config = row_of(wish, m, t)
    parsed = hashes.parse(f"{{ARGON2ID}}$argon2id$v=19$m={m},t={t},p=1${'A' * 22}${'A' * 43}")
    assert not isinstance(parsed, Flaw)
    library = linked_library("libsodium")
    predicted, seen, others, failed = [], [], [], 0
    with lab_for(wish, row, config, version, database) as lab:
        load(lab, CLIENTS, 0.0)  # workers start
        for _ in range(PAIRS):
            others.append(quiet_moment())
            took = speed(parsed, wish.parallel, seconds=SECONDS, library=library)
            predicted.append(logins_per_second(wish, took))
            done = load(lab, CLIENTS, SECONDS)
            seen.append(done.per_second)
            failed += done.asked - done.worked
    return Pair(version, driver, m, t, tuple(predicted), tuple(seen), tuple(others), failed)


def quiet_moment() -> float:
    """Wait for one, but not for ever; what other work takes, in per cent."""
    busy = 100.0
    for _ in range(PATIENCE):
        busy = psutil.cpu_percent(interval=1.0)
        if busy < QUIET:
            break
    return busy


def line(pair: Pair) -> str:
    return (
        f"{pair.dovecot:<9} {pair.driver:<12} m={pair.m:<6} t={pair.t}  predicted"
        f" {'/'.join(f'{rate:.1f}' for rate in pair.predicted)}  seen"
        f" {'/'.join(f'{rate:.1f}' for rate in pair.seen)}  ratio {pair.ratio:.2f}  {pair.failed} failed,"
        f" others {statistics.median(pair.others):.0f} %"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    pairs = []
    with ExitStack() as stack:
        servers: dict[str, Server] = {
            "mysql": stack.enter_context(MariaDB()),
            "pgsql": stack.enter_context(Postgres()),
        }
        for version in VERSIONS:
            for driver in STORES:
                for m, t in ROWS:
                    pairs.append(measure_pair(version, driver, m, t, servers.get(driver)))
                    print(line(pairs[-1]), flush=True)
    near = [pair for pair in pairs if 0.75 <= pair.ratio <= 1.25]
    calm = [pair for pair in pairs if pair.quiet]
    counts = {
        "pairs": len(pairs),
        "within_25_percent": len(near),
        "quiet": len(calm),
        "quiet_and_within_25_percent": sum(pair in near for pair in calm),
    }
    text = {
        "about": about() | {"cores": CORES, "clients": CLIENTS, "seconds": SECONDS} | counts,
        "pairs": [asdict(pair) | {"ratio": round(pair.ratio, 3)} for pair in pairs],
    }
    new = given.results.with_suffix(".new")
    new.write_text(json.dumps(text, indent=1) + "\n")
    new.replace(given.results)
    print(", ".join(f"{name}: {count}" for name, count in counts.items()))


if __name__ == "__main__":
    main()
