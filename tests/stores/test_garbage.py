"""Servers that answer what is not of their protocol are named in one sentence: that is no bug of ours."""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest

from mailauth.clients import sasl
from mailauth.clients.door import Answer, Door
from mailauth.clients.talk import converse
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.errors import CannotObserve
from mailauth.stores import libldap, mysql_client
from mailauth.stores.database import NotChangedError, ServerDownError
from mailauth.stores.databases import DATABASES
from mailauth.stores.mysql_table import Mysql
from tests.stores.apart import apart
from tests.stores.test_unending import server

_QUERY = "SELECT password FROM users"
_MYSQL, _PGSQL = DATABASES["mysql"], DATABASES["pgsql"]
_GREETING = (
    b"\x0a5.5.5-10.11.4-MariaDB\0" + struct.pack("<I", 7) + b"12345678\0" + struct.pack("<H", 0xF7FF)
    + b"\x2d\x02\x00\x81\x00\x15" + bytes(10) + b"123456789012\0mysql_native_password\0"
)  # fmt: skip
_FINE, _END = b"\0\0\0\2\0\0\0", b"\xfe\0\0\2\0"
_COLUMN = b"\3def\1d\1t\1t\x08password\x08password\x0c" + struct.pack("<HIBHBxx", 45, 255, 253, 0, 0)
# MariaDB, "Client/Server Protocol".  Each is the last that comes: a greeting, the answer to a login or query.
_GREETINGS = (
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\x01\0\0\0\x0a",
    b"\x04\0\0\0\x0a5.5",
    b"\x02\0\0\0\x0a\0",
)
_LOGINS = (b"\xfe", b"\xff", b"\xfe\xff\xfe\0", b"\0\xfd", b"\0")
_RESULTS = (
    [b"\xfb"],
    [b"\xfc"],
    [b"\xff"],
    [b"\1", b"\3def\xfc"],
    [b"\1", b"\xff\xff"],
    [b"\1", _COLUMN[:-9]],
    [b"\1", _COLUMN, _END, b"\x05ab"],
    [b"\1", _COLUMN, _END, b"\xfd\1"],
    [b"\1", _COLUMN, b"\2ab"],
)


def _packets(first: int, bodies: list[bytes]) -> bytes:
    return b"".join(
        struct.pack("<I", len(body))[:3] + bytes([number]) + body for number, body in enumerate(bodies, first)
    )


def _mysql(greeting: bytes, login: bytes, result: list[bytes]) -> Callable[[socket.socket, Event], None]:
    def talk(link: socket.socket, _done: Event) -> None:
        link.sendall(greeting)
        if link.recv(4096):
            link.sendall(_packets(2, [login]))
        while asked := link.recv(4096):
            link.sendall(_packets(1, result if b"SELECT" in asked or b"SHOW" in asked else [_FINE]))
            if b"SELECT" in asked:
                return

    return talk


def _all_of(port: int) -> list[str]:
    """What each way to ask this server says."""
    host = {"host": "127.0.0.1", "port": str(port), "user": "u", "password": "p", "dbname": "d"}

    def ask() -> object:
        with _MYSQL.ask(host, 5, _QUERY) as (_, run):
            return run(_QUERY)

    def stream() -> object:
        return list(_MYSQL.stream(host).rows(_QUERY))

    def column() -> object:
        return _MYSQL.stream(host).column(_QUERY)

    def change() -> object:
        with _MYSQL.change(host) as (_, run):
            return run(_QUERY, ())

    def table() -> object:
        return Mysql(host).identity("users")

    said = []
    for way in (ask, stream, column, change, table):
        with pytest.raises((CannotObserve, NotChangedError, ServerDownError)) as why:
            way()
        said.append(str(why.value))
    mysql_client.with_tls(host, 5)
    return said


@pytest.mark.parametrize("greeting", _GREETINGS)
def test_no_greeting_of_mariadbs(greeting: bytes) -> None:
    with server(_mysql(greeting, _FINE, [_FINE])) as port:
        for said in _all_of(port):
            assert f"what mysql 127.0.0.1:{port}/d answers is not of MariaDB's or MySQL's protocol" in said


@pytest.mark.parametrize("login", _LOGINS)
def test_no_answer_to_a_login(login: bytes) -> None:
    with server(_mysql(_packets(0, [_GREETING]), login, [_FINE])) as port:
        assert all(said.startswith("MariaDB/MySQL: ") or "mysql" in said for said in _all_of(port))


