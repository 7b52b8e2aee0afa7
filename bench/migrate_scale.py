"""A prefix for 1,000,000 rows in PostgreSQL: mailauth migrate apply beside one hand-written UPDATE.

In turn, on two tables with the same rows, in one private server; the ratio of each pair is what counts,
since other work on the machine moves both.

    python -m bench.migrate_scale [--rows 1000000] [--pairs 3] [--write]

--write puts it into bench/results/migrate-scale.json.
"""

import argparse
import datetime as dt
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bench.scale import BCRYPT_END, CRYPT64
from mailauth.lab import Lab

RESULTS = Path(__file__).parent / "results" / "migrate-scale.json"
MiB = 1 << 20
BOUNDS = {"ratio": 0.5, "MiB": 300}


def fill(link: Any, count: int) -> None:
    """Bare bcrypt hashes, as other software stores them."""
    chance = random.Random(1)  # noqa: S311 - nobody's hashes

    def crypt(size: int) -> str:
        return "".join(chance.choices(CRYPT64, k=size))

    with link.cursor() as cursor, cursor.copy("COPY users FROM STDIN") as copy:
        for number in range(count):
            end = chance.choice(".Oeu") + crypt(30) + chance.choice(BCRYPT_END)
            copy.write_row((f"user{number:07}@example.org", f"$2y$10${crypt(21)}{end}"))
    link.commit()


def fresh(link: Any) -> None:
    """Both tables as they were, without the dead rows of the last run."""
    link.execute("DROP TABLE IF EXISTS by_hand")
    link.execute("UPDATE users SET password = substr(password, 12) WHERE password LIKE '{BLF-CRYPT}%'")
    link.commit()
    link.autocommit = True
    link.execute("VACUUM FULL users")
    link.execute("CREATE TABLE by_hand (userid varchar(255) NOT NULL PRIMARY KEY, password text)")
    link.execute("INSERT INTO by_hand SELECT userid, password FROM users ORDER BY userid")
    link.execute("VACUUM FULL by_hand")
    link.execute("ANALYZE")
    link.execute("CHECKPOINT")
    link.autocommit = False


def by_hand(link: Any) -> float:
    began = time.perf_counter()
    link.execute("UPDATE by_hand SET password = '{BLF-CRYPT}' || password WHERE password LIKE '$2y$%'")
    link.commit()
    return time.perf_counter() - began


def by_mailauth(lab: Lab, rows: int) -> tuple[float, float, float]:
    """Seconds of the whole command, those of the work in it, and the most MiB that it had."""
    with tempfile.TemporaryDirectory() as state:
        began = time.perf_counter()
        process = psutil.Popen(
            [
                *(sys.executable, "-m", "mailauth", "migrate", "apply", "--pid", str(lab.master_pid)),
                *("--prefix", "--apply", "--json"),
            ],
            stdout=subprocess.PIPE,
            env=os.environ | {"MAILAUTH_STATE": state},
        )
        largest = 0
        while process.poll() is None:
            largest = max(largest, process.memory_info().rss)
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        report = json.loads(process.stdout.read())["report"]
    assert process.returncode == 0
    assert report["written"] == rows, report
    return seconds, report["seconds"], largest / MiB


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--dovecot", default="2.4.1")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    pairs = []
    with Lab(given.dovecot, "pgsql") as lab:
        place = lab.store.place
        address: dict[str, Any] = {"host": place.host, "port": place.port, "user": place.user}
        with closing(psycopg.connect(**address, password=place.password, dbname=place.database)) as link:
            fill(link, given.rows)
            for _ in range(given.pairs):
                fresh(link)
                hand = by_hand(link)
                whole, work, size = by_mailauth(lab, given.rows)
                pairs.append(
                    {
                        "UPDATE s": round(hand, 2),
                        "apply s": round(whole, 2),
                        "of it work s": round(work, 2),
                        "ratio": round(hand / whole, 3),
                        "MiB": round(size, 1),
                        "load": round(os.getloadavg()[0], 2),
                    }
                )
                print(pairs[-1], flush=True)
    found = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "rows": given.rows,
        "bounds": BOUNDS,
        "ratio": statistics.median(pair["ratio"] for pair in pairs),
        "MiB": max(pair["MiB"] for pair in pairs),
        "pairs": pairs,
    }
    print(json.dumps(found, indent=2))
    if given.write:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
