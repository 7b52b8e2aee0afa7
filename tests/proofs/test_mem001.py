"""MEM001: the hash needs more memory than the verifying process may use.  The story mailauth began with."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.releases import WORKER_HIT_FALLS_BACK
from mailauth.evidence import Verifiers
from mailauth.finding import Certainty, Finding
from tests.proofs.story import Fault, MiB, Proof, argon2id

BIG = argon2id(memory=256 * MiB)
SMALL = argon2id(memory=19 * MiB)
VERIFIER = {"passwd-file": "auth", "pgsql": "auth", "sqlite": "auth-worker", "mysql": "auth-worker"}
OTHER = {"auth": "auth-worker", "auth-worker": "auth"}
CACHE = "auth_cache_size = 10M\n"
CACHE_WITH_WORKER = CACHE + "auth_cache_verify_password_with_worker = yes\n"

Make = Callable[..., Proof]


def limit(service: str, size: str) -> str:
    return f"service {service} {{\n  vsz_limit = {size}\n}}\n"


def named(found: list[Finding]) -> set[str]:
    """The services that the finding raises."""
    return {
        line.split()[1]
        for finding in found
        for line in finding.problem.remedy.config["2.3"].splitlines()
        if line.startswith("service ")
    }


@pytest.mark.core
def test_the_default_limit(proof: Make, dovecot_version: str, store: str) -> None:
    """A 256 MiB hash under the default limit; the remedy names the service that verifies."""
    told = proof(dovecot_version, store, {"alice": SMALL})
    found = told.story(Fault(users={"alice": BIG}), {"MEM001"}, answers=[False, False])
    service = VERIFIER[store]
    assert named(found) == {service}
    assert f"the {service} process that verifies it" in found[0].problem.says
    assert "Every login fails." in found[0].problem.says
    assert found[0].problem.certainty is Certainty.PROVEN


def test_only_the_other_service_raised(proof: Make, dovecot_version: str, store: str) -> None:
    """What the manual says, done to the service that does not count."""
    told = proof(dovecot_version, store, {"alice": SMALL})
    service, other = VERIFIER[store], OTHER[VERIFIER[store]]
    fault = Fault(limit(other, "1G"), {"alice": BIG})
    found = told.story(fault, {"MEM001"}, answers=[False, False])
    assert named(found) == {service}
    assert f"service {other} has 1 GiB" in found[0].problem.says
    assert f"that is not the one that counts: with the driver {store}, {service} verifies" in (
        found[0].problem.says
    )


def test_with_a_cache(proof: Make, dovecot_version: str, store: str) -> None:
    """auth_cache alone moves nothing that blocks: what is short is the process that looks up."""
    told = proof(dovecot_version, store, {"alice": SMALL})
    fault = Fault(CACHE, {"alice": BIG})
    found = told.story(fault, {"MEM001"}, answers=[False, False])
    assert "Every login fails" in found[0].problem.says, "whoever verifies, from the cache or not"
    # Where a worker verifies, auth needs room too: it verifies the hits of its cache.
    asks_again = VERIFIER[store] == "auth-worker"
    assert named(found) == ({"auth", "auth-worker"} if asks_again else {VERIFIER[store]})


def test_with_a_cache_that_workers_verify(proof: Make, dovecot_version: str, store: str) -> None:
    """For pgsql both limits count: auth's on a lookup, auth-worker's on a hit."""
    told = proof(dovecot_version, store, {"alice": SMALL})
    fault = Fault(CACHE_WITH_WORKER, {"alice": BIG})
    found = told.story(fault, {"MEM001"}, answers=[False, False])
    assert named(found) == ({"auth", "auth-worker"} if store == "pgsql" else {VERIFIER[store]})
    assert "Every login fails" in found[0].problem.says


def test_only_the_workers_of_the_cache_are_short(proof: Make, dovecot_version: str) -> None:
    """Pgsql with a cache that workers verify, auth raised: OK, then FAIL; from 2.4.5 on looked up again."""
    told = proof(dovecot_version, "pgsql", {"alice": SMALL})
    fault = Fault(CACHE_WITH_WORKER + limit("auth", "1G"), {"alice": BIG})
    if WORKER_HIT_FALLS_BACK.holds(told.lab.version):
        [unused] = told.story(fault, {"MEM005"}, answers=[True] * 3)
        assert "auth-worker, which verifies the hits" in unused.problem.says
        return
    found = told.story(fault, {"MEM001"}, answers=[True, False, False])
    assert named(found) == {"auth-worker"}
    assert "The first login works; those that the auth cache answers fail." in found[0].problem.says


def test_only_the_lookup_is_short(proof: Make, dovecot_version: str) -> None:
    """Pgsql with a cache that workers verify, workers raised: FAIL, then OK."""
    told = proof(dovecot_version, "pgsql", {"alice": SMALL})
    fault = Fault(CACHE_WITH_WORKER + limit("auth-worker", "1G"), {"alice": BIG})
    found = told.story(fault, {"MEM001"}, answers=[False, True, True])
    assert named(found) == {"auth"}
    assert "Logins fail until the user is in the auth cache" in found[0].problem.says


def test_a_small_auth_that_falls_back_is_not_mem001(proof: Make, dovecot_version: str) -> None:
    """Sqlite with a cache, auth small: Dovecot quietly asks the worker again, and logins work."""
    told = proof(dovecot_version, "sqlite", {"alice": BIG}, settings=CACHE + limit("auth-worker", "1G"))
    assert told.logins(3) == [True] * 3
    told.finds({"MEM005"}, password=told.password)


@pytest.mark.dovecot(">= 2.4")
@pytest.mark.parametrize("store", ["passwd-file", "pgsql"])
def test_use_worker(proof: Make, dovecot_version: str, store: str) -> None:
    """2.4's passdb_use_worker=yes moves the verification to auth-worker."""
    told = proof(dovecot_version, store, {"alice": SMALL}, passdb_extra="use_worker = yes")
    fault = Fault(limit("auth", "1G"), {"alice": BIG})
    found = told.story(fault, {"MEM001"}, answers=[False, False])
    assert named(found) == {"auth-worker"}
    assert "service auth has 1 GiB" in found[0].problem.says


