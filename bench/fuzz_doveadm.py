"""Mutated hashes, judged by us and by the real ``doveadm pw -t``: every disagreement is printed.

    python bench/fuzz_doveadm.py [--count 5000] [--seed 20261123] [--dovecot 2.3.19.1 --dovecot 2.4.1]

Writes bench/results/fuzz-doveadm.json. Strings that would take doveadm more than a second or
128 MiB by our own reckoning are asked of us only: there, what counts is that we answer at once.
"""

import argparse
import collections
import json
import random
import string
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mailauth.hashes import Hash, Limits, Password, Verdict, hash_memory, parse, verify
from mailauth.lab import builds

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "bench/results/fuzz-doveadm.json"
VECTORS = ROOT / "tests/hashes/vectors"
USER = "user@example.org"
CHEAP = Limits(memory=128 * 1024 * 1024, seconds=1.0)
SLOW_ANSWER = 2.0  # seconds of our own work that would be a hang
WORDS = {Verdict.MATCH: "match", Verdict.MISMATCH: "mismatch", Verdict.OUT_OF_MEMORY: "mismatch"}
BITS = (
    "$", "{", "}", ",", "=", "==", "\n", " ", "\t", "\r\n", "$$", ".", "/", "+", "-", "_", "0", "9", ":",
    "*", "!", "é", "\x7f", "\x01", "rounds=1000$", "$v=19", "v=16$", "m=8", ",p=2", ".hex", ".b64", ".BASE64",
    "{CRYPT}", "A",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A stored string, a password and a user."""

    stored: str
    password: str = field(repr=False)
    user: str = USER


@dataclass(frozen=True, slots=True)
class Doveadm:
    """``doveadm pw`` of one version, installed or in the cache.

    ``-O``: without the configuration, on which ``pw`` does not depend, and whose reading takes longer than
    the rest.  Source: Dovecot 2.3.13 and 2.4.1, src/lib-master/master-service.c, master_service_parse_option.
    """

    version: str
    argv: tuple[str, ...]

    @classmethod
    def of(cls, version: str) -> "Doveadm | None":
        build = builds.available(version)
        if build is None:
            return None
        inside = () if build.root is None else ("chroot", str(build.root))
        return cls(str(build.version), (*inside, build.program("doveadm"), "-O", "pw"))

    @property
    def release(self) -> tuple[int, ...]:
        return tuple(map(int, self.version.split(".")))

    def run(self, *args: str | bytes, timeout: float = 60.0) -> tuple[int, str, str]:
        ran = subprocess.run([*self.argv, *args], capture_output=True, timeout=timeout, check=False)
        return ran.returncode, ran.stdout.decode(errors="replace"), ran.stderr.decode(errors="replace")

    def judge(self, stored: str | bytes, password: str | bytes, user: str = USER) -> tuple[str, str]:
        """match, mismatch or error, and what it said."""
        code, out, err = self.run("-t", stored, "-p", password, "-u", user)
        if code == 0 and out.endswith("(verified)\n"):
            return "match", ""
        return ("mismatch" if "Password mismatch" in err else "error"), err.strip()


def ours(case: Case, dovecot: Doveadm) -> tuple[str, str]:
    judged = verify(
        case.stored,
        Password.of(case.password),
        user=case.user,
        default_scheme=None,
        dovecot=dovecot.release,
        allow_weak=True,
        limits=CHEAP,
    )
    return WORDS.get(judged.verdict, "error"), judged.reason


def costly(stored: str) -> bool:
    parsed = parse(stored, default_scheme=None)
    if not isinstance(parsed, Hash):
        return False
    return hash_memory(parsed).total > CHEAP.memory or parsed.scheme.seconds(parsed.params) > CHEAP.seconds


def seeds() -> list[Case]:
    """Every known string that a shell can pass, from the vectors."""
    vectors = json.loads((VECTORS / "schemes.json").read_text())["vectors"]
    edges = json.loads((VECTORS / "edge_cases.json").read_text())["cases"]
    rows = [(row["hash"], row) for row in vectors if row["verdict"] == "match" and "hash" in row]
    rows += [(row["stored"], row) for row in edges]
    return [
        Case(stored, row["password"], row.get("user") or USER)
        for stored, row in rows
        if not row["password"].startswith("hex:")
        and "\0" not in stored + row["password"]
        and not costly(stored)
    ]


def mutate(  # noqa: C901, PLR0912 - one branch for each kind of accident
    rng: random.Random, case: Case, others: list[Case]
) -> Case:
    text = case.stored
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        at = rng.randrange(len(text) + 1)
        end = min(len(text), at + rng.choice((1, 1, 1, 2, 4, 16)))
        match rng.randrange(11):
            case 0:  # another character
                text = text[:at] + rng.choice(string.printable[:95]) + text[at + 1 :]
            case 1:  # a near one: what base64 and crypt's alphabets differ by
                if at < len(text) and 0x22 < ord(text[at]) < 0x7E:
                    text = text[:at] + chr(ord(text[at]) + rng.choice((-1, 1))) + text[at + 1 :]
            case 2:
                text = text[:at] + rng.choice(BITS) + text[at:]
            case 3:
                text = text[:at] + text[end:]
            case 4:
                text = text[:at] + text[at:end] * 2 + text[end:]
            case 5:
                text = text[:at] if rng.random() < 0.5 else text.rstrip("=") + "=" * rng.randrange(4)
            case 6:
                text = (
                    text.swapcase()
                    if rng.random() < 0.2
                    else text[:at] + text[at:end].swapcase() + text[end:]
                )
            case 7:  # the same payload under another name
                other = rng.choice(others).stored
                text = other[: other.find("}") + 1] + text[text.find("}") + 1 :]
            case 8:  # the head of one and the tail of another
                other = rng.choice(others).stored
                text = text[:at] + other[rng.randrange(len(other) + 1) :]
            case 9:  # a digit, or the length of a number
                digits = [i for i, char in enumerate(text) if char.isdigit()]
                if digits:
                    at = rng.choice(digits)
                    text = text[:at] + rng.choice(("", "0", "1", "9", "00", text[at] * 2)) + text[at + 1 :]
            case _:
                name, brace, rest = text.partition("}")
                if brace:
                    suffix = rng.choice((".HEX", ".b64", ".Base64", ".hex", ".x", "."))
                    text = name.partition(".")[0] + suffix + brace + rest
    password = case.password if rng.random() < 0.9 else rng.choice(others).password
    return Case(text.replace("\0", ""), password, case.user)


def strings(seed: int, count: int) -> Iterator[Case]:
    rng = random.Random(seed)  # noqa: S311 - it must repeat
    known = seeds()
    for _ in range(count):
        yield mutate(rng, rng.choice(known), known)


def compare(case: Case, dovecot: Doveadm) -> dict[str, Any]:
    """How both judge; ``apart`` when they do not agree."""
    began = time.thread_time()  # of this thread alone: the machine may be busy
    mine, why = ours(case, dovecot)
    took = time.thread_time() - began
    row: dict[str, Any] = {"dovecot": dovecot.version, "ours": mine, "why": why, "slow": took > SLOW_ANSWER}
    if costly(case.stored):
        return {**row, "theirs": "not asked", "apart": False}
    theirs, said = dovecot.judge(case.stored, case.password, case.user)
    return {**row, "theirs": theirs, "said": said, "apart": mine != theirs}


def run(seed: int, count: int, dovecots: list[Doveadm]) -> dict[str, Any]:
    counts: collections.Counter[str] = collections.Counter()
    apart: list[dict[str, Any]] = []
    slow = 0
    with ThreadPoolExecutor(4) as pool:
        pairs = [(case, dovecot) for case in strings(seed, count) for dovecot in dovecots]
        for (case, _), row in zip(pairs, pool.map(lambda pair: compare(*pair), pairs), strict=True):
            counts[f"{row['dovecot']} {row['theirs']}"] += 1
            slow += row["slow"]
            if row["apart"]:
                apart.append({"stored": case.stored, "password": case.password, **row})
    return {"counts": dict(sorted(counts.items())), "apart": apart, "slow": slow}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--dovecot", action="append")
    asked = parser.parse_args()
    versions = asked.dovecot or ["2.3.19.1", "2.4.1"]
    dovecots = [found for version in versions if (found := Doveadm.of(version))]
    if len(dovecots) < len(versions):
        print("not all of these Dovecots are here; fetch them with: mailauth lab fetch VERSION")
        return 2
    began = time.perf_counter()
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "seed": asked.seed,
        "strings": asked.count,
        "versions": versions,
        **run(asked.seed, asked.count, dovecots),
        "seconds": 0,
    }
    result["seconds"] = round(time.perf_counter() - began)
    for row in result["apart"]:
        print(json.dumps(row))
    print(
        {name: result[name] for name in ("counts", "slow", "seconds")}, "disagreements:", len(result["apart"])
    )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    return bool(result["apart"] or result["slow"])


if __name__ == "__main__":
    raise SystemExit(main())
