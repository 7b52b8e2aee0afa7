"""The on-login service under attack: by an ordinary user, and with reports that Dovecot did not make so."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from resource import RLIMIT_NOFILE

import msgspec
import psutil
import pytest

from mailauth.dovecot.doveadm import Installation
from mailauth.migrate import limits, onlogin, sealed_password
from mailauth.migrate.limits import Failures, Seen
from mailauth.migrate.rehash import Rehashed
from tests.cli.running import mailauth
from tests.listening.attacker import attack, attacking
from tests.migrate.conftest import OnLoginLab, old_users, secret

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
Make = Callable[..., OnLoginLab]
USERS = 4
DESCRIPTORS = 256
MANY = 300
AS_SYSTEMD = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


def settings(found: OnLoginLab) -> dict[str, str]:
    text = (found.state / "on-login" / "settings.json").read_text()
    return {name: str(value) for name, value in json.loads(text).items()}


def test_the_port_is_roots_and_doveconf_shows_no_secret(on_login: Make, dovecot_version: str) -> None:
    found = on_login(dovecot_version, "passwd-file", old_users(1))
    high = ("enable", *found.at, "--port", "7467", "--profile", "owasp-7")
    refused = found.mailauth(*high, ok=False)
    assert refused.returncode != 0
    assert "--accept-unprivileged-port" in refused.stderr
    assert found.mailauth(*high, "--accept-unprivileged-port").returncode == 0
    found.mailauth("enable", *found.at, "--profile", "owasp-7", "--apply")
    kept = settings(found)
    assert attack("take", int(kept["port"])) == "EACCES"
    shown = Installation(str(found.lab.config), found.lab.master_pid).run(
        "doveconf", "-n", "-c", str(found.lab.config)
    )
    assert "hashed_password" in shown.out
    assert [name for name in ("key", "token", "nonce") if kept[name] in shown.out] == []


def test_settings_of_an_older_mailauth_are_refused(tmp_path: Path) -> None:
    """With what to do: no MAC, or a port that anyone may take."""
    old = onlogin.OnLogin("5e" * 32, "70" * 16, 7467, "/etc/dovecot/dovecot.conf", "ARGON2ID", {})
    with_nonce = msgspec.structs.replace(old, nonce="5e" * 32)
    assert "--accept-unprivileged-port" in onlogin.unfit(with_nonce)
    assert not onlogin.unfit(msgspec.structs.replace(with_nonce, accept_port=True))
    assert not onlogin.unfit(msgspec.structs.replace(with_nonce, port=340))
    folder = tmp_path / "state" / "on-login"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "settings.json").write_bytes(onlogin.dump(old))
    done = mailauth("migrate", "on-login", "serve", MAILAUTH_STATE=str(folder.parent))
    assert done.returncode == 2
    assert "on-login disable --apply; mailauth migrate on-login enable --apply" in done.stderr


def report(found: OnLoginLab, user: str) -> bytes:
    """The first, as Dovecot's debug log has it."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for one in re.findall(r"request JSON: ({.*})", found.lab.log()):
            if json.loads(one)["user"] == user:
                return str(one).encode()
        time.sleep(0.05)
    raise AssertionError(found.lab.log())


def request(found: OnLoginLab, body: bytes) -> bytes:
    token = settings(found)["token"]
    head = f"POST /?command=report HTTP/1.1\r\nHost: x\r\nX-Mailauth: key={token}\r\nX-API-Key: {token}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def send(found: OnLoginLab, body: bytes) -> bytes:
    """As root, whom the service hears."""
    with socket.create_connection(("127.0.0.1", found.port), timeout=60) as one:
        one.sendall(request(found, body))
        return one.recv(65536)


def flipped(report: bytes, name: str, at: int) -> bytes:
    """One hex digit of a field is another."""
    fields = json.loads(report)
    text = fields[name]
    spot = len(text) + at
    fields[name] = f"{text[:spot]}{int(text[spot], 16) ^ 1:x}{text[spot + 1 :]}"
    return json.dumps(fields).encode()


def test_forged_and_replayed_reports_are_refused_alike(on_login: Make, dovecot_version: str) -> None:
    """Padding made wrong, contents made wrong, another's name, another's MAC: one outcome, no hash made."""
    found = on_login(dovecot_version, "passwd-file", old_users(2), settings="auth_debug = yes\n")
    found.enable()
    assert all(found.lab.login(f"u{n}", secret(n)).ok for n in range(2))
    first, other = report(found, "u0"), report(found, "u1")
    fields = json.loads(first)
    forged = [
        flipped(first, "sealed", -2),  # of the last block: its padding
        flipped(first, "sealed", -33),  # its first byte, which is the password's
        flipped(first, "mac", -1),
        json.dumps(fields | {"user": "u1"}).encode(),
        json.dumps(fields | {"mac": json.loads(other)["mac"]}).encode(),
        json.dumps(fields | {"mac": ""}).encode(),
    ]
    found.start()
    for one in forged:
        assert b" 200 " in send(found, one)
    found.wait(Rehashed.FORGED, len(forged))
    assert found.totals()[Rehashed.NO_MATCH] == 0
    send(found, first)
    found.wait(Rehashed.MIGRATED, 1)
    found.stop()
    found.start()  # it knows nobody any more
    send(found, first)
    written = json.dumps(fields | {"sealed": fields["sealed"].replace("r=1$", "r=01$")}).encode()
    send(found, written)
    found.wait(Rehashed.REPLAYED, 2 if b"r=01$" not in written else 1)
    assert found.totals()[Rehashed.ALREADY] == 0


