"""How fast ``log`` reads a syslog file, against ``grep -c`` of a word over the same file.

    python bench/log_speed.py [--mib 256 512 1024] [--rounds 5] [--write]     bench/results/log-speed.json

Two logs, each by itself: a mail server's day (``mail``: Postfix, LMTP, sessions; 5 % of the lines are logins,
3 % tell of failures), and nothing but an attack (``attack``: each line is of a failed login).  Whole
commands, paired in one run; ``MiB``: the most that mailauth and its children had resident, shared pages once.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

RESULT = Path(__file__).parent / "results" / "log-speed.json"
MAILAUTH = str(Path(sys.executable).with_name("mailauth"))
MiB = 1024 * 1024
BOUNDS = {"MB/s": 300, "times grep": 4, "MiB": 200}
POSTFIX = """\
postfix/smtpd[{n}]: connect from mail{n}.example.net[192.0.2.{b}]
postfix/smtpd[{n}]: {n:X}: client=mail{n}.example.net[192.0.2.{b}]
postfix/cleanup[{n}]: {n:X}: message-id=<{n}.{b}.20261123@example.net>
postfix/qmgr[812]: {n:X}: from=<sender{n}@example.net>, size={n}, nrcpt=1 (queue active)
postfix/lmtp[{n}]: {n:X}: to=<{u}>, relay=mail[private/dovecot-lmtp], delay=0.{b}, dsn=2.0.0, \
status=sent (250 2.0.0 <{u}> {s} Saved)
dovecot: lmtp({u})<{n}><{s}>: sieve: msgid=<{n}.{b}@example.net>: stored mail into mailbox 'INBOX'
postfix/qmgr[812]: {n:X}: removed
postfix/smtpd[{n}]: disconnect from mail{n}.example.net[192.0.2.{b}] ehlo=1 mail=1 rcpt=1 data=1 quit=1
opendkim[911]: {n:X}: DKIM-Signature field added (s=mail, d=example.org)
postfix/postscreen[77]: CONNECT from [198.51.100.{b}]:{n} to [203.0.113.5]:25
"""
SESSION = """\
dovecot: imap-login: Login: user=<{u}>, method=PLAIN, rip=198.51.100.{b}, lip=203.0.113.5, mpid={n}, \
TLS, session=<{s}>
dovecot: imap({u})<{n}><{s}>: Disconnected: Logged out in=12 out=469 deleted=0 expunged=0 trashed=0 \
hdr_count=0 hdr_bytes=0 body_count=0 body_bytes=0
"""
FAILURE = """\
dovecot: auth-worker({n}): conn unix:auth-worker (pid=812,uid=101): auth-worker<{n}>: \
sql({u},203.0.113.{b},<{s}>): {why} (SHA1 of given password: {p:06x})
dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<{u}>, \
method=PLAIN, rip=203.0.113.{b}, lip=203.0.113.5, TLS, session=<{s}>
"""
BEGAN = datetime(2026, 11, 23, tzinfo=UTC)


def lines(kind: str) -> Iterator[str]:
    """Without an end, in the order of time: half a million lines an hour."""
    chance = random.Random(17)  # noqa: S311 - nobody's log
    number = 0
    forms = {one: one.splitlines() for one in (POSTFIX, SESSION, FAILURE)}
    while True:
        stamp = f"{BEGAN + timedelta(seconds=number // 140):%b %d %H:%M:%S} mail "
        kinds = FAILURE if kind == "attack" or chance.random() < 0.09 else POSTFIX
        if kinds is POSTFIX and chance.random() < 0.35:
            kinds = SESSION
        said = {
            "n": chance.randrange(1000, 65000),
            "b": chance.randrange(1, 255),
            "u": f"user{chance.randrange(20000):05}@example.org",
            "s": f"{chance.getrandbits(64):016X}",
            "why": chance.choice(("Password mismatch", "unknown user")),
            "p": chance.randrange(4096),
        }
        for form in forms[kinds]:
            number += 1
            yield f"{stamp}{form.format(**said)}\n"


def write(path: Path, kind: str, size: int) -> None:
    made = 0
    with path.open("w", encoding="ascii") as file:
        for line in lines(kind):
            made += file.write(line)
            if made >= size:
                return


def spent(words: list[str]) -> tuple[float, float]:
    """Seconds that a command took, and its CPU seconds: a busy machine changes these least."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(words, capture_output=True, check=False)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, cpu


def resident(process: psutil.Process) -> int:
    total = 0
    with suppress(psutil.Error):
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += one.memory_full_info().pss
    return total


def most_memory(words: list[str]) -> float:
    process = psutil.Popen(words, stdout=subprocess.DEVNULL)
    largest = 0
    while process.poll() is None:
        largest = max(largest, resident(process))
        time.sleep(0.02)
    return round(largest / MiB, 1)


def measured(path: Path, rounds: int) -> dict[str, Any]:
    words = [MAILAUTH, "log", "--log", str(path), "--since", "all", "--json"]
    size = path.stat().st_size
    pairs = [(spent(["grep", "-c", "dovecot", str(path)]), spent(words)) for _ in range(rounds)]
    told = json.loads(subprocess.run(words, capture_output=True, check=False).stdout)
    took, cpu = (statistics.median(ours[at] for _, ours in pairs) for at in (0, 1))
    return {
        "MB": round(size / 1e6),
        "lines": told["lines"],
        "failures": told["failures"],
        "s": {"min": min(ours[0] for _, ours in pairs), "median": took, "max": max(o[0] for _, o in pairs)},
        "CPU s": cpu,
        "grep -c, s": statistics.median(grep[0] for grep, _ in pairs),
        "times grep": round(statistics.median(ours[0] / grep[0] for grep, ours in pairs), 1),
        "MB/s": round(size / 1e6 / took),
        "MB a CPU second": round(size / 1e6 / cpu),
        "lines/s": round(told["lines"] / took),
        "MiB": most_memory(words),
        "load": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mib", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kind", nargs="+", default=["mail", "attack"])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    found: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "bounds": BOUNDS,
    }
    for kind in given.kind:
        for size in given.mib:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "mail.log"
                write(path, kind, size * MiB)
                one = found[f"{kind}, {size} MiB"] = measured(path, given.rounds)
                print(kind, size, json.dumps(one), flush=True)
    if given.write:
        RESULT.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
