"""What the log says, proven by making a real Dovecot say it, and by mending what made it."""

import contextlib
import imaplib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import psutil
import pytest

from mailauth.dovecot.authsocket import AuthSocket
from mailauth.errors import CannotObserve
from mailauth.finding import Finding, Severity
from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from tests.proofs.story import SECRET, MiB, Proof, argon2id, record

Make = Callable[..., Proof]
GOOD = argon2id(memory=1 * MiB)


def told(
    told_in: Proof, settings: str, provoke: Callable[[Lab], None], says: str, codes: set[str]
) -> list[Finding]:
    """A story whose fault is an event: what the log tells counts from the last reload on."""
    assert told_in.logins() == [True]
    told_in.finds(set(), password=told_in.password)
    told_in.lab.configure(settings)
    told_in.lab.reload()
    told_in.finds(set(), password=told_in.password)
    provoke(told_in.lab)
    assert told_in.lab.logs(says)
    found = told_in.finds(codes, password=told_in.password)
    told_in.finds(codes)
    told_in.paste(found)
    return found


def mended(told_in: Proof, name: str, found: list[Finding]) -> None:
    """Logins work, nothing is found, and the matrix has a line."""
    assert told_in.logins(3) == [True] * 3
    told_in.finds(set(), password=told_in.password)
    told_in.finds(set())
    record(told_in.lab, name, (finding.rule.code for finding in found))


def workers(lab: Lab, count: int) -> str:
    if lab.dialect == "2.3":
        return f"auth_worker_max_count = {count}\n"
    return f"service auth-worker {{\n  process_limit = {count}\n}}\n"


@cache
def rounds_in_a_second() -> float:
    """Of SHA512-CRYPT, on this processor, whatever else it does."""
    began, rounds = time.process_time(), 300_000
    generate("SHA512-CRYPT", Password(SECRET), rounds=rounds)
    return rounds / (time.process_time() - began)


def slow(seconds: float) -> str:
    """A hash of nobody's password, which takes the processor so long to verify."""
    return f"{{SHA512-CRYPT}}$6$rounds={int(seconds * rounds_in_a_second())}$saltsalt${'x' * 86}"


def verifying(lab: Lab) -> psutil.Process:
    """The process that verifies a slow hash, as soon as one does."""
    used: dict[int, float] = {}
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for process in lab.processes():
            with contextlib.suppress(psutil.Error):
                if process.name() in ("auth", "auth-worker"):
                    now = sum(process.cpu_times()[:2])
                    if now > used.setdefault(process.pid, now) + 0.2:
                        return process
        time.sleep(0.01)
    raise AssertionError("nothing is verified")


def at_once(lab: Lab, count: int) -> None:
    """Logins of a user whose hash takes long, all at the same time."""
    threads = [threading.Thread(target=lab.login, args=("slow", SECRET)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_auth007_worker_queue(proof: Make, dovecot_version: str) -> None:
    one = proof(dovecot_version, "sqlite", {"alice": GOOD, "slow": slow(1.8)})
    found = told(
        one,
        workers(one.lab, 1),
        lambda lab: at_once(lab, 4),
        "was queued for",
        {"AUTH007"},
    )
    before = one.lab.log().count("was queued for")
    at_once(one.lab, 4)
    assert one.lab.log().count("was queued for") == before
    mended(one, "too few workers", found)


@contextlib.contextmanager
def clients(path: Path, count: int) -> Iterator[None]:
    """So many connections to a socket of Dovecot's."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            one = stack.enter_context(socket.socket(socket.AF_UNIX))
            one.connect(str(path))
        yield


@pytest.mark.core
def test_auth008_client_limit(proof: Make, dovecot_version: str) -> None:
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD})

    def crowd(lab: Lab) -> None:
        with clients(lab.auth_socket, 30):
            assert lab.logs("client_limit (20) reached")
            with pytest.raises(CannotObserve):
                AuthSocket(lab.auth_socket, timeout=1.0)

    settings = "service auth {\n  client_limit = 20\n}\n"
    found = told(one, settings, crowd, "client_limit (20) reached", {"AUTH008"})
    with clients(one.lab.auth_socket, 30):
        mended(one, "client_limit", found)


@contextlib.contextmanager
def strangers(port: int, count: int) -> Iterator[None]:
    """So many connections that never log in."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5.0))
        yield


def test_auth009_process_limit(proof: Make, dovecot_version: str) -> None:
    once = "service_count" if dovecot_version < "2.4" else "restart_request_count"
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))
    settings = f"service imap-login {{\n  process_limit = 2\n  process_min_avail = 0\n  {once} = 1\n}}\n"

    def crowd(lab: Lab) -> None:
        with strangers(lab.ports["imap"], 6):
            assert lab.logs("process_limit (2) reached")

    found = told(one, settings, crowd, "process_limit (2) reached", {"AUTH009"})
    with strangers(one.lab.ports["imap"], 6):
        mended(one, "process_limit", found)


