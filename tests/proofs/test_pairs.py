"""Two and three faults at once: all are found, or the first that blocks, and after mending it the next."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailauth.dovecot.version import Dialect
from mailauth.hashes import Password, generate
from tests.proofs.story import SECRET, MiB, Proof, argon2id

Make = Callable[..., Proof]

SMALL = argon2id(memory=1 * MiB)
BIG = argon2id(memory=32 * MiB)  # under TIGHT, it does not fit
TIGHT = "default_vsz_limit = 48M\n"
CACHE = "auth_cache_size = 120M\nauth_cache_verify_password_with_worker = yes\n"
WORKER = "service auth-worker {\n  vsz_limit = 8M\n}\n"
TYPED = {"PASS002", "PASS003", "PASS004"}  # the client has to send something else
LONG = b"0123456789" * 9


def hashed(password: bytes, memory: int) -> str:
    return argon2id(password, memory=memory * MiB)


def workers(dialect: Dialect) -> str:
    """More of them than any machine has memory for."""
    total = int(Path("/proc/meminfo").read_text().partition("MemTotal:")[2].split()[0]) * 1024
    count = total // (16 * MiB) + 10
    if dialect == "2.3":
        return f"auth_worker_max_count = {count}\n"
    return f"service auth-worker {{\n  process_limit = {count}\n}}\n"


@dataclass(frozen=True)
class Case:
    """What is broken, and what each look finds, the remedies of the one before being done.

    ``sent``: what the client has, until a finding says that it is that; ``breaks``: whether logins fail.
    """

    finds: list[set[str]]
    stored: str = SMALL
    settings: str = ""
    sent: bytes = SECRET
    right: bytes = SECRET
    many: bool = False
    breaks: bool = True
    store: str = "sqlite"
    only: tuple[Dialect, ...] = field(default=("2.3", "2.4"))


CASES = {
    "memory, and the wrong case": Case([{"MEM001", "PASS002"}], BIG, TIGHT, SECRET.swapcase()),
    "memory, and a blank": Case([{"MEM001", "PASS003"}], BIG, TIGHT, SECRET + b" ", store="passwd-file"),
    "memory, and a line end hashed in": Case([{"MEM001", "HASH011"}], hashed(SECRET + b"\n", 32), TIGHT),
    "memory, and a wrong password": Case([{"MEM001", "PASS001"}], hashed(b"another one", 32), TIGHT),
    "memory, and a hash cut before": Case(
        [{"MEM001", "PASS009"}], hashed(SECRET[:8], 32), TIGHT, store="pgsql"
    ),
    "a blank after the hash, then memory": Case([{"HASH007"}, {"MEM001"}], f"{BIG} ", TIGHT),
    "quotes around the hash, then memory": Case(
        [{"HASH008"}, {"MEM001"}], f"'{BIG}'", TIGHT, store="mysql", only=("2.3",)
    ),
    "no start, and a blank after the hash": Case([{"MEM006", "HASH007"}], f"{SMALL} ", WORKER),
    "no start, and the wrong case": Case([{"MEM006", "PASS002"}], SMALL, WORKER, SECRET.upper()),
    "memory, and a cache too large": Case([{"MEM001", "MEM008"}], BIG, TIGHT + CACHE),
    "a cache too large, and a long password": Case(
        [{"MEM008", "PASS006"}],
        generate("BLF-CRYPT", Password(LONG), cost=10),
        TIGHT + CACHE,
        LONG,
        LONG,
        breaks=False,
    ),
    "too many workers, and other escapes": Case(
        [{"MEM007", "PASS008"}], hashed(b"a&amp;b", 16), "", b"a&b", b"a&b", many=True
    ),
    "weak and refused, then a blank": Case(
        [{"HASH002"}, {"PASS003"}],
        generate("MD5-CRYPT", Password(SECRET)),
        "",
        b" " + SECRET,
        only=("2.4",),
    ),
    "three: memory, a cache too large, a line end": Case(
        [{"MEM001", "MEM008", "HASH011"}], hashed(SECRET + b"\n", 32), TIGHT + CACHE
    ),
    "three: a blank after the hash, then memory and the wrong case": Case(
        [{"HASH007"}, {"MEM001", "PASS002"}], f"{BIG} ", TIGHT, SECRET.swapcase(), store="pgsql"
    ),
    "three: no start, a cache too large, then memory": Case(
        [{"MEM006", "MEM008", "HASH007"}, {"MEM001"}], f"{hashed(SECRET, 64)} ", TIGHT + CACHE + WORKER
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_faults_at_once(proof: Make, dovecot_version: str, name: str) -> None:
    """Exactly these, in this order; then logins work and nothing is found."""
    case = CASES[name]
    dialect: Dialect = "2.3" if dovecot_version < "2.4" else "2.4"
    if dialect not in case.only:
        pytest.skip(f"for Dovecot {case.only[0]}")
    told = proof(dovecot_version, case.store, {"alice": hashed(case.right, 1)})
    told.password = case.right
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    told.password = case.sent
    told.lab.set_password("alice", case.stored)
    told.lab.configure(case.settings + (workers(dialect) if case.many else ""))
    told.lab.reload()
    for codes in case.finds:
        assert told.logins() == [not case.breaks]
        found = told.finds(codes, password=told.password)
        if TYPED & codes:
            told.password = case.right
        told.paste(found)
        if "PASS001" in codes:
            told.lab.set_password("alice", hashed(told.password, 1))
        told.lab.reload()
    assert told.logins(3) == [True] * 3
    told.finds(set(), password=told.password)
