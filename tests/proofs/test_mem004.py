"""MEM004 to MEM009: the other ways in which memory stops a login, or will."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from mailauth.dovecot.authsocket import AuthSocket
from mailauth.errors import CannotObserve
from mailauth.evidence import Host
from mailauth.finding import Certainty, Severity
from mailauth.hashes import Password, generate, libcrypt
from mailauth.lab import Lab
from tests.proofs.story import SECRET, Fault, MiB, Proof, argon2id

Make = Callable[..., Proof]

SMALL = argon2id(memory=19 * MiB)
BIG = argon2id(memory=256 * MiB)
PLAIN = generate("PLAIN", Password(SECRET))
VERIFIER = {"passwd-file": "auth", "pgsql": "auth", "sqlite": "auth-worker", "mysql": "auth-worker"}
OTHER = {"auth": "auth-worker", "auth-worker": "auth"}
CACHE = "auth_cache_size = 10M\n"


def limit(service: str, size: str) -> str:
    return f"service {service} {{\n  vsz_limit = {size}\n}}\n"


@pytest.mark.parametrize("store", ["passwd-file", "mysql"])  # auth verifies; a worker does
@pytest.mark.parametrize("size", ["1G", "no limit"])
def test_mem004(proof: Make, dovecot_version: str, store: str, size: str) -> None:
    """The service that does not verify is raised, and the hash fits: worth knowing, and no more."""
    told = proof(dovecot_version, store, {"alice": SMALL})
    service, other = VERIFIER[store], OTHER[VERIFIER[store]]
    none = "unlimited" if told.lab.dialect == "2.4" else "0"
    fault = Fault(limit(other, none if size == "no limit" else size), name="the other service's limit raised")
    [found] = told.story(fault, {"MEM004"}, answers=[True, True])
    assert found.rule.severity is Severity.NOTE
    assert f"it is {service} that verifies" in found.problem.says


def test_mem004_is_silent(proof: Make, dovecot_version: str) -> None:
    """Both raised; the right one raised; lowered; auth raised for its cache; a hash without memory."""
    told = proof(dovecot_version, "sqlite", {"alice": SMALL})
    for settings in (
        limit("auth", "1G") + limit("auth-worker", "1G"),
        limit("auth-worker", "1G"),
        limit("auth", "100M"),
        "default_vsz_limit = 1G\n",
        limit("auth", "1G") + CACHE + "auth_cache_verify_password_with_worker = yes\n",
    ):
        told.lab.configure(settings)
        told.lab.reload()
        told.finds(set(), password=told.password)
    told.lab.set_password("alice", PLAIN)
    told.lab.configure(limit("auth", "1G"))
    told.lab.reload()
    told.finds(set(), password=told.password)


@pytest.mark.parametrize("store", ["sqlite", "mysql"])
def test_mem005(proof: Make, dovecot_version: str, store: str) -> None:
    """Logins work, and each is looked up again: a new password is known at once, in spite of the cache."""
    told = proof(dovecot_version, store, {"alice": BIG}, settings=limit("auth-worker", "1G"))
    fault = Fault(CACHE + limit("auth-worker", "1G"), name="no memory in auth to verify cache hits")

    def debug(lab: Lab) -> None:
        lab.configure(f"{fault.settings}auth_debug = yes\n")

    before = told.look(password=told.password).diagnosis
    assert not before.undecided
    debugged = Fault(fault.settings, name=fault.name, do=debug)
    [found] = told.story(debugged, {"MEM005"}, answers=[True] * 3)
    assert found.rule.severity is Severity.NOTE
    assert found.problem.certainty is Certainty.PROVEN
    assert told.lab.logs("ache hit")
    # Now the cache verifies: auth has grown by a hash.
    auth = [p for p in told.lab.processes() if p.cmdline() and p.cmdline()[0] == "dovecot/auth"]
    peaks = [Path(f"/proc/{p.pid}/status").read_text().partition("VmPeak:")[2].split()[0] for p in auth]
    assert max(int(peak) for peak in peaks) > 256 * 1024


@pytest.mark.parametrize(
    ("store", "size", "stored"),
    [
        ("sqlite", "8M", PLAIN),
        ("sqlite", "8M", SMALL),
        ("mysql", "6M", PLAIN),
        ("passwd-file", "4M", PLAIN),
        ("pgsql", "4M", SMALL),
    ],
    ids=["sqlite-PLAIN", "sqlite-ARGON2ID", "mysql-PLAIN", "passwd-file-PLAIN", "pgsql-ARGON2ID"],
)
def test_mem006(proof: Make, dovecot_version: str, store: str, size: str, stored: str) -> None:
    """The service that verifies does not start, whatever is stored; the remedy is enough for both."""
    told = proof(dovecot_version, store, {"alice": stored})
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    told.lab.configure(limit(VERIFIER[store], size))
    told.lab.restart()
    told.finds({"MEM006"})
    with suppress(CannotObserve):  # auth itself: the connection is closed
        assert told.logins() == [False]
    [found] = told.finds({"MEM006"}, password=told.password)
    assert found.problem.certainty is Certainty.PROVEN
    assert f"No {VERIFIER[store]} process starts with {size[0]} MiB" in found.problem.says
    told.lab.settings_file.write_text(
        f"{told.lab.settings_file.read_text()}\n{found.problem.remedy.config[told.lab.dialect]}\n"
    )
    told.lab.restart()
    assert told.logins(3) == [True] * 3
    told.finds(set(), password=told.password)


def many(lab: Lab, count: int) -> str:
    if lab.dialect == "2.3":
        return f"auth_worker_max_count = {count}\n"
    return f"service auth-worker {{\n  process_limit = {count}\n}}\n"


@pytest.mark.parametrize("store", ["sqlite", "mysql"])
def test_mem007(proof: Make, dovecot_version: str, store: str) -> None:
    """So many workers that the machine has not the memory for all: a risk, and a smaller number ends it."""
    told = proof(dovecot_version, store, {"alice": SMALL})
    total = int(Path("/proc/meminfo").read_text().partition("MemTotal:")[2].split()[0]) * 1024
    count = total // (19 * MiB) + 10
    fault = Fault(many(told.lab, count), name="workers together exceed the memory")
    [found] = told.story(fault, {"MEM007"}, answers=[True, True])
    assert found.rule.severity is Severity.RISK
    [host] = [fact for fact in told.look().diagnosis.evidence if isinstance(fact, Host)]
    assert host.workers * 19 * MiB <= total // 2 + 19 * MiB


@pytest.mark.parametrize("store", ["passwd-file", "pgsql"])
def test_mem007_counts_one_where_auth_verifies(proof: Make, dovecot_version: str, store: str) -> None:
    told = proof(dovecot_version, store, {"alice": SMALL})
    told.lab.configure(many(told.lab, 100_000))
    told.lab.reload()
    told.finds(set(), password=told.password)


def control_group() -> Path | None:
    """A new control group with a limit on memory; None where none may be made."""
    for parent in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")):
        folder = parent / f"mailauth-mem007-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / "memory.max").exists() or (folder / "memory.limit_in_bytes").exists():
            return folder
        folder.rmdir()
    return None


def test_mem007_in_a_control_group(proof: Make, dovecot_version: str) -> None:
    """150 MiB for four hashes of 64: the finding; and the kernel kills workers, as it says."""
    group = control_group()
    if group is None:
        pytest.skip("no control group with a limit on memory can be made here")
    told = proof(dovecot_version, "sqlite", {"alice": argon2id(memory=64 * MiB, time=4)})
    try:
        name = "memory.max" if (group / "memory.max").exists() else "memory.limit_in_bytes"
        (group / name).write_text(str(150 * MiB))
        for process in told.lab.processes():
            with suppress(ProcessLookupError):  # it has ended
                (group / "cgroup.procs").write_text(str(process.pid))
        assert told.logins() == [True]
        [found] = told.finds({"MEM007"}, password=told.password)
        assert "The control group has 150 MiB" in found.problem.says
        end = time.monotonic() + 60
        while all(four_logins(told.lab)):  # they did not meet
            assert time.monotonic() < end
        assert told.lab.logs("killed with signal 9")
        told.paste([found])
        assert told.logins() == [True]  # 2.4's auth learns of process_limit from its first worker
        assert all(four_logins(told.lab))
    finally:
        told.lab.close()
        for _ in range(100):
            with suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.05)


def four_logins(lab: Lab) -> list[bool]:
    """At the same time."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one_login, [lab] * 4))


