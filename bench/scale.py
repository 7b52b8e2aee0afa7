"""A store of 1,000,000 users: how long diagnose, checkup and audit take, and how much memory.

A private Dovecot and private databases; a realistic mix of schemes, with cut, padded and misnamed rows.

    python bench/scale.py [--rows 1000000] [--only pgsql]     writes bench/results/scale.json
"""

import argparse
import base64
import datetime as dt
import json
import os
import platform
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pymysql

from mailauth.lab import Lab

RESULTS = Path(__file__).parent / "results" / "scale.json"
MiB = 1024 * 1024
CRYPT64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BCRYPT_END = ".CGKOSWaeimquy26"
BOUNDS = {"diagnose": 2.0, "checkup": 10.0, "audit pgsql": 5.0, "audit passwd-file": 10.0, "MiB": 150}


def rows(count: int) -> Iterator[tuple[str, str]]:
    """Users and stored strings: 98.8 % sound or old, the rest broken in three ways."""
    chance = random.Random(1)  # noqa: S311 - nobody's hashes

    def b64(size: int) -> str:
        return base64.b64encode(chance.randbytes(size)).decode()

    def crypt(size: int) -> str:
        return "".join(chance.choices(CRYPT64, k=size))

    def argon2(m: int, t: int) -> str:
        return f"{{ARGON2ID}}$argon2id$v=19$m={m},t={t},p=1${b64(16).rstrip('=')}${b64(32).rstrip('=')}"

    def bcrypt(name: str, cost: int) -> str:
        end = chance.choice(".Oeu") + crypt(30) + chance.choice(BCRYPT_END)
        return f"{{{name}}}$2y${cost:02}${crypt(21)}{end}"

    def sha512() -> str:
        return f"$6${crypt(16)}${crypt(85)}{chance.choice('./01')}"

    kinds: tuple[tuple[float, Callable[[], str]], ...] = (
        (35.0, lambda: argon2(19456, 2)),
        (10.0, lambda: argon2(65536, 3)),
        (20.0, lambda: bcrypt("BLF-CRYPT", chance.choice((5, 10, 12)))),
        (15.0, lambda: "{SHA512-CRYPT}" + sha512()),
        (5.0, sha512),
        (5.0, lambda: "{SSHA512}" + b64(68)),
        (5.0, lambda: f"{{MD5-CRYPT}}$1${crypt(8)}${crypt(21)}{chance.choice('./01')}"),
        (2.0, lambda: "{PLAIN-MD5}" + chance.randbytes(16).hex()),
        (1.0, lambda: "{PLAIN}" + crypt(chance.randint(6, 20))),
        (0.8, lambda: "{SHA256}" + b64(32)),
        (0.5, lambda: argon2(19456, 2)[:64]),
        (0.4, lambda: bcrypt("BLF-CRYPT", 10) + " "),
        (0.3, lambda: bcrypt("BCRYPT", 10)),
    )
    weights, makers = [weight for weight, _ in kinds], [make for _, make in kinds]
    for number, make in enumerate(chance.choices(makers, weights, k=count)):
        yield f"user{number:07}@example.org", make()


def fill(lab: Lab, count: int) -> None:
    """Put the rows in, the quick way."""
    place = lab.store.place
    if lab.driver == "passwd-file":
        assert place.path
        with place.path.open("w") as file:
            file.writelines(f"{user}:{stored}\n" for user, stored in rows(count))
    elif lab.driver == "sqlite":
        with closing(sqlite3.connect(str(place.path))) as link:
            link.executemany("INSERT INTO users VALUES (?, ?)", rows(count))
            link.commit()
    elif lab.driver == "pgsql":
        with psycopg.connect(
            host=place.host, port=place.port, user=place.user, password=place.password, dbname=place.database
        ) as link:
            with link.cursor() as cursor, cursor.copy("COPY users FROM STDIN") as copy:
                for row in rows(count):
                    copy.write_row(row)
            link.commit()
            link.execute("ANALYZE users")
    else:
        with pymysql.connect(
            host=place.host,
            port=place.port,
            user=place.user,
            password=place.password,
            database=place.database,
        ) as link:
            each = rows(count)
            while some := list(islice(each, 5000)):
                link.cursor().executemany("INSERT INTO users VALUES (%s, %s)", some)
            link.commit()


def unindexed(lab: Lab) -> None:
    """Take the key away that makes a lookup quick."""
    place = lab.store.place
    with psycopg.connect(
        host=place.host, port=place.port, user=place.user, password=place.password, dbname=place.database
    ) as link:
        link.execute("ALTER TABLE users DROP CONSTRAINT users_pkey")


def measured(lab: Lab, runs: int, *words: str) -> dict[str, Any]:
    """Seconds, and CPU seconds of mailauth and the database together: what a quiet machine would take.

    ``MiB``: the most that mailauth and what it starts had resident at a time, shared pages once.
    """
    seconds, cpu, sizes, status = [], [], [], 0
    for _ in range(runs):
        before, began = _cpu_of_server(lab), time.perf_counter()
        argv = [sys.executable, "-m", "mailauth", *words]
        process = psutil.Popen(argv, stdout=subprocess.DEVNULL)
        largest = 0
        while process.poll() is None:
            largest = max(largest, _resident(process))
            time.sleep(0.02)
        seconds.append(time.perf_counter() - began)
        sizes.append(largest / MiB)
        status = process.returncode
        cpu.append(_cpu_of_server(lab) - before)
    return {
        "least s": round(min(seconds), 2),
        "most s": round(max(seconds), 2),
        "cpu s": round(min(cpu), 2),
        "MiB": round(max(sizes), 1),
        "status": status,
        "load": round(os.getloadavg()[0], 2),
    }


def _resident(process: psutil.Process) -> int:
    total = 0
    with suppress(psutil.Error):
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += one.memory_full_info().pss
    return total


def _cpu_of_server(lab: Lab) -> float:
    """CPU seconds of this process's children that ended, and of the database server and its own."""
    times = os.times()
    total = times.children_user + times.children_system
    server = getattr(lab.store, "server", None)
    if server is None:
        return total
    for one in psutil.process_iter(["cmdline"]):
        if any(str(server.folder) in word for word in one.info["cmdline"] or ()):
            with suppress(psutil.Error):
                # those that have ended are in their parent's
                total += sum(one.cpu_times()[:4])
            for each in one.children(recursive=True):
                with suppress(psutil.Error):
                    total += sum(each.cpu_times()[:4])
            break
    return total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=("pgsql", "passwd-file", "sqlite", "mysql"))
    parser.add_argument("--dovecot", default="2.4.1")
    given = parser.parse_args()
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found |= {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "rows": given.rows,
        "dovecot": given.dovecot,
        "bounds": BOUNDS,
    }
    for driver in [given.only] if given.only else ["pgsql", "passwd-file", "sqlite", "mysql"]:
        with Lab(given.dovecot, driver) as lab:
            fill(lab, given.rows)
            pid, user = ("--pid", str(lab.master_pid)), f"user{given.rows // 2:07}@example.org"
            one = {
                "diagnose": measured(
                    lab, given.runs, "diagnose", f"user{given.rows // 2:07}@example.org", *pid
                ),
                "checkup": measured(lab, given.runs, "checkup", *pid),
                "audit": measured(lab, given.runs, "audit", *pid),
            }
            if driver == "pgsql":
                unindexed(lab)
                one["diagnose, no index"] = measured(lab, given.runs, "diagnose", user, *pid)
        found[driver] = one
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
        print(driver, json.dumps(one, indent=2))


if __name__ == "__main__":
    main()
