"""Each breakage of a real Dovecot is CRITICAL, with its cause, and OK again when it is undone."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from mailauth.check.outcome import Status
from mailauth.lab import Postgres
from tests.check.conftest import CANARY, LARGE, Watched
from tests.proofs.story import MiB, argon2id

Make = Callable[..., Any]
OTHER = argon2id(b"another", memory=1 * MiB)


@contextmanager
def breakage(one: Watched, check: str, says: str, *checks: str) -> Iterator[None]:
    """OK before; what is done inside is CRITICAL in ``check``, which says so; never UNKNOWN.

    ``checks``: those that are run; all where none is named.  Undo it inside, after ``yield``'s caller looks.
    With a short timeout, a busy machine may not come as far as the cause: it has twice the time then.
    """
    well(one, *checks)
    yield
    for _ in range(6):
        found = one.run(*checks)
        told = next(each.says for each in found.outcomes if each.check == check)
        if says in told:
            break
        one.asked = _within(one, min(60.0, 2 * one.asked.timeout))
    assert says in told, found
    assert found.status is Status.CRITICAL
    statuses = {each.check: each.status for each in found.outcomes}
    assert statuses[check] is Status.CRITICAL, found
    assert Status.UNKNOWN not in statuses.values(), found


def told(one: Watched, *checks: str) -> dict[str, str]:
    """What is not OK."""
    return {each.check: each.says for each in one.run(*checks).outcomes if each.status is not Status.OK}


def well(one: Watched, *checks: str) -> None:
    """OK again.  Dovecot's own caches and connections may take a moment to notice."""
    until = time.monotonic() + 60
    while (bad := told(one, *checks)) and time.monotonic() < until:
        time.sleep(0.2)
    assert bad == {}


def test_stopped_hanging_and_without_its_database(watched: Make, dovecot_version: str) -> None:
    """Breakages 1 to 4: of processes.  The database is down, and then it hangs."""
    with Postgres() as database, watched(dovecot_version, "pgsql", database=database) as one:
        with breakage(one, "server", "" if one.lab.build.root else "CONF018"):
            one.lab.stop()
        one.lab.restart()
        with breakage(one, "server", "AUTH012", "server", "canary"):
            auth = _named(one, "auth")
            for process in auth:
                process.suspend()
            one.asked = _within(one, 2.0)
        for process in auth:
            process.resume()
        one.asked = _within(one, 60.0)
        with breakage(one, "server", "DB001", "server", "rows", "headroom"):
            database.kill()
        database.start()
        with breakage(one, "server", "no answer within ", "server", "rows"):
            os.kill(database.pid, signal.SIGSTOP)
            one.asked = _within(one, 2.0)
        os.kill(database.pid, signal.SIGCONT)
        one.asked = _within(one, 60.0)
        well(one)


def _works(process: psutil.Process) -> bool:
    """Whether it is an auth-worker, which may outlive its auth for a moment."""
    with suppress(psutil.Error):
        return "-w" in " ".join(process.cmdline()).split()
    return False


def _named(one: Watched, name: str) -> list[psutil.Process]:
    """Those of the lab's processes that do not end while we look."""
    found = []
    for process in one.lab.processes():
        with suppress(psutil.NoSuchProcess):
            if process.name() == name:
                found.append(process)
    return found


def _within(one: Watched, seconds: float) -> Any:
    return replace(one.asked, timeout=seconds)


def test_memory_rows_and_passwords(watched: Make, dovecot_version: str) -> None:
    """Breakages 5 to 7: of what is stored, and of the room for it."""
    with watched(dovecot_version, "sqlite") as one:
        with breakage(one, "headroom", "STORE004", "headroom", "rows"):
            before = psutil.Process(one.lab.master_pid).children()
            one.lab.configure("service auth-worker {\n  vsz_limit = 40M\n}\n")
            one.lab.reload()
            psutil.wait_procs([each for each in before if _works(each)], timeout=60)
        one.lab.configure("")
        one.lab.reload()
        with breakage(one, "rows", "STORE003 "):
            one.lab.set_password("large", "{ARGON3}$argon3$v=19$m=65536,t=3,p=1$AAAA$AAAA")
        one.lab.set_password("large", LARGE)
        with breakage(one, "canary", "{ARGON2ID} mismatch"):
            one.lab.set_password("canary", OTHER)
        one.lab.set_password("canary", CANARY)
        well(one)


