"""How long ``audit`` of a directory's entries takes, against one paged ldapsearch of the same entries.

    nice -n -15 python -m bench.directory_audit [--entries 1 5000 20000 80000] [--rounds 7] [--write]

A real slapd below a lab's Dovecot; both ask with the same name, base, filter, attributes and page of 500.
Whole commands, paired: each round has both, one after the other.  ``times``: the median of the rounds'
quotients; ``seconds of CPU``: of the command itself, without slapd's; ``MiB``: the largest of its processes.
One entry shows what is the start: Python, mailauth, doveconf, a child.  ``each entry``: what 20,000 take more
than 1, least of the rounds, which other work on the machine changes least.
bench/results/directory-audit.json
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from mailauth.lab.slapd import PEOPLE, READER, find
from mailauth.lab.stores.ldap import LdapStore

RESULT = Path(__file__).parent / "results" / "directory-audit.json"
MAILAUTH = str(Path(sys.executable).with_name("mailauth"))
BOUND = 1.5  # with as many entries as issue 16 has
_ASKED = 20_000
_PAGE = 500


def entries(count: int) -> dict[str, str | None]:
    """Four schemes, and one in a thousand without a password."""
    word = Password(b"nobody's word")
    kinds = [generate(name, word) for name in ("SSHA", "SHA512-CRYPT", "SSHA512")]
    kinds.append(generate("BLF-CRYPT", word, cost=4))
    return {f"user{n:05}": None if n % 1000 == 999 else kinds[n % 4] for n in range(count)}


@dataclass(frozen=True, slots=True)
class Ran:
    """One command: seconds, seconds of CPU with its children, and its largest process in MiB."""

    took: float
    cpu: float
    mib: float


# A command starts with the peak of who starts it: this one is small.
_STARTER = """
import json, os, sys, time
began = time.monotonic()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(pid, 0)
took = time.monotonic() - began
told = [os.waitstatus_to_exitcode(status), took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]
sys.stderr.write("\\n" + json.dumps(told))
"""


def ran(words: Sequence[str], folder: Path) -> Ran:
    """Raises RuntimeError where it fails: 1 is "broken rows" of mailauth's."""
    with tempfile.TemporaryFile(dir=folder) as out:
        argv = [sys.executable, "-I", "-S", "-c", _STARTER, *words]
        done = subprocess.run(argv, stdout=out, stderr=subprocess.PIPE, text=True, check=True)
    said, _, told = done.stderr.rpartition("\n")
    status, took, cpu, mib = json.loads(told)
    if status not in (0, 1):
        raise RuntimeError(said)
    return Ran(took, cpu, mib)


def measured(version: str | None, count: int, rounds: int) -> dict[str, Any]:
    with Lab(version, "ldap", entries(count), "auth_failure_delay = 0\n") as lab:
        assert isinstance(lab.store, LdapStore)
        server = lab.store.server
        server.stop()
        server.configure("sizelimit unlimited\n")
        server.start()
        lab.restart()
        word = lab.folder / "word"
        word.touch(mode=0o600)
        word.write_text(server.password)
        asked = ["-x", "-LLL", "-H", f"ldap://127.0.0.1:{server.port}", "-D", READER, "-y", str(word)]
        asked += ["-b", PEOPLE, "-E", f"pr={_PAGE}/noprompt"]
        search = [
            find("ldapsearch", "ldap-utils"),
            *asked,
            "(objectClass=inetOrgPerson)",
            "uid",
            "userPassword",
        ]
        audit = [MAILAUTH, "audit", "--pid", str(lab.master_pid)]
        for words in (search, audit):
            ran(words, lab.folder)  # into the page cache
        each = [(ran(search, lab.folder), ran(audit, lab.folder)) for _ in range(rounds)]
    dovecot = str(lab.build.version)
    return {"dovecot": dovecot, "entries": count, "rounds": rounds, **summary(each)}


def summary(each: Sequence[tuple[Ran, Ran]]) -> dict[str, Any]:
    times = [audit.took / search.took for search, audit in each]
    found: dict[str, Any] = {
        "times": round(statistics.median(times), 2),
        "times, each": [round(one, 2) for one in times],
    }
    for number, name in enumerate(("ldapsearch", "audit")):
        runs = [one[number] for one in each]
        found |= {
            f"{name}, seconds": round(statistics.median(one.took for one in runs), 3),
            f"{name}, least seconds": round(min(one.took for one in runs), 3),
            f"{name}, seconds of CPU": round(statistics.median(one.cpu for one in runs), 3),
            f"{name}, least seconds of CPU": round(min(one.cpu for one in runs), 3),
            f"{name}, MiB": round(max(one.mib for one in runs), 1),
        }
    return found


def each_entry(sizes: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Microseconds that an entry takes more, from the smallest size to the largest."""
    if len(sizes) < 2:
        return {}
    few, many = sizes[0], sizes[-1]
    more = many["entries"] - few["entries"]
    return {name: round((many[name] - few[name]) / more * 1e6, 2) for name in few if "least seconds" in name}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dovecot", help="Its version.  [the machine's own]")
    parser.add_argument("--entries", type=int, nargs="+", default=[1, 5_000, 20_000, 80_000])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    sizes = [measured(given.dovecot, count, given.rounds) for count in sorted(given.entries)]
    found = {
        "sizes": sizes,
        "each entry, microseconds": each_entry(sizes),
        "bound": BOUND,
        "date": datetime.now(UTC).date().isoformat(),
        "host": {
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "load": round(os.getloadavg()[0], 2),
        },
    }
    print(json.dumps(found, indent=2))
    if given.write:
        RESULT.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(any(one["times"] > BOUND for one in sizes if one["entries"] == _ASKED))


if __name__ == "__main__":
    main()
