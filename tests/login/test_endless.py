"""What listens on a port may be no mail server, and never come to an end: a session does."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from mailauth.clients.door import Answer, Door, Step, unchecked
from mailauth.clients.sasl import PLAIN
from mailauth.clients.talk import converse
from mailauth.connecting import connect
from mailauth.evidence.network import Listener
from mailauth.probes.tls import _handshake

TIMEOUT = 0.2


@contextmanager
def stranger(speak: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port on which one connection is taken, and spoken to by ``speak``."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            link, _ = listener.accept()
            with link, suppress(OSError):
                speak(link)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


def dripping(line: bytes, first: bytes = b"") -> Callable[[socket.socket], None]:
    """A line every 50 ms, for ever: no wait is long."""

    def speak(link: socket.socket) -> None:
        link.sendall(first)
        link.settimeout(0.05)
        while True:
            with suppress(TimeoutError):
                if not link.recv(1000):
                    return
            link.sendall(line)

    return speak


@pytest.mark.parametrize(
    ("protocol", "first", "line"),
    [
        ("smtp", b"", b"220-more\r\n"),
        ("imap", b"* OK ready\r\n", b"* OK more\r\n"),
        ("pop3", b"+OK ready\r\n", b"+OK more\r\n"),
        ("sieve", b"", b'"MORE" "yes"\r\n'),
    ],
)
def test_a_server_that_never_comes_to_an_end(protocol: str, first: bytes, line: bytes) -> None:
    with stranger(dripping(line, first)) as port:
        told = converse(
            Door(protocol, "127.0.0.1", port, "plain", TIMEOUT, TIMEOUT), PLAIN, "alice", b"secret"
        )
    assert told.answer in (Answer.BROKEN, Answer.TEMPORARY, Answer.NOT_OFFERED), told
    assert told.step in (Step.GREETING, Step.OFFER)


@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3", "sieve"])
def test_a_server_of_another_protocol(protocol: str) -> None:
    with stranger(lambda link: link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        door = Door(protocol, "127.0.0.1", port, "plain", TIMEOUT, TIMEOUT)
        told = converse(door, PLAIN, "alice", b"secret")
    assert told.step is Step.GREETING
    assert not told.offered


@pytest.mark.parametrize(
    ("protocol", "said"), [("imap", b"* OK ready\r\n* 1 FETCH (X {%b}\r\n"), ("sieve", b"OK {%b}\r\n")]
)
def test_a_number_without_end(protocol: str, said: bytes) -> None:
    """Python takes no more than 4300 digits."""
    with stranger(lambda link: link.sendall(said % (b"9" * 5000))) as port:
        told = converse(Door(protocol, "127.0.0.1", port, "plain", 5, 5), PLAIN, "alice", b"secret")
    assert told.answer is Answer.BROKEN
    assert "makes no sense" in told.said


def test_a_name_with_many_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers for a name can give it thousands, and none of them takes a connection."""
    with closing(socket.socket()) as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        waiting = [socket.create_connection(place, timeout=5)]  # whoever comes now waits for ever
        many = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place)] * 4000
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: many)
        began = time.monotonic()
        told = converse(Door("imap", "many.test", 143, "plain", TIMEOUT, TIMEOUT), PLAIN, "alice", b"secret")
        assert told.answer is Answer.UNREACHABLE
        assert time.monotonic() - began < 5
        waiting[0].close()


@pytest.mark.parametrize("host", ["mail..example.org", "a" * 64])
def test_a_name_that_is_none(host: str) -> None:
    """Python has no OSError for it."""
    told = converse(Door("imap", host, 143, "plain", TIMEOUT, TIMEOUT), PLAIN, "alice", b"secret")
    assert (told.answer, told.step) == (Answer.UNREACHABLE, Step.NAME)
    with pytest.raises(socket.gaierror):
        connect(host, 389, TIMEOUT)


@pytest.mark.parametrize("tls", [True, False])
def test_a_handshake_that_never_ends(monkeypatch: pytest.MonkeyPatch, tls: bool) -> None:
    """Requests to begin anew are read without an end, and bytes make no line: no certificate comes."""
    monkeypatch.setattr("mailauth.probes.tls._ALL", 0.5)

    def speak(link: socket.socket) -> None:
        link.settimeout(1)  # whoever is cut off need not reset the connection
        if tls:
            link.recv(1000)
        while True:
            link.sendall(b"\x16\x03\x03\x00\x04\0\0\0\0" * 1000 if tls else b"x")
            time.sleep(0 if tls else 0.05)

    with stranger(speak) as port:
        listener = Listener("imap", "imaps", ("*",), port, tls, own=False)
        began = time.monotonic()
        with suppress(OSError):
            assert _handshake("127.0.0.1", listener, "localhost", unchecked()) is None
        assert time.monotonic() - began < 5
