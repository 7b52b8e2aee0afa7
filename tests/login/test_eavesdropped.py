"""A server on another machine that says what the client wants to hear, and keeps what it is sent."""

import base64
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from mailauth.cli.login_run import named_doors
from mailauth.clients import talk
from mailauth.clients.door import Answer, Door, Tls
from mailauth.clients.sasl import find
from mailauth.clients.talk import converse
from mailauth.errors import UsageError
from mailauth.migrate.hashing import must_be_private
from tests.proofs.networks import Authority, Networks

PASSWORD = b"correct horse battery"
SENT = base64.b64encode(b"\0alice\0" + PASSWORD)
HOST, PORT = "10.77.0.2", 1143

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes networks")


class Thief:
    """An IMAP server in the other network: plain, with STARTTLS, or with TLS from the first byte on."""

    def __init__(self, nets: Networks, tls: Tls, certificate: Path) -> None:
        self.heard = b""
        self._tls, self._files = tls, certificate
        with nets.inside("server"):
            self._socket = socket.create_server((HOST, PORT))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError), ExitStack() as ends:
            link, _ = self._socket.accept()
            ends.callback(lambda: link.close())  # noqa: PLW0108 - the one of that moment
            link.settimeout(20)
            if self._tls == "tls":
                link = self._secured(link)
            link.sendall(b"* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready\r\n")
            while line := link.recv(4096):
                self.heard += line
                tag, _, word = line.partition(b" ")
                verb = word.strip().upper()
                if verb.startswith(b"AUTHENTICATE"):
                    link.sendall(b"+ \r\n")
                elif verb.startswith(b"CAPABILITY"):
                    link.sendall(b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n" + tag + b" OK done\r\n")
                elif verb.startswith(b"STARTTLS"):
                    link.sendall(tag + b" OK begin\r\n")
                    link = self._secured(link)
                else:
                    link.sendall(tag.strip() + b" OK done\r\n")

    def _secured(self, link: socket.socket) -> socket.socket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._files / "server.crt", self._files / "server.key")
        return context.wrap_socket(link, server_side=True)

    def close(self) -> None:
        self._thread.join(30)
        self._socket.close()


@pytest.fixture
def nets() -> Iterator[Networks]:
    made = Networks("client", "server")
    made.cable("client", "server", names=("c0", "s0"))
    made.address("client", "c0", "10.77.0.1/24")
    made.address("server", "s0", f"{HOST}/24")
    yield made
    made.close()


@pytest.mark.parametrize("tls", ["plain", "starttls", "tls"])
def test_no_password_goes_to_another_machine_unverified(nets: Networks, tmp_path: Path, tls: Tls) -> None:
    """Neither in the clear nor to whoever has a certificate of his own; with --insecure it does."""
    files = Authority(tmp_path)
    files.sign(HOST)
    plain = find("PLAIN")
    for guarded in (True, False):
        thief = Thief(nets, tls, tmp_path)
        with nets.inside("client"):
            told = converse(Door("imap", HOST, PORT, tls, guarded=guarded), plain, "alice", PASSWORD)
        thief.close()
        assert (SENT in thief.heard) is not guarded, told
        if guarded:
            assert told.answer is (Answer.NOT_TRIED if tls == "plain" else Answer.UNSEEN)
            assert "--insecure" in told.said


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_verified_certificate_is_enough(
    nets: Networks, tmp_path: Path, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Authority(tmp_path)
    files.sign(HOST)
    monkeypatch.setattr(talk, "verified", files.trust)
    thief = Thief(nets, tls, tmp_path)
    with nets.inside("client"):
        converse(Door("imap", HOST, PORT, tls, guarded=True), find("PLAIN"), "alice", PASSWORD)
    thief.close()
    assert SENT in thief.heard


def test_named_hosts_are_guarded_unless_told() -> None:
    assert all(door.guarded for door in named_doors(("mx.example.org:587",), ("465",), guarded=True))
    assert not any(door.guarded for door in named_doors(("mx.example.org:587",), (), guarded=False))


@pytest.mark.parametrize(
    "address",
    [
        "tcp://192.0.2.1:8786",
        "tcp://mail.example.org:8786",
        "192.0.2.1:8786",
        "ws://127.0.0.1:1",
        "ucx://h:1",
        "tcp://127.0.0.1:8786",
        "127.0.0.1:8786",
        "tcp://[::1]:8786",
        "inproc://127.0.0.1/1/1",
    ],
)
def test_hashes_go_to_no_cluster_in_the_clear(address: str) -> None:
    with pytest.raises(UsageError, match="in the clear"):
        must_be_private(address)
    must_be_private("tls://192.0.2.1:8786")
