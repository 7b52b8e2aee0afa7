"""POP3, by poplib (RFC 1939, 2449, 2595, 5034)."""

import base64
import poplib
import re
import socket
import ssl
from contextlib import suppress
from typing import cast

from mailauth.clients.door import Answer, Denied, Door, Off
from mailauth.clients.sasl import Exchange, Mechanism

_MOST_LINES = 10_000  # of a session


class _Pop3Link(poplib.POP3):
    """poplib on a socket that is connected, and secured, already; and AUTH, which it lacks."""

    def __init__(self, link: socket.socket, door: Door) -> None:
        self._link, self._lines = link, 0
        super().__init__(door.host, door.port, timeout=door.timeout)

    def _getline(self) -> tuple[bytes, int]:
        self._lines += 1
        if self._lines > _MOST_LINES:
            raise poplib.error_proto("the server's answers do not end")
        return cast(tuple[bytes, int], super()._getline())  # type: ignore[misc]

    def _create_socket(self, _timeout: float | None) -> socket.socket:
        return self._link

    def say(self, line: str) -> bytes:
        """Send a line; the answer, "+OK ..." or "+ ...".  Raises error_proto for any other."""
        return bytes(self._shortcmd(line))  # type: ignore[attr-defined]


class Pop3:
    """One session.  Each step raises Denied, Off or OSError."""

    def __init__(self, link: socket.socket, door: Door) -> None:
        try:
            self._pop = _Pop3Link(link, door)
        except poplib.error_proto as why:
            raise Off(_words(why)) from None

    def offered(self) -> tuple[str, ...]:
        """The mechanisms that are offered now."""
        try:
            return tuple(self._pop.capa().get("SASL", ()))
        except poplib.error_proto as why:
            raise Off(_words(why)) from None

    def starttls(self, context: ssl.SSLContext) -> None:
        try:
            self._pop.stls(context)
        except poplib.error_proto as why:
            raise Denied(Answer.NOT_OFFERED, _words(why)) from None

    def wait(self, seconds: float) -> None:
        """How long each answer is waited for from now on."""
        self._pop.sock.settimeout(seconds)

    def authenticate(self, mechanism: Mechanism, exchange: Exchange) -> None:
        try:
            said = self._pop.say(f"AUTH {mechanism.name}")
            challenge = None if mechanism.begins else _decoded(said)
            while said.startswith(b"+ ") or said == b"+":
                said = self._pop.say(base64.b64encode(exchange.answer(challenge)).decode())
                challenge = _decoded(said)
        except poplib.error_proto as why:
            _refuse(why)

    def look(self) -> None:
        """Count the messages: the inbox was opened by the login."""
        try:
            self._pop.stat()
        except poplib.error_proto as why:
            raise Denied(Answer.TEMPORARY, _words(why)) from None

    def close(self) -> None:
        with suppress(poplib.error_proto, OSError):
            self._pop.quit()
        self._pop.close()


def _refuse(why: poplib.error_proto) -> None:
    """Raise what an -ERR means, by its response code.  Source: RFC 2449 8, RFC 3206."""
    said = _words(why)
    if not said.startswith("-ERR"):
        raise Off(said) from None
    code = re.match(r"-ERR \[([A-Z/-]+)", said)
    answer = Answer.TEMPORARY if code and code[1] != "AUTH" else Answer.REFUSED
    raise Denied(answer, said.removeprefix("-ERR ")) from None


def _decoded(said: bytes) -> bytes:
    try:
        return base64.b64decode(said[2:])
    except ValueError:
        return b""


def _words(why: Exception) -> str:
    said = why.args[0] if why.args else why
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