def test_sockets_listeners_and_limits(watched: Make, dovecot_version: str) -> None:
    """Breakages 8 to 11: between the client and auth."""
    old = dovecot_version < "2.4"
    once = "service_count" if old else "restart_request_count"
    no_certificate = "ssl = required\n" + (
        "ssl_cert =\n" if old else "ssl_server_cert_file =\nauth_allow_cleartext = no\n"
    )
    few = f"service imap-login {{\n  process_limit = 2\n  process_min_avail = 0\n  {once} = 1\n}}\n"
    with watched(dovecot_version, "passwd-file", protocols=("imap",), tls=True) as one:
        with breakage(one, "server", "CONF017", "server", "workers"):
            one.lab.configure("service auth {\n  unix_listener login/login {\n    mode = 0600\n  }\n}\n")
            one.lab.restart()
        one.lab.configure("")
        one.lab.restart()
        with breakage(one, "canary", "login process (imap-login)"):
            one.lab.configure("service imap-login {\n  executable = /bin/false\n}\n")
            one.lab.reload()
        one.lab.configure("")
        one.lab.reload()
        with breakage(one, "server", "NET007", "server"):
            one.lab.configure(no_certificate)
            one.lab.reload()
        one.lab.configure("")
        one.lab.reload()
        one.asked = replace(one.asked, host="127.0.0.1")
        with breakage(one, "server", "NET003"):
            certificate = one.lab.folder / "tls.crt"
            good = certificate.read_bytes()
            certificate.write_bytes(_expired(one, good))
            one.lab.reload()
        certificate.write_bytes(good)
        one.lab.configure(few)
        one.lab.reload()
        with breakage(one, "workers", "AUTH009"), ExitStack() as strangers:
            for _ in range(6):
                link = socket.create_connection(("127.0.0.1", one.lab.ports["imap"]), timeout=60.0)
                strangers.enter_context(link)
            assert one.lab.logs("process_limit (2) reached")
        one.lab.configure("")
        one.lab.reload()
        well(one)


def _expired(one: Watched, good: bytes) -> bytes:
    """The lab's certificate, as it would have been made a year ago."""
    old = x509.load_pem_x509_certificate(good)
    key = serialization.load_pem_private_key((one.lab.folder / "tls.key").read_bytes(), None)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=365))
        .not_valid_after(now - timedelta(days=1))
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    made = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
    return made.public_bytes(serialization.Encoding.PEM)


def test_failures_and_a_refused_configuration(watched: Make, dovecot_version: str) -> None:
    """Breakages 12 and 13: a burst of failures, which is over when the window is; a typing error."""
    with watched(dovecot_version, "sqlite") as one:
        with breakage(one, "failures", "12 password mismatch"):
            with ThreadPoolExecutor(12) as crowd:  # each waits for half a second
                answers = list(crowd.map(lambda _: one.lab.login("large", b"wrong").ok, range(12)))
            assert answers == [False] * 12
            until = time.monotonic() + 60
            while one.lab.log().count("assword mismatch") < 12:
                assert time.monotonic() < until
                time.sleep(0.01)
        with breakage(one, "server", "CONF"):
            one.lab.configure("auth_mechanism_typo = plain\n")
        one.lab.configure("")
        one.lab.reload()
        well(one)


def test_the_plugin_says_so_to_the_monitoring(watched: Make) -> None:
    """Status and first line, by the command itself."""
    with watched(None, "sqlite") as one:
        assert one.plugin()[0] == 0
        one.lab.set_password("canary", OTHER)
        status, output = one.plugin("--pause", "0")
        assert status == 2
        assert output.startswith("MAILAUTH CRITICAL - canary: ")
        one.lab.set_password("canary", CANARY)
        assert one.plugin("--pause", "0")[0] == 0
        one.lab.stop()
        assert one.plugin()[0] == 2
