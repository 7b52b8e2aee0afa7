"""What a tenth look found: failures beside logins that work, logs without times, a passdb named master."""

import imaplib
import json
import re
import socket
from collections.abc import Callable

import pytest

from tests.cli.running import mailauth
from tests.field.chains import Part, passwd_file, server
from tests.field.rig import Rig
from tests.field.test_red_other import GOOD, SECRET, USER

MakeRig = Callable[..., Rig]
_AT = f"{USER}@example.org"
_SEVERAL = 5  # failures before a pattern is told
_VERSIONS = pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])


def logs_in(one: Rig, password: str, *, name: str = _AT, here: str = "127.0.0.1") -> bool:
    """Of a client at ``here``."""

    class Client(imaplib.IMAP4):
        def _create_socket(self, timeout: float | None) -> socket.socket:
            where = ("127.0.0.1", one.ports["imap"])
            return socket.create_connection(where, timeout=timeout, source_address=(here, 0))

    with Client(timeout=60) as client:
        try:
            return client.login(name, password)[0] == "OK"
        except imaplib.IMAP4.error:
            return False


def logged(words: tuple[str, ...], *, feed: str = "", status: int = 1) -> str:
    told = mailauth("log", *words, feed=feed)
    assert told.returncode == status, told.stdout + told.stderr
    return re.sub(r"\s+", " ", told.stdout)


@_VERSIONS
def test_failures_beside_logins_that_work(rig: MakeRig, version: str) -> None:
    """One client has an old password; then the name is cut, and who logged in is nobody's name."""
    one = server(rig, version, passwd_file({_AT: GOOD}))
    for _ in range(_SEVERAL):
        assert not logs_in(one, "an older one", here="127.0.0.2")
    assert logs_in(one, SECRET)
    told = logged(("--pid", str(one.master_pid)))
    assert f"{_AT} logs in from 127.0.0.1" in told
    assert f"{_AT} 5 Password mismatch 127.0.0.2" in told
    cut = "%n" if version < "2.4" else "%{user | username}"
    one.edit("dovecot.conf", "protocols = imap\n", f"protocols = imap\nauth_username_format = {cut}\n")
    one.restart()
    assert not logs_in(one, SECRET)
    told = logged(("--pid", str(one.master_pid)))
    assert f"{_AT} logged in until " in told, told
    assert "was auth_username_format changed?" in told


@_VERSIONS
def test_a_passdb_named_master(rig: MakeRig, version: str) -> None:
    """Its lines are not those of the process of that name, and its user is no mailbox that is missing."""
    masters = Part(
        "driver = passwd-file\n  args = @DIR@/masters\n  master = yes",
        "passdb master {\n  driver = passwd-file\n  master = yes\n  passwd_file_path = @DIR@/masters\n}\n",
        {"masters": f"admin:{GOOD}\n"},
    )
    more = "auth_master_user_separator = *\n"
    one = server(rig, version, masters, passwd_file({_AT: GOOD}), more=more)
    assert not logs_in(one, "not it", name=f"{_AT}*admin")
    told = logged(("--pid", str(one.master_pid)))
    assert "admin 1 Password mismatch" in told, told
    assert "USER001" not in told
    assert not logs_in(one, SECRET, name="nobody")
    assert "USER001" in logged(("nobody", "--pid", str(one.master_pid)))


def test_a_container_that_writes_no_time() -> None:
    """The engine's own time counts, and a login that failed is no log without one."""
    end = "Login aborted: Connection closed (auth failed, 1 attempts in 2 secs) (auth_failed)"
    said = (
        f"auth: Info: passwd-file({USER},192.0.2.6,<a1>): Password mismatch",
        f"imap-login: Info: {end}: user=<{USER}>, method=PLAIN, rip=192.0.2.6, lip=192.0.2.1, session=<a1>",
    )
    stamp = "2026-11-23T14:58:01.000000001Z"
    lines = [json.dumps({"log": f"{one}\n", "stream": "stderr", "time": stamp}) for one in said]
    told = logged(("--log", "-"), feed="\n".join(lines) + "\n")
    assert "1 failed login of 1 user" in told, told
    assert "Password mismatch 192.0.2.6 2026-11-23" in told
    bad = [json.dumps({"log": f"{one}\n", "time": 7}) for one in said]
    assert "No line is one of Dovecot's" in logged(("--log", "-"), feed="\n".join(bad) + "\n", status=0)


def test_auth_that_is_killed_keeps_users_out() -> None:
    """Nobody's name is in its line."""
    line = "Nov 23 14:58:01 auth: Fatal: master: service(auth): child 303 killed with signal {}\n"
    told = logged(("--log", "-"), feed=line.format(9))
    assert "killed from outside: by the kernel where memory ran out" in told
    assert "from outside" not in logged(("--log", "-"), feed=line.format(11))


def test_the_journals_export_is_named() -> None:
    """Its times stand in lines of their own."""
    feed = "__REALTIME_TIMESTAMP=1764000000000000\nSYSLOG_IDENTIFIER=dovecot\nMESSAGE=imap-login: Info: x\n\n"
    told = mailauth("log", "--log", "-", feed=feed)
    assert told.returncode == 2
    assert "journalctl -o json" in told.stderr
