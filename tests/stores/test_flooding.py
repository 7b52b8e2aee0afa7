"""Databases and directories that send more than was asked for, or what never fits: memory is flat."""

import json
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from threading import Event

import pytest

from mailauth.stores import libldap
from tests.cli.running import ROOT
from tests.stores.apart import apart
from tests.stores.test_garbage import _COLUMN, _END, _FINE, _GREETING, _packets
from tests.stores.test_nonsense import _SETTINGS, _row, _told
from tests.stores.test_unending import Talk, server

_MIB = 1024
_MOST = 1000 * _MIB  # KiB resident: 512 MiB above its own, and what comes between two looks
_QUERY = ("--rows-query", "SELECT userid AS user, password FROM users")


def ran(*words: str) -> tuple[int, str, int]:
    """The status, what was said, and the most that was resident, in KiB."""
    script = (
        "import json, resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True, timeout=150)\n"
        "most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "print(json.dumps([done.returncode, done.stdout + done.stderr, most]))\n"
    )
    argv = [sys.executable, "-c", script, sys.executable, "-m", "mailauth", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT)
    status, said, most = json.loads(done.stdout)
    return status, said, most


def rows_of_postgresql(row: Sequence[bytes]) -> Talk:
    column = b"c\0" + struct.pack("!IhIhIh", 0, 0, 25, -1, 0xFFFFFFFF, 0)
    form = _told(b"T", struct.pack("!h", len(row)) + column * len(row))
    many = _row(row) * max(1, 1_000_000 // len(_row(row)))

    def talk(link: socket.socket, done: Event) -> None:
        link.recv(4096)
        login = _told(b"R", struct.pack("!I", 0)) + b"".join(_told(b"S", one) for one in _SETTINGS)
        link.sendall(login + _told(b"K", struct.pack("!II", 1, 2)) + _told(b"Z", b"I"))
        link.recv(65536)
        link.sendall(_told(b"1") + _told(b"2") + form)
        while not done.is_set():
            link.sendall(many)

    return talk


def rows_of_mariadb(link: socket.socket, done: Event) -> None:
    link.sendall(_packets(0, [_GREETING]))
    link.recv(4096)
    link.sendall(_packets(2, [_FINE]))
    while b"SELECT" not in (asked := link.recv(4096)):
        if not asked:
            return
        link.sendall(_packets(1, [_FINE]))
    link.sendall(_packets(1, [b"\1", _COLUMN, _END]))
    row, number = b"\xfc\x60\xea" + b"x" * 60_000, 4
    while not done.is_set():
        link.sendall(struct.pack("<I", len(row))[:3] + bytes([number]) + row)
        number = (number + 1) % 256


@pytest.mark.parametrize(
    ("row", "words"),
    [
        pytest.param((b"r", b"f", b"x"), ("apply", "--mend", "--apply"), id="many"),
        pytest.param((b"r", b"f", b"x" * 40_000_000), ("plan", "--mend"), id="large"),
    ],
)
def test_postgresql_without_end(row: Sequence[bytes], words: Sequence[str]) -> None:
    with server(rows_of_postgresql(row)) as port:
        url = f"postgresql://u@127.0.0.1:{port}/d?sslmode=disable&gssencmode=disable"
        status, said, most = ran("migrate", *words, "--url", url, *_QUERY)
    assert (status, said.count("takes more than 512 MiB of memory")) == (3, 1)
    assert said.startswith(f"mailauth: pgsql 127.0.0.1:{port}/d: ")
    assert most < _MOST


def test_mariadb_without_end() -> None:
    with server(rows_of_mariadb) as port:
        url = f"mysql://u@127.0.0.1:{port}/d"
        status, said, most = ran("migrate", "plan", "--mend", "--url", url, *_QUERY)
    assert (status, said.count("takes more than 512 MiB of memory")) == (3, 1)
    assert most < _MOST


def _tlv(tag: int, *body: bytes) -> bytes:
    told = b"".join(body)
    return bytes([tag]) + b"\x84" + struct.pack("!I", len(told)) + told


def _message(number: int, operation: bytes) -> bytes:
    return _tlv(0x30, b"\2\1" + bytes([number]), operation)


def _entry(value: bytes) -> bytes:
    values = _tlv(0x30, _tlv(4, b"userPassword"), _tlv(0x31, _tlv(4, value)))
    return _tlv(0x64, _tlv(4, b"uid=a"), _tlv(0x30, values))


def _result(tag: int, code: int, says: bytes) -> bytes:
    return _tlv(tag, b"\x0a\1" + bytes([code]), _tlv(4), _tlv(4, says))


def directory(answer: Callable[[int], bytes], *, again: bool = False) -> Talk:
    """RFC 4511.  The bind is answered, and the search so; ``again``: without end."""

    def talk(link: socket.socket, done: Event) -> None:
        link.sendall(_message(_number(link.recv(4096)), _result(0x61, 0, b"")))
        said = answer(_number(link.recv(4096)))
        link.sendall(said)
        while again and not done.is_set():
            link.sendall(said)
        done.wait()

    return talk


def _number(asked: bytes) -> int:
    return asked[asked.index(b"\2\1") + 2]


@contextmanager
def linked(talk: Talk) -> Iterator[libldap.Connection]:
    library = libldap.load()
    assert library
    with (
        server(talk) as port,
        libldap.connected(library, f"ldap://127.0.0.1:{port}", "never", (), 30) as link,
    ):
        link.set(libldap.REFERRALS, None)
        link.bind("cn=admin", "secret")
        yield link


def _by_pages(link: libldap.Connection) -> object:
    return list(islice(link.pages("dc=x", "subtree", "(uid=*)", ("userPassword",), 500), 2000))


def _by_search(link: libldap.Connection) -> object:
    return link.search("dc=x", "subtree", "(uid=*)", ("userPassword",), most=1)


def _by_name(link: libldap.Connection) -> object:
    return link.reply(link.send_read("uid=a", "userPassword"), 30, "userPassword")


_WAYS = (_by_pages, _by_search, _by_name)


def _large_value(number: int) -> bytes:
    """The beginning of a value of 1 GiB."""
    size = struct.pack("!I", 1 << 30)
    return b"\x30\x84" + size + b"\2\1" + bytes([number]) + b"\x64\x84" + size


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize(
    "answer",
    [_large_value, lambda number: _message(number, _result(0x65, 51, b"x" * 100_000_000))],
    ids=["value", "diagnosticMessage"],
)
@apart
def test_a_directory_with_one_large_message(
    way: Callable[[libldap.Connection], object], answer: Callable[[int], bytes]
) -> None:
    with (
        linked(directory(answer)) as link,
        pytest.raises(libldap.LdapError, match="a message of the server is larger than 16 MiB"),
    ):
        way(link)


@apart
def test_a_directory_that_never_ends_its_entries() -> None:
    """They come one by one, whatever the size of the page; the last never comes."""

    def many(number: int) -> bytes:
        return _message(number, _entry(b"x")) * 1000

    for way, ends in ((_by_pages, True), (_by_search, True), (_by_name, False)):
        wrong = (
            nullcontext() if ends else pytest.raises(libldap.LdapError, match="more entries than were asked")
        )
        with linked(directory(many, again=True)) as link, wrong:
            assert way(link)
