"""An ordinary user listens where Dovecot would: the password that is typed is not for them."""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.clients.door import Answer, Door
from mailauth.clients.listening import owners
from mailauth.clients.sasl import find
from mailauth.clients.talk import converse
from mailauth.errors import CannotObserve
from mailauth.hashes import Password
from mailauth.lab import Lab
from mailauth.load.imappool import ImapPool
from mailauth.load.plan import ImapTarget
from mailauth.load.pool import Bounds
from mailauth.load.users import Account, Mix
from tests.cli.running import ORDINARY, mailauth

_SERVER = """
import contextlib, socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as place:
    while True:
        link, _ = place.accept()
        with contextlib.suppress(OSError), link, link.makefile("rb") as lines:
            link.sendall(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\\r\\n")
            for line in lines:
                print(line, flush=True)
                if b"CAPABILITY" in line:
                    link.sendall(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\\r\\n")
                if b"AUTHENTICATE" in line:
                    link.sendall(b"+ \\r\\n")
                    print(lines.readline(), flush=True)
                link.sendall(line.split()[0] + b" OK done\\r\\n")
"""

_AUTH = """
import contextlib, socket, sys
place = socket.socket(socket.AF_UNIX)
place.bind(sys.argv[1])
place.listen()
print("listens", flush=True)
while True:
    link, _ = place.accept()
    with contextlib.suppress(OSError), link, link.makefile("rb") as lines:
        link.sendall(b"VERSION\\t1\\t2\\nMECH\\tPLAIN\\tplaintext\\nSPID\\t1\\nCUID\\t1\\nCOOKIE\\t00\\nDONE\\n")
        for line in lines:
            print(line, flush=True)
            if line.startswith(b"AUTH"):
                link.sendall(b"OK\\t" + line.split(b"\\t")[1] + b"\\tuser=alice\\n")
"""

_SOCKET = """
import socket, sys, time
place = socket.socket(socket.AF_UNIX)
place.bind(sys.argv[1])
place.listen()
print("listens", flush=True)
time.sleep(600)
"""
_QUICK = ("--users", "-", "--rate", "2", "--duration", "1", "--warm-up", "0")
_LOAD = ("load", *_QUICK, "--by", "imap", "--host")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_port_that_is_another_users(lab: Callable[..., Lab]) -> None:
    with lab(None, "passwd-file", {"alice": "{PLAIN}a-secret"}, protocols=("imap",)) as one:
        port = one.ports["imap"]
        os.kill(one.master_pid, 15)
        until = time.monotonic() + 60
        while owners(port):
            assert time.monotonic() < until
            time.sleep(0.01)
        words = (*ORDINARY, "/usr/bin/python3", "-c", _SERVER, str(port))
        with subprocess.Popen(words, cwd="/", stdout=subprocess.PIPE, text=True) as ran:
            try:
                while not owners(port):
                    assert time.monotonic() < until
                    time.sleep(0.01)
                done = mailauth("login", "alice", "-c", str(one.config), "--password-stdin", feed="a-secret")
                load = mailauth(*_LOAD, f"127.0.0.1:{port}", feed="alice,a-secret\n")
                said_no = converse(
                    Door("imap", "127.0.0.1", port, "plain"), find("PLAIN"), "alice", b"a-secret"
                )
                with pytest.raises(CannotObserve, match="another user's process took Dovecot's port"):
                    asyncio.run(_pool(port).open())
            finally:
                ran.kill()
            said = ran.stdout.read() if ran.stdout else ""
        assert "AUTHENTICATE" not in said
        assert "LOGIN" not in said
        assert "1 not tried" in done.stdout, done.stdout
        assert load.returncode == 1, load.stdout + load.stderr
        assert f"127.0.0.1:{port}: a process of user 65534 listens there" in load.stderr
        assert said_no.answer is Answer.NOT_TRIED


def _pool(port: int) -> ImapPool:
    """Of a load that began while Dovecot had its port: each connection is looked at."""
    mix = Mix((Account("alice", Password.of("a-secret")),), 0.0)
    return ImapPool(ImapTarget("127.0.0.1", port, tls=False), mix, Bounds(1, 5.0))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_socket_that_is_another_users() -> None:
    """Its name is right, and Dovecot does not listen there."""
    with tempfile.TemporaryDirectory() as folder:
        (place := Path(folder) / "theirs").mkdir()
        os.chown(place, 65534, 65534)
        Path(folder).chmod(0o755)
        path = place / "auth-client"
        with subprocess.Popen(
            (*ORDINARY, "/usr/bin/python3", "-c", _SOCKET, str(path)), cwd="/", stdout=subprocess.PIPE
        ) as ran:
            assert ran.stdout
            assert ran.stdout.readline() == b"listens\n"
            try:
                load = mailauth("load", *_QUICK, "--socket", str(path), feed="alice,a-secret\n")
            finally:
                ran.kill()
        assert load.returncode == 1, load.stdout + load.stderr
        assert f"{path}: a process of user 65534 listens there" in load.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_an_auth_socket_that_is_another_users(lab: Callable[..., Lab]) -> None:
    """Dovecot is down, and its folder is another user's, as Postfix's private one: they answer for auth."""
    with lab(None, "passwd-file", {"alice": "{PLAIN}a-secret"}, protocols=("imap",)) as one:
        os.kill(one.master_pid, 15)
        until = time.monotonic() + 60
        while owners(one.ports["imap"]) or one.auth_socket.exists():
            assert time.monotonic() < until
            one.auth_socket.unlink(missing_ok=True)
            time.sleep(0.01)
        for place in one.auth_socket.parents[:-2]:
            place.chmod(0o755)
        os.chown(one.auth_socket.parent, 65534, 65534)
        words = (*ORDINARY, "/usr/bin/python3", "-c", _AUTH, str(one.auth_socket))
        with subprocess.Popen(words, cwd="/", stdout=subprocess.PIPE, text=True) as ran:
            assert ran.stdout
            assert ran.stdout.readline() == "listens\n"
            config, given = ("-c", str(one.config)), ("--password-stdin",)
            try:
                done = mailauth("login", "alice", *config, *given, feed="a-secret")
                mailauth("diagnose", "alice", "--login", *config, *given, feed="a-secret")
                check = mailauth("check", "server", *config)
            finally:
                ran.kill()
            said = ran.stdout.read()
    assert "AUTH" not in said
    assert said == ""
    words_of_it = "a process of user 65534 listens there, not root's Dovecot"
    assert words_of_it in " ".join(done.stdout.split()), done.stdout
    assert check.returncode == 2
    assert words_of_it in " ".join(check.stdout.split()), check.stdout
