"""ManageSieve (RFC 5804), by our own few lines.

Neither library fits: sievelib 1.6 and managesieve 0.8 know no CRAM-MD5 and no SCRAM.
"""

import base64
import re
import socket
import ssl
from contextlib import suppress

from mailauth.clients.door import Answer, Denied, Door, Off, shown
from mailauth.clients.sasl import Exchange, Mechanism

_MAX_LINE, _MAX_LINES = 8192, 1000
# Response codes, RFC 5804 1.3.
_CODES = {"TRYLATER": Answer.TEMPORARY, "ENCRYPT-NEEDED": Answer.NOT_OFFERED}
_ENDS = re.compile(rb'(OK|NO|BYE)(?: \(("?[\w/-]+)[^)]*\))?(?: "(.*)")?$', re.DOTALL)
_LITERAL = re.compile(rb"\{(\d+)\+?\}$")


class Sieve:
    """One session.  Each step raises Denied, Off or OSError."""

    def __init__(self, link: socket.socket, door: Door) -> None:
        self._socket, self._host = link, door.host
        self._file = link.makefile("rb")
        self._offer = self._told(Answer.TEMPORARY)

    def offered(self) -> tuple[str, ...]:
        """The mechanisms that are offered now."""
        line = next((line for line in self._offer if line.upper().startswith(b'"SASL"')), b"")
        return tuple(line.decode("utf-8", "replace").partition(" ")[2].strip('"').split())

    def starttls(self, context: ssl.SSLContext) -> None:
        self._say(b"STARTTLS")
        self._told(Answer.NOT_OFFERED)
        self._file.close()
        self._socket = context.wrap_socket(self._socket, server_hostname=self._host)
        self._file = self._socket.makefile("rb")
        self._offer = self._told(Answer.TEMPORARY)

    def wait(self, seconds: float) -> None:
        """How long each answer is waited for from now on."""
        self._socket.settimeout(seconds)

    def authenticate(self, mechanism: Mechanism, exchange: Exchange) -> None:
        first = b" " + _quoted(exchange.answer(None)) if mechanism.begins else b""
        self._say(b'AUTHENTICATE "%b"%b' % (mechanism.name.encode(), first))
        while True:
            line = self._line()
            if not line.startswith((b'"', b"{")):
                break
            self._say(_quoted(exchange.answer(base64.b64decode(self._text(line)))))
        self._end(line, Answer.REFUSED)

    def look(self) -> None:
        """List the scripts: that opens where they are."""
        self._say(b"LISTSCRIPTS")
        self._told(Answer.TEMPORARY)

    def close(self) -> None:
        with suppress(OSError, Denied, Off):
            self._say(b"LOGOUT")
            self._told(Answer.TEMPORARY)
        self._file.close()
        self._socket.close()

    def _say(self, line: bytes) -> None:
        self._socket.sendall(line + b"\r\n")

    def _line(self) -> bytes:
        line = self._file.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise Off("the server closed the connection")
        return line.rstrip(b"\r\n")

    def _text(self, line: bytes) -> bytes:
        """A string: quoted, or a literal that follows."""
        if literal := _LITERAL.match(line):
            text = self._file.read(min(int(literal[1]), _MAX_LINE))
            self._line()
            return text
        return line.strip(b'"')

    def _told(self, otherwise: Answer) -> list[bytes]:
        """Lines up to the one that ends an answer.  Raises Denied where that is a NO."""
        lines: list[bytes] = []
        while len(lines) < _MAX_LINES:
            line = self._line()
            if line.split(b" ")[0] in (b"OK", b"NO", b"BYE"):
                self._end(line, otherwise)
                return lines
            lines.append(line)
        raise Off("the server's answer does not end")

    def _end(self, line: bytes, otherwise: Answer) -> None:
        if literal := re.search(rb"\{\d+\+?\}$", line):
            line = line[: literal.start()] + b'"%b"' % self._text(literal[0])
        found = _ENDS.match(line)
        if found is None:
            raise Off(shown(line))
        if found[1] == b"OK":
            return
        code = (found[2] or b"").decode().upper()
        said = shown(found[3] or line)
        if found[1] == b"BYE":
            raise Off(said)
        raise Denied(_CODES.get(code, otherwise), f"{f'({code}) ' if code else ''}{said}")


def _quoted(message: bytes) -> bytes:
    return b'"%b"' % base64.b64encode(message)
