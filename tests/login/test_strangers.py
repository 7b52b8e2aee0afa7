"""An ordinary user listens where Dovecot would: the password that is typed is not for them."""

import os
import subprocess
import time
from collections.abc import Callable

import pytest

from mailauth.clients.listening import owners
from mailauth.lab import Lab
from tests.cli.running import ORDINARY, mailauth

_SERVER = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as place:
    while True:
        link, _ = place.accept()
        with link, link.makefile("rb") as lines:
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
            finally:
                ran.kill()
            said = ran.stdout.read() if ran.stdout else ""
        assert "AUTHENTICATE" not in said
        assert "1 not tried" in done.stdout, done.stdout
