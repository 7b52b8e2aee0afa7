"""A server that falls silent in the middle of a change: that ends, and nothing counts as written."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

import pytest

from mailauth.dovecot.authconfig import SqlSource
from mailauth.errors import CannotObserve
from mailauth.lab.databases import Server
from mailauth.stores import database, libldap, mysql, mysql_table, pgsql, pgsql_table, sql, table
from mailauth.stores.database import NotChangedError
from mailauth.stores.databases import DATABASES
from mailauth.stores.swaps import Swap
from tests.stores.apart import apart
from tests.stores.test_unending import server

_SECONDS = 2.0
_QUERY = "SELECT userid AS user, password FROM users"


@contextmanager
def through(port: int, word: bytes, then: Callable[[socket.socket, Event], None]) -> Iterator[int]:
    """The way to that port, which ends at the first message with the word: ``then`` is called instead."""

    def talk(link: socket.socket, done: Event) -> None:
        with socket.create_connection(("127.0.0.1", port)) as real:

            def back() -> None:
                with suppress(OSError):
                    while data := real.recv(65536):
                        link.sendall(data)

            Thread(target=back, daemon=True).start()
            try:
                while data := link.recv(65536):
                    if word in data:
                        then(link, done)
                    real.sendall(data)
            finally:  # closed alone, it would stay open while it is read from, and its transaction, too
                real.shutdown(socket.SHUT_RDWR)

    with server(talk) as found:
        yield found


def silent(_link: socket.socket, done: Event) -> None:
    done.wait()


def byte_after_byte(link: socket.socket, done: Event) -> None:
    """A packet of MariaDB's of 16 KiB, so slowly that no read is late."""
    link.sendall(b"\0\x40\0\x01")
    while not done.wait(0.2):
        link.sendall(b"\x01")


@pytest.fixture(params=["pgsql", "mysql"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any, Any]]:
    shared: Server = request.getfixturevalue({"pgsql": "postgres", "mysql": "mariadb"}[request.param])
    made = shared.new_database()
    host = {
        "host": "127.0.0.1",
        "port": str(made.port),
        "user": made.user,
        "password": made.password,
        "dbname": made.database,
        **({"sslmode": "disable"} if request.param == "pgsql" else {}),
    }
    with DATABASES[request.param].change(host) as (_, run):
        run("CREATE TABLE users (userid VARCHAR(20) PRIMARY KEY, password VARCHAR(200))", ())
        for number in range(20):
            run(f"INSERT INTO users VALUES ('u{number}', 'old')", ())
    yield request.param, host, {"pgsql": silent, "mysql": byte_after_byte}[request.param]
    shared.drop(made)


def held(driver: str, host: dict[str, str]) -> set[str]:
    with DATABASES[driver].change(host) as (_, run):
        return {str(run(f"SELECT password FROM users WHERE userid = 'u{n}'", ())[0][0][0]) for n in range(20)}


def test_a_batch(place: tuple[str, Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    driver, host, how = place
    monkeypatch.setattr({"pgsql": pgsql_table, "mysql": mysql_table}[driver], "_MOST", _SECONDS)
    with through(int(host["port"]), b"UPDATE", how) as port:
        source = SqlSource(driver, ({**host, "port": str(port)},), _QUERY, "a test")
        sql.prepare(source)
        opened = table.opened(source)
        try:
            rows = opened.page(None, 20)
            with pytest.raises(CannotObserve):
                opened.swap([Swap(row, b"{X}new") for row in rows])
        finally:
            opened.close()
    assert held(driver, host) == {"old"}


def test_one_entry(place: tuple[str, Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """As fix --apply writes it, which no signal interrupts."""
    driver, host, how = place
    monkeypatch.setattr({"pgsql": pgsql, "mysql": mysql}[driver], "ONE_CHANGE", _SECONDS)
    with (
        through(int(host["port"]), b"UPDATE", how) as port,
        pytest.raises(NotChangedError),
        DATABASES[driver].change({**host, "port": str(port)}) as (_, run),
    ):
        run("UPDATE users SET password = 'new' WHERE userid = 'u1'", ())
    assert held(driver, host) == {"old"}


def _message(number: int, body: bytes) -> bytes:
    """RFC 4511 section 4.1.1."""
    inside = b"\x02\x01" + bytes([number]) + body
    return b"\x30\x82" + len(inside).to_bytes(2, "big") + inside


_FINE = b"\x0a\x01\x00\x04\x00\x04\x00"
_MORE = b"\xa0\x24\x30\x22\x04\x161.2.840.113556.1.4.319\x04\x08\x30\x06\x02\x01\x00\x04\x01x"  # RFC 2696


def half_a_search(link: socket.socket, done: Event) -> None:
    link.recv(4096)
    link.sendall(_message(1, b"\x61\x07" + _FINE))
    link.recv(4096)
    link.sendall(b"\x30\x84\x00\x00\x10\x00\x02")
    done.wait()


def empty_pages(link: socket.socket, _done: Event) -> None:
    link.recv(4096)
    link.sendall(_message(1, b"\x61\x07" + _FINE))
    while asked := link.recv(4096):
        number = int.from_bytes(asked[asked.index(b"\x02") + 2 :][: asked[asked.index(b"\x02") + 1]], "big")
        inside = b"\x02\x02" + number.to_bytes(2, "big") + b"\x65\x07" + _FINE + _MORE
        link.sendall(b"\x30" + bytes([len(inside)]) + inside)


@pytest.mark.parametrize("how", [half_a_search, empty_pages])
@apart
def test_pages_of_a_directory(how: Callable[[socket.socket, Event], None]) -> None:
    """As a migration reads and counts them, without a limit of time for all."""
    library = libldap.load()
    assert library
    with (
        server(how) as port,
        libldap.connected(library, f"ldap://127.0.0.1:{port}", "never", (), 1) as link,
    ):
        link.bind("cn=admin", "secret")
        with pytest.raises(libldap.LdapError):
            list(link.pages("dc=x", "subtree", "(uid=*)", ("uid",), 500))


def test_one_that_is_stopped_within_a_batch(
    place: tuple[str, Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGSTOP, a machine that sleeps: others wait for its rows no longer than that, and it is taken back."""
    monkeypatch.setattr(database, "IDLE", 1)
    driver, host, _ = place
    engine = DATABASES[driver].table(host)
    change = "UPDATE users SET password = 'theirs' WHERE userid = 'u1'"

    def stopped() -> None:
        with engine.transaction() as run:
            run("UPDATE users SET password = 'ours'", ())
            with DATABASES[driver].change(host) as (_, others):
                assert others(change, ())[1] == 1
            run("SELECT 1", ())

    try:
        with pytest.raises(CannotObserve):
            stopped()
    finally:
        engine.close()
    assert held(driver, host) == {"old", "theirs"}


def test_one_that_is_stopped_within_the_change_of_one_entry(
    place: tuple[str, Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As fix --apply makes it: it held that user's row until it went on, and a new password waited for it."""
    driver, host, _ = place
    monkeypatch.setattr({"pgsql": pgsql, "mysql": mysql}[driver], "IDLE", 1, raising=False)
    change = "UPDATE users SET password = '{}' WHERE userid = 'u1'"

    def stopped() -> None:
        with DATABASES[driver].change(host) as (_, run):
            run(change.format("ours"), ())
            with DATABASES[driver].change(host) as (_, others):
                assert others(change.format("theirs"), ())[1] == 1

    with pytest.raises(NotChangedError):
        stopped()
    assert held(driver, host) == {"old", "theirs"}
