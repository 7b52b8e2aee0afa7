"""A server that speaks as much LDAP as a bind and a search take, and refuses users in given words.

It stands in for servers that are not free to have here (Active Directory), with their published texts.
"""

import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

BASE = "OU=staff,DC=example"
_BIND, _SEARCH, _UNBIND = 0x60, 0x63, 0x42


def name_of(user: str) -> str:
    return f"CN={user},{BASE}"


@dataclass
class Words:
    """``answers``: by user, the result code and the text of each bind.  ``binds``: the names that bound."""

    answers: Mapping[str, tuple[int, str]]
    port: int = 0
    binds: list[str] = field(default_factory=list)
    times: int = 1  # that an entry has its attribute

    def reply(self, kind: int, number: bytes, body: bytes) -> bytes:
        if kind == _BIND:
            _, rest = _taken(body)  # the version
            name, _ = _taken(rest)
            self.binds.append(name.decode())
            code, text = next(
                (told for user, told in self.answers.items() if name_of(user) == name.decode()), (0, "")
            )
            return _message(number, 0x61, _result(code, text))
        found = [user for user in self.answers if b"\x04\x03uid" + _piece(0x04, user.encode()) in body]
        entries = b"".join(_message(number, 0x64, _entry(user, self.times)) for user in found)
        return entries + _message(number, 0x65, _result(0, ""))


@contextmanager
def serving(answers: Mapping[str, tuple[int, str]]) -> Iterator[Words]:
    words = Words(answers)

    class Talk(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while head := self.rfile.read(2):
                length = head[1]
                if length & 0x80:
                    length = int.from_bytes(self.rfile.read(length & 0x7F))
                number, rest = _taken(self.rfile.read(length))
                body, _ = _taken(rest)
                if rest[0] == _UNBIND:
                    return
                self.wfile.write(words.reply(rest[0], number, body))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk) as server:
        server.daemon_threads = True
        words.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield words
        server.shutdown()


def _taken(data: bytes) -> tuple[bytes, bytes]:
    """The content of the first element, and what follows it."""
    start, length = 2, data[1]
    if length & 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(data[2:start])
    return data[start : start + length], data[start + length :]


def _piece(tag: int, content: bytes) -> bytes:
    assert len(content) < 0x10000
    length = bytes([len(content)]) if len(content) < 0x80 else b"\x82" + len(content).to_bytes(2)
    return bytes([tag]) + length + content


def _message(number: bytes, tag: int, content: bytes) -> bytes:
    return _piece(0x30, _piece(0x02, number) + _piece(tag, content))


def _result(code: int, text: str) -> bytes:
    return _piece(0x0A, bytes([code])) + _piece(0x04, b"") + _piece(0x04, text.encode())


def _entry(user: str, times: int) -> bytes:
    values = _piece(0x31, _piece(0x04, user.encode()))
    attribute = _piece(0x30, _piece(0x04, b"uid") + values)
    return _piece(0x04, name_of(user).encode()) + _piece(0x30, attribute * times)
