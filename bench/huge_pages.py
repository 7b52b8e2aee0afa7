"""What do transparent huge pages change for real Dovecots: logins a second, memory, and address space?

For each Dovecot, store and hash two labs are started in turn, one while the kernel's setting is what it is,
one while it is "always", which is put back (mailauth/memory/huge_pages.py).  Logins one after another, and
four at once; the address space of the process that verifies; the memory of all of that Dovecot's processes
(PSS: what processes share is divided among them) before a login and at the end.

    python -m bench.huge_pages --write      to bench/results/huge-pages.json
    python -m bench.huge_pages --table      the table of docs/performance.md
"""

import argparse
import json
import os
import statistics
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import psutil

from bench.load_raw import closed
from bench.threshold import about
from mailauth.dovecot.processes import command
from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from mailauth.memory.huge_pages import huge_pages, switching

RESULTS = Path(__file__).parent / "results" / "huge-pages.json"
PASSWORD = Password.of("secret 1")
HASHES = ((65536, 3), (19456, 2))
STORES = ("passwd-file", "sqlite")
AT_ONCE = 4
MiB = 1024 * 1024


def side(
    version: str, store: str, stored: str, around: AbstractContextManager[None], seconds: float
) -> dict[str, float]:
    """One lab under one setting; sizes in MiB."""
    with around, Lab(version, store, {"u1": stored}) as lab:
        started = together(lab)
        one = closed(lab.auth_socket, "u1", PASSWORD.raw, 1, seconds)
        several = closed(lab.auth_socket, "u1", PASSWORD.raw, AT_ONCE, seconds)
        return {
            "one": one,
            "several": several,
            "pss_started": started,
            "pss_end": together(lab),
            "address_space": max(peak(pid) for pid in children(lab)),
        }


def children(lab: Lab) -> list[int]:
    """The processes that may verify."""
    found = psutil.Process(lab.master_pid).children()
    return [one.pid for one in found if any(b"dovecot/auth" in word for word in command(str(one.pid)))]


def together(lab: Lab) -> float:
    master = psutil.Process(lab.master_pid)
    return sum(one.memory_full_info().pss for one in (master, *master.children(recursive=True))) / MiB


def peak(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmPeak:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measured(version: str, store: str, m: int, t: int, turns: int, seconds: float) -> dict[str, Any]:
    stored = generate("ARGON2ID", PASSWORD, memory=m, time=t, lanes=1)
    pages = huge_pages()
    was: list[dict[str, float]] = []
    always: list[dict[str, float]] = []
    with switching(pages) as switch:
        for _ in range(turns):
            was.append(side(version, store, stored, nullcontext(), seconds))
            always.append(side(version, store, stored, switch(), seconds))

    def medians(turns: list[dict[str, float]]) -> dict[str, float]:
        return {name: round(statistics.median(one[name] for one in turns), 2) for name in turns[0]}

    def ratio(name: str) -> list[float]:
        return [round(two[name] / one[name], 3) for one, two in zip(was, always, strict=True)]

    return {
        "dovecot": version,
        "store": store,
        "hash": f"m={m}, t={t}",
        "setting": pages.setting,
        "was": medians(was),
        "always": medians(always),
        "times_one": ratio("one"),
        "times_several": ratio("several"),
        "load": round(os.getloadavg()[0], 1),
    }


def table(runs: list[dict[str, Any]]) -> str:
    heads = (
        "Dovecot",
        "store",
        "hash",
        "logins/s, one by one",
        "times",
        "logins/s, four at once",
        "times",
        "address space, MiB",
        "all processes, MiB",
    )
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|---:|---:|---:|---:|---:|---:|"]
    for run in runs:
        was, now = run["was"], run["always"]
        cells = [
            run["dovecot"],
            run["store"],
            run["hash"],
            f"{was['one']:.1f} -> {now['one']:.1f}",
            spread(run["times_one"]),
            f"{was['several']:.1f} -> {now['several']:.1f}",
            spread(run["times_several"]),
            f"{was['address_space']:.1f} -> {now['address_space']:.1f}",
            f"{was['pss_end']:.1f} -> {now['pss_end']:.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread(ratios: list[float]) -> str:
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dovecot", nargs="+", default=["2.3.19.1", "2.4.1"])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--table", action="store_true", help="of what is written")
    given = parser.parse_args()
    if given.table:
        print(table(json.loads(RESULTS.read_text())["runs"]))
        return
    runs = []
    for version in given.dovecot:
        for store in STORES:
            for m, t in HASHES:
                runs.append(measured(version, store, m, t, given.turns, given.seconds))
                print(json.dumps(runs[-1]), flush=True)
    if given.write:
        new = RESULTS.with_suffix(".new")
        new.write_text(json.dumps({"about": about(), "runs": runs}, indent=1) + "\n")
        new.replace(RESULTS)


if __name__ == "__main__":
    main()
