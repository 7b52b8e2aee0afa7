"""Clients that left without a name, and users whose login works again, by a real Dovecot's log."""

import json
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from imaplib import IMAP4, IMAP4_SSL

from mailauth.lab import Lab
from mailauth.lab.ports import HOST
from tests.cli.running import mailauth

SECRET = "correct horse"
SETTINGS = {"2.3": "disable_plaintext_auth = no\n", "2.4": "auth_allow_cleartext = yes\n"}


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_clients_without_a_name_and_one_that_works_again(
    lab: Callable[..., Lab], dovecot_version: str
) -> None:
    users = {"alice": "{PLAIN}another", "bob": "{PLAIN}" + SECRET}
    settings = SETTINGS[dovecot_version[:3]] + "auth_verbose = yes\n"
    with lab(dovecot_version, "passwd-file", users, settings, ("imap",), tls=True) as one:
        imap, imaps = one.ports["imap"], one.ports["imaps"]
        with socket.create_connection((HOST, imap), 30) as client:
            client.recv(1024)  # and goes
        with socket.create_connection((HOST, imaps), 30) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            client.recv(1024)
        with suppress(ssl.SSLError), socket.create_connection((HOST, imaps), 30) as plain:
            ssl.create_default_context().wrap_socket(plain, server_hostname="mail.example.org")
        for user in ("alice", "bob"):
            with suppress(IMAP4.error), IMAP4_SSL(HOST, imaps, ssl_context=unchecked()) as client:
                client.login(user, "wrong")
        one.set_password("alice", "{PLAIN}" + SECRET)
        with IMAP4_SSL(HOST, imaps, ssl_context=unchecked()) as client:
            client.login("alice", SECRET)
        assert one.logs("user=<bob>", times=1)
        assert one.logs("user=<>", times=3)
        words = ("log", "--pid", str(one.master_pid))
        told = mailauth(*words).stdout
        report = json.loads(mailauth(*words, "--json").stdout)
    for did in (
        "connected, and did not try to log in",
        "spoke no TLS on a port that wants it",
        "refused the certificate in the TLS handshake",
    ):
        assert did in told, told
    assert {row["address"] for row in report["nameless"]} == {HOST}
    works = {row["user"]: row["works"] for row in report["rows"]}
    assert works["alice"], report["rows"]
    assert works["bob"] == ""
    assert "works since" in told
    assert "alice" not in [one["user"] for one in report["looked"]]
    assert "bob" in [one["user"] for one in report["looked"]]