def one_login(lab: Lab) -> bool:
    with AuthSocket(lab.auth_socket, timeout=60) as auth:
        return auth.plain("alice", SECRET).ok


def test_mem008(proof: Make, dovecot_version: str) -> None:
    """The cache may grow beyond the process: logins work, until it is full; then auth dies, as is said."""
    variable = "%u" if dovecot_version < "2.4" else "%{user}"
    query = (
        f"SELECT '{variable}' AS user, password, '{'x' * 3500}' AS userdb_note FROM users"
        " WHERE userid = 'alice'"
    )
    told = proof(dovecot_version, "sqlite", {"alice": PLAIN}, query=query)
    fault = Fault(f"auth_cache_size = 100M\n{limit('auth', '36M')}", name="auth_cache_size over vsz_limit")

    def fill(lab: Lab) -> None:
        """Other users' entries, until auth is gone."""
        lab.reload()
        gone = False
        with suppress(CannotObserve), AuthSocket(lab.auth_socket, timeout=60) as auth:
            for number in range(20_000):
                gone = not auth.plain(f"user{number}", SECRET).ok
                if gone:
                    break
            else:
                raise AssertionError("the cache holds more than the limit")
        assert lab.logs("Out of memory")

    told.story(Fault(fault.settings, name=fault.name, do=fill), {"MEM008"}, answers=[True, True])


def test_mem008_boundary(proof: Make, dovecot_version: str) -> None:
    """Less than the limit, but not with the program itself: found.  With it: silent, empty or filled."""
    told = proof(dovecot_version, "sqlite", {"alice": PLAIN})
    told.lab.configure(f"auth_cache_size = 55M\n{limit('auth', '60M')}")
    told.lab.reload()
    assert told.logins() == [True]
    told.finds({"MEM008"}, password=told.password)
    told.lab.configure(f"auth_cache_size = 30M\n{limit('auth', '60M')}")
    told.lab.reload()
    assert told.logins() == [True]
    told.finds(set(), password=told.password)


@pytest.mark.parametrize("store", ["passwd-file", "sqlite"])
def test_mem009_yescrypt(proof: Make, dovecot_version: str, store: str) -> None:
    """Yescrypt's 16 MiB under a small limit: "Password mismatch" as for Argon2, and MEM001 says it all."""
    library = libcrypt.load()
    assert library
    made = libcrypt.crypt(library, SECRET, b"$y$j9T$abcdefgh12345678$")
    assert made
    told = proof(dovecot_version, store, {"alice": PLAIN})
    fault = Fault(
        "default_vsz_limit = 36M\n", {"alice": "{CRYPT}" + made.decode()}, name="yescrypt under a small limit"
    )
    told.story(fault, {"MEM001"}, answers=[False, False])
    assert told.lab.logs("Password mismatch")
