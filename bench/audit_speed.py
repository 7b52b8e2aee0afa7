"""How long ``audit`` of a million rows takes, against a statement of the same question, written by hand.

    nice -n -15 python -m bench.audit_speed [--rows 1000000] [--only sqlite] [--rounds 5] [--write]

The rows of ``bench/scale.py``: 98.8 % sound or old, the rest broken in three ways.  A real Dovecot and a
real database.  audit is the whole command, with its start; the statement counts by scheme and length and
judges nothing, and is asked in a session that is open (of awk it is the whole command).  Paired: each round
has both, one after the other.  ``times``: the median of the rounds' quotients; ``as string by string``: what
audit says is what ``Tally`` makes of each string by itself.
bench/results/audit-speed.json
"""

import argparse
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pymysql

from bench.directory_audit import MAILAUTH, ran
from bench.scale import fill, rows
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.lab import Lab
from mailauth.probes.readers import reader_of
from mailauth.stores.string_counts import Question, Tally

RESULT = Path(__file__).parent / "results" / "audit-speed.json"
DRIVERS = ("passwd-file", "sqlite", "pgsql", "mysql")
BOUND, SECONDS = 2, 2.0
_AWK = (
    '{m = match($2, /^\\{[^}]*\\}/); s = m ? substr($2, 1, RLENGTH) : ""; c[s " " length($2)]++}'
    " END {for (k in c) print c[k], k}"
)
_GROUPED = "SELECT {}, LENGTH(password), COUNT(*), MIN(userid), MAX(userid) FROM users GROUP BY 1, 2"
_SCHEME = {
    "sqlite": "SUBSTR(password, 1, INSTR(password, '}'))",
    "pgsql": "LEFT(password, STRPOS(password, '}'))",
    "mysql": "LEFT(password, LOCATE('}', password))",
}


def peer(lab: Lab) -> Callable[[], object]:
    """What asks by hand."""
    place = lab.store.place
    if lab.driver == "passwd-file":
        argv = ["awk", "-F:", _AWK, str(place.path)]
        return lambda: subprocess.run(argv, check=True, capture_output=True, env=os.environ | {"LC_ALL": "C"})
    query = _GROUPED.format(_SCHEME[lab.driver])
    if lab.driver == "sqlite":
        path = str(place.path)

        def of_file() -> object:
            with closing(sqlite3.connect(path)) as link:
                return link.execute(query).fetchall()

        return of_file
    account: dict[str, Any] = {
        "host": place.host,
        "port": place.port,
        "user": place.user,
        "password": place.password,
    }
    if lab.driver == "pgsql":
        session = psycopg.connect(**account, dbname=place.database)
        return lambda: session.execute(query).fetchall()
    other = pymysql.connect(**account, database=place.database)

    def of_server() -> object:
        with other.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    return of_server


def by_class(said: str) -> Counter[tuple[str, int]]:
    """How many rows of each class ``audit --json`` names."""
    found: Counter[tuple[str, int]] = Counter()
    for one in json.loads(said)["stores"][0]["classes"]:
        found[one["hash"], one["length"] or 0] += one["rows"]
    return found


def one_by_one(lab: Lab, count: int) -> Counter[tuple[str, int]]:
    """The same, of each string by itself."""
    config = read_config(at_pid(lab.master_pid, None))
    tally = Tally(Question(reader_of(config, config.passdbs[0])))
    for _, stored in rows(count):
        tally.add(stored.encode(), ())
    found: Counter[tuple[str, int]] = Counter()
    for one in tally.classes():
        found[one.shown, one.length] += one.rows
    return found


def measured(version: str | None, driver: str, count: int, rounds: int) -> dict[str, Any]:
    with Lab(version, driver) as lab:
        fill(lab, count)
        by_hand, argv = peer(lab), [MAILAUTH, "audit", "--pid", str(lab.master_pid), "--json"]
        said = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False).stdout
        equal = by_class(said) == one_by_one(lab, count)
        by_hand()
        each = []
        for _ in range(rounds):
            began = time.monotonic()
            by_hand()
            each.append((time.monotonic() - began, ran(argv, lab.folder)))
    times = [audit.took / asked for asked, audit in each]
    return {
        "as string by string": equal,
        "times": round(statistics.median(times), 2),
        "times, each": [round(one, 2) for one in times],
        "by hand, least seconds": round(min(asked for asked, _ in each), 2),
        "audit, seconds": round(statistics.median(audit.took for _, audit in each), 2),
        "audit, least seconds": round(min(audit.took for _, audit in each), 2),
        "audit, least seconds of CPU, without a server's": round(min(audit.cpu for _, audit in each), 2),
        "audit, MiB": round(max(audit.mib for _, audit in each), 1),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dovecot", help="Its version.  [the machine's own]")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=DRIVERS)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    found: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for driver in [given.only] if given.only else DRIVERS:
        found[driver] = measured(given.dovecot, driver, given.rows, given.rounds)
        print(driver, json.dumps(found[driver], indent=2), flush=True)
    found |= {
        "rows": given.rows,
        "bounds": {"times": BOUND, "seconds": SECONDS},
        "date": datetime.now(UTC).date().isoformat(),
        "host": {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
    }
    if given.write:
        RESULT.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