def test_the_same_work_whatever_a_report_comes_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A MAC for each length of padding, also where the padding is none."""
    made: list[int] = []
    real = sealed_password._mac

    def counted(nonce: str, name: bytes, password: bytes) -> bytes:
        made.append(1)
        return real(nonce, name, password)

    monkeypatch.setattr(sealed_password, "_mac", counted)
    counts = set()
    for last in range(256):
        sealed = sealed_password.parsed("00" * 16 + "$" + "11" * 15 + f"{last:02x}$", "22" * 32)
        assert sealed
        assert sealed_password.opened(sealed, "alice", "33" * 32, "44" * 32) is None
        counts.add(len(made))
        made.clear()
    assert counts == {16}


def test_an_ordinary_user_is_not_heard_and_stops_nobody(on_login: Make, tmp_path: Path) -> None:
    """Idle connections, half requests, a report with the token by one who closes at once; then root's own.

    The service runs with the capabilities of its unit and no others.
    """
    found = on_login(None, "sqlite", old_users(USERS), settings="auth_debug = yes\n")
    found.enable()
    assert found.lab.login("u0", secret(0)).ok
    bounding = re.findall(r"CapabilityBoundingSet=(.*)", found.mailauth("unit").stdout)
    kept = [f"+{word.removeprefix('CAP_').lower()}" for line in bounding for word in line.split()]
    journal = tmp_path / "journal"
    with journal.open("w") as file:
        by = (
            "setpriv",
            "--no-new-privs",
            f"--bounding-set=-all,{','.join([*kept, '+net_bind_service'])}",
            "--",
        )
        found.start(journal=file, by=by)
        assert found.service
        service = psutil.Process(found.service.pid)
        service.rlimit(RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        assert attack("take", found.port) == "EACCES"
        attack("gone", found.port, feed=request(found, report(found, "u0")))
        with attacking("idle", found.port, MANY), attacking("half", found.port, MANY):
            assert found.lab.login("u1", secret(1)).ok
            found.wait(Rehashed.MIGRATED, 1)
        with attacking("idle", found.port, MANY, uid=0), attacking("half", found.port, MANY, uid=0):
            assert found.lab.login("u2", secret(2)).ok
            found.wait(Rehashed.MIGRATED, 2)
            assert service.num_fds() < DESCRIPTORS
            assert service.num_threads() < 16
        assert found.stop() == 0
    stored = found.lab.store.users()
    assert [name for name, one in stored.items() if (one or "").startswith("{ARGON2ID}")] == ["u1", "u2"]
    said = journal.read_text().splitlines()
    assert len(said) < 100, said
    assert [line for line in said if "times more" in line]


def test_the_socket_that_systemd_holds_is_taken(on_login: Make) -> None:
    """And kept by systemd: who connects while the service is stopped is not refused."""
    found = on_login(None, "passwd-file", old_users(1))
    found.enable()
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", found.port))
        held.listen()
        found.service = subprocess.Popen(
            [sys.executable, "-c", AS_SYSTEMD, str(held.fileno()), *found.program("serve")],
            stderr=subprocess.PIPE,
            text=True,
            env=found.environment,
            pass_fds=[held.fileno()],
        )
        assert found.service.stderr
        assert "listening" in found.service.stderr.readline()
        assert found.lab.login("u0", secret(0)).ok
        found.wait(Rehashed.MIGRATED, 1)
        assert found.stop() == 0
        socket.create_connection(("127.0.0.1", found.port), timeout=60).close()


def test_failures_are_limited_by_user_and_in_all() -> None:
    failures = Failures()
    for _ in range(5):
        assert not failures.too_many("alice")
        failures.add("alice")
    assert failures.too_many("alice")
    assert not failures.too_many("bob")
    for _ in range(100):
        failures.forged.take()
    assert failures.too_many("bob")
    for number in range(limits._USERS + 10):
        failures.add(f"user{number}")
    assert len(failures._users) == limits._USERS


def test_what_was_seen_outlives_a_restart_and_is_bounded(tmp_path: Path) -> None:
    marks = [number.to_bytes(16, "big") for number in range(100)]
    seen = Seen(tmp_path / "seen", most=10)
    assert not any(seen.before(mark) for mark in marks)
    assert all(seen.before(mark) for mark in marks[-10:])
    again = Seen(tmp_path / "seen", most=10)
    assert all(again.before(mark) for mark in marks[-10:])
    assert not again.before(marks[0])
    assert (tmp_path / "seen").stat().st_size <= 21 * 16
    (tmp_path / "seen").write_bytes(b"torn")
    assert not Seen(tmp_path / "seen").before(marks[0])
    assert Seen(tmp_path / "seen").before(marks[0])
