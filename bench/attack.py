"""How many wrong passwords a second does a Dovecot stand, with each defence?

Each row is ``mailauth load --lab --attack`` with one thing changed; the rows with a policy server start one
here, which refuses an address after five failures.  20 users, 5 right logins a second; a right login may wait
1 s.

    python -m bench.attack --dovecot 2.4.1 --write      to bench/results/attack.json
    python -m bench.attack --table                      the table of docs/load.md
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.threshold import about
from mailauth.dovecot.version import Version

RESULTS = Path(__file__).parent / "results" / "attack.json"
FAILURES = 5  # of an address, then the policy server refuses it
STEP = "2"
SECONDS = "240"
ARGON2 = ("--profile", "owasp")
OPEN = "auth_failure_delay = 0\nservice anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n"
NO_PENALTY = "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n"
WORKERS = {
    "2.3": "auth_worker_max_count = {}\n",
    "2.4": "service auth-worker {{\n  process_limit = {}\n}}\n",
}
CACHE = "auth_cache_size = 10M\n"
BY_WORKER = CACHE + "auth_cache_verify_password_with_worker = yes\n"
POLICY = "auth_policy_server_url = http://127.0.0.1:PORT/\nauth_policy_hash_nonce = bench\n"
MANY_A_PROCESS = "service imap-login {\n  LOGINS\n  client_limit = 2000\n  process_min_avail = 2\n}\n"
LOGINS = {"2.3": "service_count = 0", "2.4": "restart_request_count = unlimited"}


@dataclass(frozen=True, slots=True)
class Row:
    """``settings`` beyond those of a lab; ``workers``: None for Dovecot's own number."""

    name: str
    words: tuple[str, ...] = ()
    settings: str = OPEN
    workers: int | None = None


SQLITE = ("--store", "sqlite", *ARGON2)
ROWS = (
    Row("nothing; auth verifies (passwd-file)", ARGON2),
    Row("nothing; workers verify (sqlite)", SQLITE),
    Row("the same, 1 worker", SQLITE, workers=1),
    Row("auth cache", SQLITE, OPEN + CACHE),
    Row("auth cache, workers verify", SQLITE, OPEN + BY_WORKER),
    Row("BLF-CRYPT, workers verify", ("--store", "sqlite", "--scheme", "BLF-CRYPT")),
    Row("Argon2id m=65536, t=3, workers verify", ("--store", "sqlite", "--profile", "dovecot")),
    Row("policy server, attack from 100 addresses", SQLITE, OPEN + POLICY),
    Row(
        "policy server, attack from 10,000 addresses",
        (*SQLITE, "--sources", "10000"),
        OPEN + POLICY,
    ),
    Row("auth_failure_delay = 2 s, by IMAP, 100 login processes", (*SQLITE, "--by", "imap"), NO_PENALTY),
    Row("the same, 2 login processes for all", (*SQLITE, "--by", "imap"), NO_PENALTY + MANY_A_PROCESS),
    Row("penalty, 1 address, 200 connections", (*SQLITE, "--sources", "1", "--in-flight", "200"), ""),
    Row("penalty, users share the address", (*SQLITE, "--sources", "1", "--same-address"), ""),
)


@contextmanager
def policy_server() -> Iterator[int]:
    """Counts the failures of each address, which Dovecot reports; the port it listens at."""
    failures: Counter[str] = Counter()
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                size = 0
                while (header := await reader.readline()) not in (b"\r\n", b""):
                    name, _, value = header.partition(b":")
                    size = int(value) if name.lower() == b"content-length" else size
                told = json.loads(await reader.readexactly(size)) if size else {}
                address = str(told.get("remote"))
                if b"command=report" in line and told.get("success") is False:
                    failures[address] += 1
                status = -1 if failures[address] >= FAILURES else 0
                body = json.dumps({"status": status, "msg": "bench"}).encode()
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                writer.write(head % len(body) + body)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def attacked(row: Row, version: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, policy_server() as port:
        settings = row.settings.replace("PORT", str(port)).replace("LOGINS", LOGINS[version[:3]])
        if row.workers:
            settings += WORKERS[version[:3]].format(row.workers)
        file = Path(folder) / "settings.conf"
        file.write_text(settings)
        words = ["load", "--lab", "--attack", "--dovecot", version, *row.words, "--settings", str(file)]
        more = ["--step", STEP, "--duration", SECONDS, "--warm-up", "1", "--json"]
        command = [sys.executable, "-m", "mailauth", *words, *more]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    told = json.loads(done.stdout)
    seen = told["attack"]
    above = [
        one for one in seen["steps"] if not one["held"] and abs(one["rate"] - (seen["above"] or 0)) < 0.01
    ]
    alone = next(one for one in seen["steps"] if not one["rate"])
    return {
        "dovecot": version,
        "row": row.name,
        "rate": round(seen["rate"], 1),
        "above": round(seen["above"], 1) if seen["above"] else None,
        "why": above[-1]["why"] if above else seen["bound"],
        "found": seen["found"],
        "alone_p95_ms": round(1000 * alone["latency"]["p95"], 1),
        "seconds": round(told["seconds"]),
        "generator": seen["generator"],
        "status": done.returncode,
    }


def table(runs: list[dict[str, Any]]) -> str:
    versions = sorted(
        {one["dovecot"] for one in runs}, key=lambda text: [int(part) for part in text.split(".")]
    )
    heads = [f"Dovecot {version}" for version in versions]
    lines = [
        "| defence | " + " | ".join(heads) + " | what happened above it |",
        "|---|" + "---:|" * len(heads) + "---|",
    ]
    for row in ROWS:
        of = {one["dovecot"]: one for one in runs if one["row"] == row.name}
        if of:
            cells = [_cell(of.get(version)) for version in versions]
            why = of[max(of, key=Version.parse)]["why"]
            lines.append(f"| {row.name} | " + " | ".join(cells) + f" | {why} |")
    return "\n".join(lines)


def _cell(run: dict[str, Any] | None) -> str:
    if run is None:
        return "-"
    rate = f"{run['rate']:,.0f}" if run["rate"] >= 10 else f"{run['rate']:.3g}"
    return rate if run["found"] else f"at least {rate}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dovecot", default="2.3.19.1")
    parser.add_argument("--only", default="", help="rows whose name has this")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--table", action="store_true", help="of what is written")
    given = parser.parse_args()
    known = json.loads(RESULTS.read_text())["runs"] if RESULTS.exists() else []
    if given.table:
        print(table(known))
        return
    for row in ROWS:
        if given.only not in row.name:
            continue
        run = attacked(row, given.dovecot) | {"load": round(os.getloadavg()[0], 1)}
        print(json.dumps(run), flush=True)
        key = (run["dovecot"], run["row"])
        known = [*(one for one in known if (one["dovecot"], one["row"]) != key), run]
        if given.write:
            new = RESULTS.with_suffix(".new")
            new.write_text(json.dumps({"about": about(), "runs": known}, indent=1) + "\n")
            new.replace(RESULTS)


if __name__ == "__main__":
    main()
