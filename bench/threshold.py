"""The real smallest vsz_limit of a Dovecot, bisected in a lab, against what mailauth predicts.

For each (version, driver, m, p) two numbers, exact to the page: the smallest limit with which the first
login of a new process works, and the smallest with which LOGINS in a row work.  Each step starts that
Dovecot anew with another limit.  Takes no times, so a busy machine does no harm; interrupt it as you like:
what is done is kept, and the next run goes on from there.

    python bench/threshold.py                 measure what is missing; prints one line a cell
    python bench/threshold.py --table         the table of docs/memory.md, from the results
"""

import argparse
import datetime as dt
import json
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mailauth import hashes
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.hashes import Password
from mailauth.lab import STORES, Lab, MariaDB, Postgres
from mailauth.lab.databases import Server
from mailauth.memory.footprint import Footprint, argon2
from mailauth.probes.process import observe_verifiers

RESULTS = Path(__file__).parent / "results" / "threshold.json"
VERSIONS = ("2.3.19.1", "2.4.1")
MEMORIES = (19456, 47104, 65536, 262144, 1048576)
LANES = (1, 2, 4)
LOGINS = 5  # in a row, that is "sustained"
PAGE = 4096
KIB = 1024
PASSWORD = Password.of("correct horse")


@dataclass(frozen=True, slots=True)
class Cell:
    """One bisection; all sizes in bytes.  ``size`` is what mailauth reads of the idle process."""

    dovecot: str
    driver: str
    service: str
    m: int
    p: int
    size: int
    first: int
    sustained: int
    steps: int

    @property
    def key(self) -> tuple[str, str, int, int]:
        return self.dovecot, self.driver, self.m, self.p

    @property
    def first_error(self) -> int:
        """Predicted less real."""
        return self.size + argon2(self.m, self.p).first - self.first

    @property
    def sustained_excess(self) -> int:
        """Predicted less real: never below 0 is safe."""
        return self.size + argon2(self.m, self.p).always - self.sustained


class Bench:
    """One lab, with one user for each hash."""

    def __init__(self, lab: Lab, service: str) -> None:
        self._lab, self._service = lab, service
        self.steps = 0

    def works(self, user: str, limit: int, logins: int) -> bool:
        """Whether ``logins`` logins in a row work in a Dovecot started with this limit."""
        self.steps += 1
        self._lab.configure(f"service {self._service} {{\n  vsz_limit = {limit} B\n}}\n")
        self._lab.restart()
        return all(self._lab.login(user, PASSWORD.raw).ok for _ in range(logins))


def smallest(works: Callable[[int], bool], guess: int, stride: int) -> int:
    """The smallest size, to the page, that works; found from a guess that is nearly right."""
    if works(guess):
        high, low = guess, guess - stride
        while works(low):
            high, low, stride = low, low - 2 * stride, 2 * stride
    else:
        low, high = guess, guess + stride
        while not works(high):
            low, high, stride = high, high + 2 * stride, 2 * stride
    while high - low > PAGE:
        middle = (low + high) // 2 // PAGE * PAGE
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def measure(bench: Bench, user: str, takes: Footprint, size: int) -> tuple[int, int]:
    """The limits for the first login and for sustained ones."""
    first = smallest(lambda limit: bench.works(user, limit, 1), size + takes.first, PAGE)
    if bench.works(user, first, LOGINS):
        return first, first
    return first, smallest(lambda limit: bench.works(user, limit, LOGINS), first, 16 * PAGE)


def user_of(m: int, p: int) -> str:
    return f"m{m}p{p}"


def observed(lab: Lab) -> tuple[str, int]:
    """The service that verifies, and the size of its idle process, as ``mailauth memory fit`` reads them."""
    lab.configure("")
    lab.restart()
    assert lab.login("plain", PASSWORD.raw).ok
    dovecot = at_pid(lab.master_pid, None)
    config = read_config(dovecot)
    seen = observe_verifiers(dovecot, config, config.passdbs[0], "plain").miss
    return seen.service, seen.size


def load(path: Path) -> list[Cell]:
    if not path.exists():
        return []
    return [Cell(**cell) for cell in json.loads(path.read_text())["cells"]]


