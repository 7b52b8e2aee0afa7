"""IMAP, by imaplib (RFC 9051)."""

import imaplib
import re
import socket
import ssl
from contextlib import suppress

from mailauth.clients.door import Answer, Denied, Door, Off
from mailauth.clients.sasl import Exchange, Mechanism

# Response codes, RFC 9051 7.1 and RFC 5530.
_CODES = {
    "AUTHENTICATIONFAILED": Answer.REFUSED,
    "EXPIRED": Answer.REFUSED,
    "PRIVACYREQUIRED": Answer.NOT_OFFERED,
}


_MOST, _MOST_LINES = 64 * 1024, 10_000  # bytes of a literal, lines of a session


class _ImapLink(imaplib.IMAP4):
    """imaplib on a socket that is connected, and secured, already."""

    def __init__(self, link: socket.socket, door: Door) -> None:
        self._link, self._lines = link, 0
        super().__init__(door.host, door.port, timeout=door.timeout)

    def read(self, size: int) -> bytes:
        """A literal.  Raises abort for one that no server needs to tell us."""
        if size > _MOST:
            raise self.abort(f"a literal of {size} bytes")
        return super().read(size)

    def readline(self) -> bytes:
        self._lines += 1
        if self._lines > _MOST_LINES:
            raise self.abort("the server's answers do not end")
        return super().readline()

    def _create_socket(self, _timeout: float | None) -> socket.socket:
        return self._link


class Imap:
    """One session.  Each step raises Denied, Off or OSError."""

    def __init__(self, link: socket.socket, door: Door) -> None:
        try:
            self._imap = _ImapLink(link, door)
        except imaplib.IMAP4.error as why:
            raise Off(_words(why)) from None

    def offered(self) -> tuple[str, ...]:
        """The mechanisms that are offered now."""
        words = self._imap.capabilities
        return tuple(word.removeprefix("AUTH=") for word in words if word.startswith("AUTH="))

    def starttls(self, context: ssl.SSLContext) -> None:
        try:
            self._imap.starttls(context)
        except imaplib.IMAP4.abort as why:
            raise Off(_words(why)) from None
        except imaplib.IMAP4.error as why:
            raise Denied(Answer.NOT_OFFERED, _words(why)) from None

    def wait(self, seconds: float) -> None:
        """How long each answer is waited for from now on."""
        self._imap.sock.settimeout(seconds)

    def authenticate(self, mechanism: Mechanism, exchange: Exchange) -> None:
        first = [mechanism.begins]

        def answer(challenge: bytes) -> bytes:
            return (
                exchange.answer(None if first.pop() else challenge) if first else exchange.answer(challenge)
            )

        try:
            self._imap.authenticate(mechanism.name, answer)
        except imaplib.IMAP4.abort as why:
            raise Off(_words(why)) from None
        except imaplib.IMAP4.error as why:
            said = _words(why)
            code = re.match(r"\[([A-Z-]+)", said)
            kind = _CODES.get(code[1], Answer.TEMPORARY) if code else Answer.REFUSED
            raise Denied(kind, said) from None

    def look(self) -> None:
        """Open the inbox to be read."""
        try:
            answer, told = self._imap.select("INBOX", readonly=True)
        except imaplib.IMAP4.error as why:
            raise Off(_words(why)) from None
        if answer != "OK":
            raise Denied(Answer.TEMPORARY, told[0])

    def close(self) -> None:
        with suppress(imaplib.IMAP4.error, OSError):
            self._imap.logout()
        with suppress(OSError):  # logout() has closed it, where it came so far
            self._imap.shutdown()


def _words(why: Exception) -> str:
    said = why.args[0] if why.args else why
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    # imaplib prints what it was given: "socket error: EOF", "AUTHENTICATE command error: BYE [b'...']".
    found = re.search(r"\[b'(.*)'\]$", text)
    return found[1] if found else text