@pytest.mark.parametrize(("service", "store"), [("auth-worker", "sqlite"), ("auth", "passwd-file")])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_auth011_crashed(
    proof: Make, dovecot_version: str, service: str, store: str, number: signal.Signals
) -> None:
    one = proof(dovecot_version, store, {"alice": GOOD, "slow": slow(60.0)})

    def kill(lab: Lab) -> None:
        answers: list[bool] = []

        def log_in() -> None:
            with contextlib.suppress(CannotObserve):  # auth itself may be what is killed
                answers.append(lab.login("slow", SECRET).ok)

        thread = threading.Thread(target=log_in)
        thread.start()
        verifying(lab).send_signal(number)
        thread.join()
        assert answers in ([], [False])

    says = f"killed with signal {number.value}"
    found = told(one, "", kill, says, {"AUTH011"})
    assert service in found[0].problem.says
    one.lab.reload()
    mended(one, f"{service} {says}", found)


def test_auth012_no_answer(proof: Make, dovecot_version: str) -> None:
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))

    def hang(lab: Lab) -> None:
        auth = next(p for p in lab.processes() if p.name() == "auth")
        os.kill(auth.pid, signal.SIGSTOP)
        try:
            with strangers(lab.ports["imap"], 1):
                assert lab.logs("Auth process not responding", 40.0)
        finally:
            os.kill(auth.pid, signal.SIGCONT)

    found = told(one, "", hang, "Auth process not responding", {"AUTH012"})
    assert found[0].severity is Severity.RISK  # it answers again
    mended(one, "auth is stopped", found)


def test_auth012_a_lookup_timed_out(proof: Make, dovecot_version: str) -> None:
    """The line that bench/lookup_timeout.py made both Dovecots log, after 60 seconds each."""
    one = proof(dovecot_version, "sqlite", {"alice": GOOD})
    said = "auth: Error: auth-worker: Aborted PASSV request for alice: Lookup timed out"

    def log(lab: Lab) -> None:
        with (lab.folder / "log").open("a") as file:
            file.write(f"{time.strftime('%b %d %H:%M:%S')} {said}\n")

    found = told(one, "", log, said, {"AUTH012"})
    assert found[0].severity is Severity.RISK
    one.lab.reload()
    mended(one, "a worker is stopped", found)


def imap_fails(lab: Lab, user: str, password: str) -> None:
    """A login as a mail program makes it, which fails."""
    client = imaplib.IMAP4("127.0.0.1", lab.ports["imap"], timeout=30)
    with pytest.raises(imaplib.IMAP4.error):
        client.login(user, password)
    client.shutdown()


@pytest.mark.parametrize("form", ["sha1:6", "sha1:8"])
def test_pass007_client_sends_old(proof: Make, dovecot_version: str, form: str) -> None:
    settings = f"auth_verbose_passwords = {form}\n"
    one = proof(dovecot_version, "sqlite", {"alice": GOOD}, settings=settings, protocols=("imap",))
    assert one.logins() == [True]
    one.finds(set(), password=one.password)
    for _ in range(3):
        imap_fails(one.lab, "alice", "the old one")
    one.finds({"AUTH020"})  # without the right password nobody can tell why
    one.finds({"PASS001"}, password=b"the old one")
    found = one.finds({"PASS007"}, password=one.password)
    assert "127.0.0.1 (3 times)" in found[0].problem.says
    one.lab.reload()  # the client has the new password, and the count begins anew
    mended(one, "the client sends the old password", found)


def test_pass007_is_silent_when_a_person_tries_many(proof: Make, dovecot_version: str) -> None:
    settings = "auth_verbose_passwords = sha1:6\n"
    one = proof(dovecot_version, "sqlite", {"alice": GOOD}, settings=settings, protocols=("imap",))
    for number in range(4):
        imap_fails(one.lab, "alice", f"guess {number}")
    one.finds(set(), password=one.password)


def test_log001_grows_without_bound(proof: Make, dovecot_version: str) -> None:
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))

    def retry(lab: Lab) -> None:
        client = imaplib.IMAP4("127.0.0.1", lab.ports["imap"], timeout=30)
        for _ in range(35):
            try:
                client.login("alice", "the old one")
            except imaplib.IMAP4.abort:  # a login process allows so many, and ends the connection
                client = imaplib.IMAP4("127.0.0.1", lab.ports["imap"], timeout=30)
            except imaplib.IMAP4.error:
                continue
        client.shutdown()

    found = told(one, "", retry, "Password mismatch", {"LOG001"})
    assert "'alice' fails from 127.0.0.1" in found[0].problem.says
    one.lab.reload()
    mended(one, "a client retries for ever", found)


def test_auth010_auth_blocked(proof: Make, dovecot_version: str) -> None:
    """One slow hash after the other, in the one process that all have to ask."""
    # It takes no memory that auth must be idle for.
    quick = generate("SHA512-CRYPT", Password(SECRET), rounds=5000)
    one = proof(dovecot_version, "passwd-file", {"alice": quick, "slow": slow(2.0)})
    assert one.logins() == [True]
    one.finds(set(), password=one.password)
    flood = threading.Thread(target=at_once, args=(one.lab, 4))
    flood.start()
    verifying(one.lab)
    found = one.finds({"AUTH010"})
    flood.join()
    one.finds(set())
    one.lab.set_password("slow", quick)  # what the remedy says in words, of the hash that is slow
    one.paste(found)
    one.lab.set_password("alice", quick)
    flood = threading.Thread(target=at_once, args=(one.lab, 4))
    flood.start()
    one.finds(set())
    flood.join()
    mended(one, "auth verifies slow hashes itself", found)
