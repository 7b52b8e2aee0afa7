"""LOG006 on a real Dovecot: auth connects to a port that closes without a pause, and what ends that.

The port is a proxy's whose backend, a real slapd, is away.
"""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from mailauth.dovecot.logreading import read_logs
from mailauth.dovecot.logreport import Reading
from mailauth.finding import Finding, Severity
from mailauth.lab import Lab
from mailauth.lab.stores.ldap import LdapStore
from tests.cli.running import mailauth
from tests.lab.test_stores import hashed
from tests.proofs.story import SECRET, Proof, record

Make = Callable[..., Proof]
LOST = b"Connection lost to LDAP server, reconnecting"


@dataclass
class Proxy:
    """A port that passes connections on, and closes them while its backend is ``away``."""

    backend: int
    away: bool = True
    door: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        return int(self.door.getsockname()[1])

    def serve(self) -> None:
        while True:
            try:
                client = self.door.accept()[0]
            except OSError:
                return
            if self.away:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.backend))
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=copied, args=(one, other), daemon=True).start()


def copied(one: socket.socket, other: socket.socket) -> None:
    with one, contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    one = Proxy(0)
    thread = threading.Thread(target=one.serve, daemon=True)
    thread.start()
    yield one
    one.door.shutdown(socket.SHUT_RDWR)
    one.door.close()
    thread.join()


def behind(lab: Lab, proxy: Proxy) -> tuple[Callable[[], None], Callable[[], None]]:
    """Two functions: set Dovecot to ask the proxy, and the server itself."""
    assert isinstance(lab.store, LdapStore)
    proxy.backend = lab.store.place.port
    path = lab.config if lab.dialect == "2.4" else lab.folder / "dovecot-ldap.conf.ext"
    text = path.read_text()
    changed = re.sub(rf"(ldap://[^:/]+):{proxy.backend}\b", rf"\1:{proxy.port}", text)
    assert changed != text

    def to_proxy() -> None:
        path.write_text(changed)
        lab.reload()

    def to_server() -> None:
        path.write_text(text)
        done = lab.run("doveadm", "reload")
        assert done.returncode == 0, done.stderr

    return to_proxy, to_server


def lines(lab: Lab) -> int:
    return (lab.folder / "log").read_bytes().count(LOST)


def floods(lab: Lab) -> None:
    """Ask, and wait until the log has as much as the rule wants to see."""

    def ask() -> None:
        with contextlib.suppress(Exception):  # there is no answer
            lab.login("alice", SECRET)

    before, end = lines(lab), time.monotonic() + 60
    threading.Thread(target=ask, daemon=True).start()
    there, began = before, None
    # The log's clock has seconds, and a burst is none yet: on a busy machine auth may rest after it.
    while there - before < 400 or began is None or time.monotonic() - began < 3.5 or lines(lab) == there:
        now = time.monotonic()
        assert now < end
        there = lines(lab)
        if there > before and began is None:
            began = now
        time.sleep(0.1)


def ends(lab: Lab) -> None:
    """Not one line more in two seconds; auth that was there before may go on for some."""
    end = time.monotonic() + 60
    before = -1
    while before != (before := lines(lab)):
        assert time.monotonic() < end, "the log still grows"
        time.sleep(2)


def flood_of(one: Proof) -> Finding:
    found = {finding.rule.code: finding for finding in one.look().diagnosis.findings}
    assert {"LDAP001", "LOG006"} == set(found), [finding.problem.says for finding in found.values()]
    assert found["LDAP001"].problem.certainty.value == "proven"
    return found["LOG006"]


def test_log006_an_ldap_port_that_closes(proof: Make, dovecot_version: str, proxy: Proxy) -> None:
    """Found on the running server and in its log alone; each of three remedies ends it."""
    one = proof(dovecot_version, "ldap-bind", {"alice": hashed(SECRET)})
    lab = one.lab
    to_proxy, to_server = behind(lab, proxy)
    to_proxy()
    floods(lab)
    found = flood_of(one)
    says = found.problem.says
    assert found.severity is Severity.BLOCKS_LOGIN
    assert re.search(r"\d{2,} lines a second, [\d.]+ [GM]B a day: ldap\(", says), says
    assert f"It lands in {lab.folder}/log, whose filesystem has " in says
    assert re.search(r"free: full in \d+ (days|hours|minutes|seconds)", says), says
    assert "Start the LDAP server behind that port" in found.problem.remedy.summary
    commands(lab)
    proxy.away = False
    ends(lab)
    assert lab.login("alice", SECRET).ok
    end = time.monotonic() + 60
    while one.look().diagnosis.findings:  # a line of five seconds ago is one of now
        assert time.monotonic() < end
        time.sleep(1)
    proxy.away = True
    lab.restart()
    floods(lab)
    to_server()
    ends(lab)
    assert lab.login("alice", SECRET).ok
    to_proxy()
    floods(lab)
    assert lab.run("doveadm", "stop").returncode == 0
    ends(lab)
    record(lab, "an LDAP port takes connections and closes them", ("LDAP001", "LOG006"))


def commands(lab: Lab) -> None:
    """Each names it, and says that it keeps users out."""
    which = ("--pid", str(lab.master_pid))
    told = mailauth("checkup", *which)
    assert "BLOCKS LOGIN  LOG006" in told.stdout, told.stdout
    told = mailauth("check", *which, "--state", str(lab.folder / "kept"), "--timeout", "60s", "workers")
    assert told.returncode == 2
    assert "LOG006" in told.stdout, told.stdout
    for words in (("log", *which), ("log", "--log", str(lab.folder / "log"))):
        told = mailauth(*words)
        assert told.returncode == 1
        assert "BLOCKS LOGIN  LOG006" in told.stdout, told.stdout
        assert "Start the LDAP server behind that port" in told.stdout
    report = read_logs(Reading((lab.folder / "log",)))
    [row] = [row for row in report.troubles if row.code]
    assert row.rate > 20
    assert row.bytes_per_day