def save(path: Path, cells: list[Cell], about: dict[str, Any]) -> None:
    """All or nothing: a reader never sees half a file."""
    new = path.with_suffix(".new")
    rows = ",\n  ".join(json.dumps(asdict(cell)) for cell in cells)
    new.write_text(f'{{"about": {json.dumps(about)},\n "cells": [\n  {rows}\n]}}\n')
    new.replace(path)


def about() -> dict[str, Any]:
    """The circumstances; nothing that names the machine."""
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "",
    )
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "kernel": platform.release(),
        "cpu": cpu,
        "logins_in_a_row": LOGINS,
        "t": 1,
        "unit": "bytes",
    }


def run(path: Path, wanted: list[tuple[str, str, int, int]]) -> None:
    cells = load(path)
    done = {cell.key for cell in cells}
    missing = [key for key in wanted if key not in done]
    stored = {
        user_of(m, p): hashes.generate("ARGON2ID", PASSWORD, memory=m, time=1, lanes=p)
        for m, p in sorted({(m, p) for _, _, m, p in missing})
    }
    users = {"plain": "{PLAIN}correct horse", **stored}
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for version, driver in dict.fromkeys((version, driver) for version, driver, _, _ in missing):
            if driver in ("mysql", "pgsql") and driver not in servers:
                server = MariaDB() if driver == "mysql" else Postgres()
                servers[driver] = stack.enter_context(server)
            with Lab(version, driver, users, database=servers.get(driver)) as lab:
                for cell in measured(lab, version, driver, missing):
                    cells.append(cell)
                    save(path, cells, about())
                    print(line(cell), flush=True)


def measured(lab: Lab, version: str, driver: str, missing: list[tuple[str, str, int, int]]) -> Iterator[Cell]:
    service, size = observed(lab)
    for m, p in [(m, p) for v, d, m, p in missing if (v, d) == (version, driver)]:
        bench = Bench(lab, service)
        first, sustained = measure(bench, user_of(m, p), argon2(m, p), size)
        yield Cell(version, driver, service, m, p, size, first, sustained, bench.steps)


def line(cell: Cell) -> str:
    return (
        f"{cell.dovecot:<9} {cell.driver:<12} m={cell.m:<8} p={cell.p}  first {cell.first}"
        f" ({cell.first_error // KIB:+d} KiB)  sustained {cell.sustained}"
        f" ({cell.sustained_excess // KIB:+d} KiB)  {cell.steps} starts"
    )


def table(cells: list[Cell]) -> str:
    """Markdown; what is over or under is in KiB."""
    head = (
        "| Dovecot | driver | verifies | m KiB | p | idle KiB | first login, bytes"
        " | predicted is over by, KiB | sustained, bytes | predicted is over by, KiB |\n"
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|"
    )
    rows = [
        f"| {c.dovecot} | {c.driver} | {c.service} | {c.m} | {c.p} | {c.size // KIB} | {c.first}"
        f" | {c.first_error // KIB} | {c.sustained} | {c.sustained_excess // KIB} |"
        for c in sorted(cells, key=lambda c: c.key)
    ]
    return "\n".join([head, *rows])


def summary(cells: list[Cell]) -> str:
    """The acceptance in one line."""
    excess = [cell.sustained_excess for cell in cells]
    exact = sum(abs(cell.first_error) <= PAGE for cell in cells)
    return (
        f"{len(cells)} cells. First login exact to 4 KiB in {exact} ({100 * exact / len(cells):.0f} %)."
        f" Sustained: predicted less real from {min(excess) // KIB} to {max(excess) // KIB} KiB."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--versions", nargs="+", default=VERSIONS)
    parser.add_argument("--drivers", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--m", nargs="+", type=int, default=MEMORIES)
    parser.add_argument("--p", nargs="+", type=int, default=LANES)
    given = parser.parse_args()
    if given.table:
        cells = load(given.results)
        print(table(cells))
        print("\n" + summary(cells), file=sys.stderr)
        return
    run(
        given.results,
        [(v, d, m, p) for v in given.versions for d in given.drivers for m in given.m for p in given.p],
    )
    print(summary(load(given.results)))


if __name__ == "__main__":
    main()
