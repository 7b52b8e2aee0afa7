"""Submission and SMTP, by smtplib (RFC 5321, 3207, 4954)."""

import base64
import smtplib
import socket
import ssl
from contextlib import suppress

from mailauth.clients.door import Answer, Denied, Door, Off, shown
from mailauth.clients.sasl import Exchange, Mechanism

_NAME = "mailauth.invalid"
# RFC 4954 6: 535 credentials, 534 a stronger mechanism, 538 encryption; 530 and 504 of RFC 3207 and 5321.
_CODES = {
    535: Answer.REFUSED,
    504: Answer.NOT_OFFERED,
    530: Answer.NOT_OFFERED,
    534: Answer.NOT_OFFERED,
    538: Answer.NOT_OFFERED,
}


_MOST_LINES = 10_000  # of a connection


class _Counted:
    """The lines of a connection, until they are too many: then it is as if it had ended."""

    def __init__(self, link: socket.socket) -> None:
        self._file, self._left = link.makefile("rb"), _MOST_LINES

    def readline(self, most: int) -> bytes:
        self._left -= 1
        return self._file.readline(most) if self._left > 0 else b""

    def close(self) -> None:
        self._file.close()


class _SmtpLink(smtplib.SMTP):
    """smtplib on a socket that is connected, and secured, already."""

    def __init__(self, link: socket.socket, door: Door) -> None:
        self._link = link
        super().__init__(local_hostname=_NAME, timeout=door.timeout)
        self._host = door.host  # which STARTTLS asks for

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock:
            self.file = _Counted(self.sock)
        return super().getreply()

    def _get_socket(self, *_: object) -> socket.socket:
        return self._link


class Smtp:
    """One session.  Each step raises Denied, Off or OSError."""

    def __init__(self, link: socket.socket, door: Door) -> None:
        self._smtp = _SmtpLink(link, door)
        try:
            code, said = self._smtp.connect(door.host, door.port)
        except smtplib.SMTPException as why:
            raise Off(shown(why)) from None
        if code != 220:
            raise Denied(Answer.TEMPORARY, f"{code} {shown(said)}")
        self._hello()

    def _hello(self) -> None:
        try:
            code, said = self._smtp.ehlo()
        except smtplib.SMTPException as why:
            raise Off(shown(why)) from None
        if code != 250:
            raise Denied(Answer.TEMPORARY, f"{code} {shown(said)}")

    def offered(self) -> tuple[str, ...]:
        """The mechanisms that are offered now."""
        return tuple(self._smtp.esmtp_features.get("auth", "").split())

    def starttls(self, context: ssl.SSLContext) -> None:
        try:
            code, said = self._smtp.starttls(context=context)
        except smtplib.SMTPNotSupportedError as why:
            raise Denied(Answer.NOT_OFFERED, why) from None
        except smtplib.SMTPException as why:
            raise Off(shown(why)) from None
        if code != 220:
            raise Denied(Answer.TEMPORARY, f"{code} {shown(said)}")
        self._hello()

    def wait(self, seconds: float) -> None:
        """How long each answer is waited for from now on."""
        if self._smtp.sock:
            self._smtp.sock.settimeout(seconds)

    def authenticate(self, mechanism: Mechanism, exchange: Exchange) -> None:
        first = f" {_coded(exchange.answer(None))}" if mechanism.begins else ""
        try:
            code, said = self._smtp.docmd("AUTH", mechanism.name + first)
            while code == 334:
                code, said = self._smtp.docmd(_coded(exchange.answer(_decoded(said))))
        except smtplib.SMTPException as why:
            raise Off(shown(why)) from None
        if code != 235:
            raise Denied(_CODES.get(code, Answer.TEMPORARY), f"{code} {shown(said)}")

    def look(self) -> None:
        """Say EHLO again: Dovecot's submission answers it once its relay does.  No mail is sent."""
        self._hello()

    def close(self) -> None:
        with suppress(smtplib.SMTPException, OSError):
            self._smtp.quit()
        self._smtp.close()


def _coded(message: bytes) -> str:
    return base64.b64encode(message).decode()


def _decoded(said: bytes) -> bytes:
    try:
        return base64.b64decode(said)
    except ValueError:
        return b""
