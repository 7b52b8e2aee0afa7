"""A server that speaks PostgreSQL's protocol, and answers every question with the same rows: it is named."""

import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from threading import Event

import pytest

from mailauth.dovecot.authconfig import SqlSource
from mailauth.errors import CannotObserve
from mailauth.stores import sql, table
from mailauth.stores.nonsense import named
from tests.cli.running import ROOT
from tests.stores.test_unending import Talk, server

_QUERY = "SELECT userid AS user, password FROM users"
_SETTINGS = (b"client_encoding\0UTF8\0", b"server_version\x0015.0\0", b"standard_conforming_strings\0on\0")
_QUIET = (b"BEGIN", b"COMMIT", b"ROLLBACK", b"SET")


def _told(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _row(values: Sequence[bytes | None]) -> bytes:
    fields = (struct.pack("!i", -1 if one is None else len(one)) + (one or b"") for one in values)
    return _told(b"D", struct.pack("!h", len(values)) + b"".join(fields))


def always(columns: int, rows: Sequence[Sequence[bytes | None]]) -> Talk:
    """PostgreSQL, "Message Formats": both ways to ask."""
    column = b"c\0" + struct.pack("!IhIhIh", 0, 0, 25, -1, 0xFFFFFFFF, 0)
    form = _told(b"T", struct.pack("!h", columns) + column * columns)
    found = b"".join(map(_row, rows)) + _told(b"C", b"SELECT 1\0")

    def answer(kind: bytes, body: bytes) -> bytes:
        word = body.split(b" ")[0].strip(b"\0")
        if kind == b"Q":
            what = _told(b"C", word + b"\0") if word in _QUIET else form + found
            return what + _told(b"Z", b"T" if word == b"BEGIN" else b"I")
        told = {b"P": _told(b"1"), b"B": _told(b"2"), b"D": form, b"E": found, b"S": _told(b"Z", b"I")}
        return told.get(kind, b"")

    def talk(link: socket.socket, _done: Event) -> None:
        link.recv(4096)
        login = _told(b"R", struct.pack("!I", 0)) + b"".join(_told(b"S", one) for one in _SETTINGS)
        link.sendall(login + _told(b"K", struct.pack("!II", 1, 2)) + _told(b"Z", b"I"))
        asked = b""
        while data := link.recv(65536):
            asked += data
            while len(asked) >= 5 and len(asked) > (length := struct.unpack("!I", asked[1:5])[0]):
                link.sendall(answer(asked[:1], asked[5 : length + 1]))
                asked = asked[length + 1 :]

    return talk


@pytest.mark.parametrize(
    ("columns", "rows"),
    [(1, ()), (1, [[b"x"]]), (1, [[None]]), (9, [[b"x"] * 9]), (3, [[b"r", None, None]]), (0, [[]])],
)
def test_the_same_rows_whatever_is_asked(columns: int, rows: Sequence[Sequence[bytes | None]]) -> None:
    with server(always(columns, rows)) as port:
        host = {"host": "127.0.0.1", "port": str(port), "user": "u", "dbname": "d", "sslmode": "disable"}
        source = SqlSource("pgsql", (host | {"gssencmode": "disable"},), _QUERY, "a test")
        sql.prepare(source)
        with pytest.raises(CannotObserve, match=rf"pgsql 127\.0\.0\.1:{port}/d answers is not what was"):
            table.opened(source, reading=True)


def test_a_bug_stays_one() -> None:
    with pytest.raises(ValueError, match="invalid literal"), named("somewhere"):
        int("x")


def asks_for_rounds(link: socket.socket, _done: Event) -> None:
    """SCRAM, RFC 5802: the server says how often the password is hashed."""
    link.recv(4096)
    link.sendall(_told(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0"))
    nonce = link.recv(4096).partition(b"r=")[2]
    link.sendall(_told(b"R", struct.pack("!I", 11) + b"r=" + nonce + b"x,s=QSXCR+Q6sek8bf92,i=2147483647"))
    link.recv(4096)


def test_a_server_that_has_us_compute_without_end() -> None:
    """Libpq hears no signal meanwhile, and a closed connection does not end it."""
    script = (
        "import sys; from mailauth import overdue; from mailauth.cli import migrate_plan_run\n"
        "overdue._DEAF, migrate_plan_run._GRACE = 0.2, 0.0\n"
        "from mailauth.cli.main import run; run()"
    )
    with server(asks_for_rounds) as port:
        url = f"postgresql://u@127.0.0.1:{port}/d?sslmode=disable&gssencmode=disable&password=p"
        words = ("migrate", "plan", "--prefix", "--max-seconds", "1", "--url-fd", "0")
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            input=url, text=True, capture_output=True, check=False, cwd=ROOT, timeout=60,
        )  # fmt: skip
    assert done.returncode == 3, done
    assert "the store has not answered within 1 s" in done.stderr
