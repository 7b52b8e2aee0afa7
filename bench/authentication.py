"""How fast do Dovecots authenticate?  Versions, stores and schemes, with and without huge pages.

    nice -n -15 python -m bench.authentication [--dovecot 2.3.19.1 2.4.1] [--pages] [--turns 3]
    python -m bench.authentication --page       docs/benchmark.md, of what is measured

Each turn is a lab of its own with 20 users: four logins at once at the auth socket, as fast as answers come
(``mailauth load --max``).  A cell that is in bench/results/authentication.jsonl is not measured again: stop
it whenever you like, and begin again with the same words; ``--minutes``: none is begun after these.
``--pages``: those that take memory a second time, with the kernel's setting of transparent huge pages at
"always", which is put back.
"""

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import psutil

from bench.huge_pages import together
from mailauth.errors import CannotObserve, UsageError
from mailauth.hashes import Password, generate
from mailauth.lab import STORES, Lab
from mailauth.load.authpool import AuthPool
from mailauth.load.plan import LoadPlan
from mailauth.load.pool import Bounds
from mailauth.load.run import About, load
from mailauth.load.users import Account, Mix
from mailauth.load.watch import Watcher
from mailauth.memory.huge_pages import huge_pages, switching

RESULTS = Path(__file__).parent / "results" / "authentication.jsonl"
PAGE = Path(__file__).parent.parent / "docs" / "benchmark.md"
VERSIONS = ("2.3.13", "2.3.19.1", "2.3.21.1", "2.4.1", "testing")
SCHEMES: dict[str, tuple[str, dict[str, Any]]] = {
    "PLAIN": ("PLAIN", {}),
    "SSHA512": ("SSHA512", {}),
    "SHA512-CRYPT, 5,000 rounds": ("SHA512-CRYPT", {"rounds": 5000}),
    "BLF-CRYPT, cost 8": ("BLF-CRYPT", {"cost": 8}),
    "ARGON2ID, 19 MiB, t=2": ("ARGON2ID", {"memory": 19456, "time": 2, "lanes": 1}),
    "ARGON2ID, 64 MiB, t=3": ("ARGON2ID", {"memory": 65536, "time": 3, "lanes": 1}),
}
USERS, AT_ONCE = 20, 4
MiB = 1024 * 1024
COLUMNS = ("logins/s", "p50, ms", "p95, ms", "p99, ms", "CPU a login, ms", "memory, MiB")


def cells(given: argparse.Namespace) -> Iterator[tuple[str, str, str, str]]:
    """Dovecot, store, scheme, and "always" or the setting that there is."""
    was = huge_pages().setting
    for version, store, scheme in product(given.dovecot, given.store, given.scheme):
        yield version, store, scheme, was
        if given.pages and was != "always" and scheme.startswith("ARGON2"):
            yield version, store, scheme, "always"


def cpu(master: psutil.Process) -> float:
    """Seconds of all of that Dovecot's processes, those that have ended, too."""
    own = master.cpu_times()
    found = own.user + own.system + own.children_user + own.children_system
    for one in master.children(recursive=True):
        times = one.cpu_times()
        found += times.user + times.system
    return float(found)


def turn(
    version: str, store: str, stored: str, around: AbstractContextManager[None], seconds: float
) -> list[float]:
    """One lab's figures, as COLUMNS has them."""
    password = Password.of("secret 1")
    accounts = tuple(Account(f"u{number}", password) for number in range(1, USERS + 1))
    mix = Mix(accounts, 0.0)
    plan = LoadPlan(None, None, seconds, 0.0, 0.0, connections=AT_ONCE, in_flight=AT_ONCE, timeout=60.0)
    with around, Lab(version, store, dict.fromkeys((one.user for one in accounts), stored)) as lab:
        assert lab.login("u1", password.raw).ok
        master = psutil.Process(lab.master_pid)
        before = cpu(master)
        found = load(
            plan,
            About("auth socket", "a lab"),
            lambda: AuthPool(lab.auth_socket, mix, Bounds(plan.in_flight, plan.timeout), plan.connections),
            mix,
            Watcher(lab.master_pid, lab.folder / "log"),
        )
        assert not found.counts.bad, found.counts
        late, spent = found.latency, cpu(master) - before
        took = [1000 * one for one in (late.p50, late.p95, late.p99, spent / late.count)]
        return [found.answered, *took, together(lab)]


def measured(cell: tuple[str, str, str, str], turns: int, seconds: float) -> dict[str, Any]:
    version, store, scheme, setting = cell
    name, options = SCHEMES[scheme]
    stored = generate(name, Password.of("secret 1"), **options)
    pages = huge_pages()
    with ExitStack() as stack:
        switch = stack.enter_context(switching(pages)) if setting != pages.setting else nullcontext
        found = [turn(version, store, stored, switch(), seconds) for _ in range(turns)]
    figures = {
        column: {
            "median": round(statistics.median(each), 2),
            "min": round(min(each), 2),
            "max": round(max(each), 2),
        }
        for column, each in zip(COLUMNS, zip(*found, strict=True), strict=True)
    }
    return {
        "cell": list(cell),
        "turns": turns,
        "seconds": seconds,
        **figures,
        "load": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def read() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def page(found: list[dict[str, Any]]) -> str:
    lines = [
        f"| Dovecot | store | scheme | huge pages | {' | '.join(COLUMNS)} | load |",
        "|---|---|---|---|" + "---:|" * (len(COLUMNS) + 1),
    ]
    for one in sorted(found, key=lambda one: one["cell"]):
        shown = [_spread(one[column]) for column in COLUMNS]
        lines.append(f"| {' | '.join([*one['cell'], *shown, str(one['load'])])} |")
    text = PAGE.read_text()
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}\n\n" + "\n".join(lines) + f"\n\n{_END}{rest.partition(_END)[2]}"


_BEGIN, _END = "<!-- measured -->", "<!-- end -->"


def _spread(figure: dict[str, float]) -> str:
    digits = 0 if figure["median"] >= 100 else 1 if figure["median"] >= 10 else 2
    return f"{figure['median']:,.{digits}f} ({figure['min']:,.{digits}f} to {figure['max']:,.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dovecot", nargs="+", default=VERSIONS)
    parser.add_argument("--store", nargs="+", default=[*STORES, "ldap"])
    parser.add_argument("--scheme", nargs="+", default=list(SCHEMES), choices=SCHEMES)
    parser.add_argument("--pages", action="store_true")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--page", action="store_true")
    given = parser.parse_args()
    if given.page:
        PAGE.write_text(page(read()))
        return
    known = [tuple(one["cell"]) for one in read()]
    until = time.monotonic() + 60 * given.minutes
    for cell in cells(given):
        if cell in known:
            continue
        if time.monotonic() > until:
            break
        try:
            found = measured(cell, given.turns, given.seconds)
        except (CannotObserve, UsageError) as why:  # this Dovecot has no such store, or it is not installed
            print(f"{cell}: not measured: {why}", flush=True)
            continue
        with RESULTS.open("a") as file:
            file.write(json.dumps(found) + "\n")
        print(cell, flush=True)


if __name__ == "__main__":
    main()
