"""A server on another machine that says what the client wants to hear, and keeps what it is sent."""

import base64
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from mailauth.cli.login_run import named_doors
from mailauth.clients import talk
from mailauth.clients.door import Answer, Door, Tls, leaves
from mailauth.clients.sasl import find
from mailauth.clients.talk import converse
from mailauth.errors import UsageError
from mailauth.migrate.hashing import must_be_private
from tests.cli.running import ROOT
from tests.conftest import missing
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


REDIRECT = f"""table ip sent_on {{
    chain out {{
        type nat hook output priority -100;
        ip daddr 127.0.0.1 tcp dport {PORT} dnat to {HOST}
    }}
    chain after {{
        type nat hook postrouting priority 100;
        ip daddr {HOST} masquerade
    }}
}}
"""


@pytest.fixture
def sent_on(nets: Networks) -> Networks:
    """127.0.0.1 leads to the other machine, by a rule of the packet filter."""
    if shutil.which("nft") is None:
        missing("nftables is not installed")
    with nets.inside("client"):
        Path("/proc/sys/net/ipv4/conf/all/route_localnet").write_text("1")
        subprocess.run(["nft", "-f", "-"], input=REDIRECT, text=True, check=True)
    return nets


def test_an_address_of_this_machine_may_lead_to_another(sent_on: Networks, tmp_path: Path) -> None:
    """What counts is where the connection ends: the same address without the rule is this machine's."""
    door = Door("imap", "127.0.0.1", PORT, "plain", guarded=True)
    thief = Thief(sent_on, "plain", tmp_path)
    with sent_on.inside("client"):
        told = converse(door, find("PLAIN"), "alice", PASSWORD)
    thief.close()
    assert thief.heard
    assert SENT not in thief.heard
    assert told.answer is Answer.NOT_TRIED
    assert "another machine" in told.said
    for address in ("127.0.0.1", "::1"):
        with (
            socket.create_server((address, 0), family=family_of(address)) as server,
            socket.create_connection(server.getsockname()[:2]) as link,
        ):
            assert not leaves(link)


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def test_no_load_is_sent_on(sent_on: Networks, tmp_path: Path) -> None:
    """``load`` trusts an address of this machine without a certificate, and needs no word for it."""
    words = ["--by", "imap", "--host", f"127.0.0.1:{PORT}", "--users", "-", "--rate", "1", "--duration", "1"]
    thief = Thief(sent_on, "plain", tmp_path)
    with sent_on.inside("client"):
        done = subprocess.run(
            [sys.executable, "-m", "mailauth", "load", *words],
            input=b"alice," + PASSWORD + b"\n",
            capture_output=True,
            check=False,
            cwd=ROOT,
        )
    thief.close()
    assert (done.returncode, thief.heard) == (3, b""), done.stderr
    assert b"a packet filter leads to another machine" in done.stderr
    assert b"no password was sent" in done.stderr


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