def test_a_real_login_agrees(proof: Make, dovecot_version: str, store: str) -> None:
    """--login asks the auth socket and doveadm; both say no, and both are in the evidence."""
    told = proof(dovecot_version, store, {"alice": BIG})
    seen = told.look(password=told.password, login=True).diagnosis.evidence
    replies = [reply for fact in seen for reply in getattr(fact, "replies", ())]
    assert [(r.way, r.ok) for r in replies] == [("auth socket", False), ("doveadm auth test", False)]


def test_a_wrong_password_where_memory_suffices(proof: Make, dovecot_version: str, store: str) -> None:
    """The look-alike: the same log line, and never MEM001."""
    told = proof(dovecot_version, store, {"alice": BIG}, settings="default_vsz_limit = 1G\n")
    assert told.logins() == [True]
    assert not told.lab.login("alice", b"wrong").ok
    found = told.finds({"PASS001"}, password=b"wrong")
    assert found[0].problem.certainty is Certainty.PROVEN
    assert told.lab.logs("Password mismatch")


def test_the_verifier_is_observed_not_assumed(proof: Make, dovecot_version: str, store: str) -> None:
    """Size, limit and PID are of a running process of that Dovecot."""
    told = proof(dovecot_version, store, {"alice": BIG})
    facts = told.look().diagnosis.evidence
    [seen] = [fact for fact in facts if isinstance(fact, Verifiers)]
    assert seen.miss.pid in {process.pid for process in told.lab.processes()}
    assert seen.miss.limit == 256 * MiB
    assert 4 * MiB < seen.miss.size < 64 * MiB


@pytest.mark.parametrize("store", ["passwd-file", "sqlite"])  # auth verifies; a worker does
@pytest.mark.parametrize("busy_with", [200, 100])
def test_a_process_that_verifies_just_now(
    proof: Make, dovecot_version: str, store: str, busy_with: int
) -> None:
    """Somebody else's login is no part of the idle process: 100 MiB fit, and are never said not to.

    While the only process works on a hash of another size and does not pause, its own size cannot be
    told: that is said.  A moment later it can.
    """
    alice = argon2id(memory=100 * MiB)
    slow = argon2id(memory=busy_with * MiB).replace("t=1", "t=60")
    told = proof(dovecot_version, store, {"alice": alice, "bob": slow}, settings="default_vsz_limit = 250M\n")
    assert told.logins(2) == [True, True]
    with AuthSocket(told.lab.auth_socket, timeout=120) as other, ThreadPoolExecutor(1) as pool:
        busy = pool.submit(other.plain, "bob", b"wrong")
        time.sleep(0.2)
        diagnosis = told.look().diagnosis
        assert {finding.rule.code for finding in diagnosis.findings} <= {"AUTH010"}  # which bob's hash blocks
        for one in diagnosis.undecided:
            assert "busy with logins" in one.missing.reason
        assert not busy.result().ok
    told.finds(set())
