"""How long ``audit`` of a directory's 20,000 entries takes, against one paged ldapsearch of the same entries.

    nice -n 10 python -m bench.directory_audit [--entries 20000] [--rounds 5] [--write]

A real slapd below a lab's Dovecot; both ask with the same name, base, filter, attributes and page of 500.
Whole commands, paired: each round has both, one after the other.  ``times``: the median of the rounds'
quotients; ``seconds of CPU``: of the command itself, without slapd's.  bench/results/directory-audit.json
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from mailauth.lab.slapd import PEOPLE, READER, find
from mailauth.lab.stores.ldap import LdapStore

RESULT = Path(__file__).parent / "results" / "directory-audit.json"
MAILAUTH = str(Path(sys.executable).with_name("mailauth"))
BOUND = 1.5
_PAGE = 500


def entries(count: int) -> dict[str, str | None]:
    """Four schemes, and one in a thousand without a password."""
    word = Password(b"nobody's word")
    kinds = [generate(name, word) for name in ("SSHA", "SHA512-CRYPT", "SSHA512")]
    kinds.append(generate("BLF-CRYPT", word, cost=4))
    return {f"user{n:05}": None if n % 1000 == 999 else kinds[n % 4] for n in range(count)}


def ran(words: Sequence[str], folder: Path) -> tuple[float, float, int]:
    """Seconds, seconds of CPU with children, and lines of output.

    Raises RuntimeError where it fails: 1 is "broken rows" of mailauth's.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with tempfile.TemporaryFile(dir=folder) as out:
        done = subprocess.run(words, stdout=out, stderr=subprocess.PIPE, check=False)
        took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        out.seek(0)
        lines = sum(1 for _ in out)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr.decode(errors="replace"))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took, cpu, lines


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


def summary(each: Sequence[tuple[tuple[float, float, int], tuple[float, float, int]]]) -> dict[str, Any]:
    times = [audit[0] / search[0] for search, audit in each]
    middle = statistics.median
    return {
        "ldapsearch, seconds": round(middle(search[0] for search, _ in each), 3),
        "audit, seconds": round(middle(audit[0] for _, audit in each), 3),
        "times": round(middle(times), 2),
        "times, each": [round(one, 2) for one in times],
        "ldapsearch, seconds of CPU": round(middle(search[1] for search, _ in each), 3),
        "audit, seconds of CPU": round(middle(audit[1] for _, audit in each), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dovecot", help="Its version.  [the machine's own]")
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    found = measured(given.dovecot, given.entries, given.rounds)
    found |= {
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
    sys.exit(found["times"] > BOUND)


if __name__ == "__main__":
    main()