@pytest.mark.parametrize("result", _RESULTS)
def test_no_result(result: list[bytes]) -> None:
    with server(_mysql(_packets(0, [_GREETING]), _FINE, result)) as port:
        assert all(said.startswith("MariaDB/MySQL: ") or "mysql" in said for said in _all_of(port))


def test_no_answer_of_postgresqls() -> None:
    def talk(link: socket.socket, _done: Event) -> None:
        link.recv(4096)
        link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with server(talk) as port:
        host = {"host": "127.0.0.1", "port": str(port), "user": "u", "dbname": "d", "sslmode": "disable"}
        with pytest.raises(CannotObserve, match=r"^PostgreSQL: .*127\.0\.0\.1"), _PGSQL.ask(host, 5, _QUERY):
            pass


@apart
def test_no_answer_of_a_directorys() -> None:
    def talk(link: socket.socket, _done: Event) -> None:
        link.recv(4096)
        link.sendall(b"\x30\x84\xff\xff\xff\xff\x02\x01\x01\x61")

    library = libldap.load()
    assert library
    with (
        server(talk) as port,
        pytest.raises(libldap.LdapError),
        libldap.connected(library, f"ldap://127.0.0.1:{port}", "never", (), 2) as link,
    ):
        link.bind("cn=admin", "secret")


@pytest.mark.parametrize(
    ("protocol", "says"),
    [
        ("pop3", (b"+OK\r\n", b"+OK\r\n\r\n.\r\n")),  # an empty line among the capabilities
        ("pop3", (b"+OK\r\n", b"+OK\r\nSASL PLAIN\r\n.\r\n", b"+OK\r\n", b"+OK\r\n")),  # no number
        ("imap", (b"* OK\r\n", b"* CAPABILITY {3}\r\nabc x\r\nTAG OK\r\n")),  # a literal among them
        ("imap", (b"* OK\r\n", b"\xff\xfe\r\n")),
        ("smtp", (b"220\r\n", b"\xb2\xb3\xb4\r\n")),
        ("sieve", (b'"SASL" "CRAM-MD5"\r\nOK\r\n', b'"!"\r\n')),
        ("sieve", (b'"SASL" "LOGIN"\r\nOK\r\n', b"{99999999999999999999}\r\n")),
    ],
)
def test_no_answer_of_a_mail_servers(protocol: str, says: tuple[bytes, ...]) -> None:
    def talk(link: socket.socket, _done: Event) -> None:
        link.sendall(says[0])
        for said in says[1:]:
            tag = link.recv(4096).partition(b" ")[0]
            link.sendall(said.replace(b"TAG", tag))

    for mechanism in sasl.MECHANISMS[:3]:
        with server(talk) as port:
            told = converse(Door(protocol, "127.0.0.1", port, "plain", 5.0, 5.0), mechanism, "bob", b"x")
        assert told.answer in (Answer.BROKEN, Answer.NOT_OFFERED, Answer.TEMPORARY, Answer.REFUSED)


def test_no_challenge_of_auths(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as place:
        place.bind(str(tmp_path / "auth"))
        place.listen()

        def serve() -> None:
            with suppress(OSError):
                link, _ = place.accept()
                with link:
                    link.recv(4096)
                    link.sendall(b"VERSION\t1\t2\nMECH\tLOGIN\tplaintext\nDONE\n")
                    link.recv(4096)
                    link.sendall(b"CONT\t1\t!\xff\n")
                    link.recv(4096)

        served = Thread(target=serve, daemon=True)
        served.start()
        with (
            AuthSocket(tmp_path / "auth", 5) as asked,
            pytest.raises(CannotObserve, match="does not speak Dovecot's auth protocol"),
        ):
            asked.authenticate("LOGIN", lambda _: b"x", begins=False)
        served.join(5)


def test_a_server_of_mariadbs_that_asks_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its plugin dialog asks for the password again and again: no single answer is late."""
    monkeypatch.setattr(mysql_client, "_LOGIN", 0.5)

    def talk(link: socket.socket, _done: Event) -> None:
        link.sendall(_packets(0, [_GREETING]))
        link.recv(4096)
        link.sendall(_packets(2, [b"\xfedialog\0\x02Password: "]))
        while answer := link.recv(4096):
            link.sendall(_packets((answer[3] + 1) % 256, [b"\x02Password: "]))

    with server(talk) as port:
        host = {"host": "127.0.0.1", "port": str(port), "user": "u", "password": "p", "dbname": "d"}
        with pytest.raises(CannotObserve, match=r"^MariaDB/MySQL: "):
            mysql_client.connect(host, seconds=1, read=5)
