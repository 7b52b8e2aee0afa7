"""A database or a directory that takes the connection, and never ends its answer: nobody waits for ever."""

import os
import shutil
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread

import pytest
from click.testing import CliRunner

from mailauth.cli import migrate_plan_run, migrate_silent
from mailauth.cli.main import cli
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.site import read_config
from mailauth.errors import CannotObserve
from mailauth.evidence import DirectoryAnswers
from mailauth.lab import builds
from mailauth.probes import survey
from mailauth.probes.directory import observe_directories
from mailauth.probes.lookup import ask_each, observe_user_name
from mailauth.probes.scene import Scene
from mailauth.stores import ask_directory, libldap, sql
from mailauth.stores.directed import Directed
from mailauth.stores.store import Failing
from tests.stores.apart import apart

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("doveconf", path=builds.SEARCH), reason="needs root and a Dovecot"
)
_SECONDS = 3.0
_SQL = """driver = {driver}
connect = host=127.0.0.1 port={port} user=u password=p dbname=d
password_query = SELECT password FROM users WHERE name = '%u'
"""
_LDAP = "hosts = 127.0.0.1:{port}\nbase = dc=example\ndn = cn=admin\ndnpass = secret\n"
Talk = Callable[[socket.socket, Event], None]


@contextmanager
def server(talk: Talk) -> Iterator[int]:
    done = Event()

    def one(link: socket.socket) -> None:
        with link, suppress(OSError):
            talk(link, done)

    def serve() -> None:
        with suppress(OSError):
            while True:
                Thread(target=one, args=(place.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as place:
        Thread(target=serve, daemon=True).start()
        try:
            yield place.getsockname()[1]
        finally:
            done.set()
            place.shutdown(socket.SHUT_RDWR)


def half_a_message(link: socket.socket, done: Event) -> None:
    """RFC 4511: the bind is answered, and the search with the first bytes of 4096."""
    link.recv(4096)
    link.sendall(b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00")
    link.recv(4096)
    link.sendall(b"\x30\x84\x00\x00\x10\x00\x02")
    done.wait()


def _told(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def silent_after_the_login(link: socket.socket, done: Event) -> None:
    """PostgreSQL, "Message Flow": no TLS, no GSS; the user is let in, and no query is answered."""
    while struct.unpack("!I", link.recv(4096)[4:8])[0] in (80877103, 80877104):
        link.sendall(b"N")
    settings = (b"client_encoding\0UTF8\0", b"server_version\x0015.0\0", b"standard_conforming_strings\0on\0")
    link.sendall(
        _told(b"R", struct.pack("!I", 0))
        + b"".join(_told(b"S", one) for one in settings)
        + _told(b"K", struct.pack("!II", 1, 2))
        + _told(b"Z", b"I")
    )
    done.wait()


def byte_after_byte(link: socket.socket, done: Event) -> None:
    """MariaDB, "Client/Server Protocol": a result of 65,535 columns, told so slowly that no read is late."""
    greeting = (
        b"\x0a5.5.5-10.11.4-MariaDB\0" + struct.pack("<I", 7) + b"12345678\0" + struct.pack("<H", 0xF7FF)
        + b"\x2d\x02\x00\x81\x00\x15" + bytes(10) + b"123456789012\0mysql_native_password\0"
    )  # fmt: skip
    fine = b"\x07\0\0%c\0\0\0\2\0\0\0"
    link.sendall(struct.pack("<I", len(greeting))[:3] + b"\0" + greeting)
    link.recv(4096)
    link.sendall(fine % 2)
    while b"SELECT" not in (asked := link.recv(4096)):
        if not asked:
            return
        link.sendall(fine % 1)
    link.sendall(b"\x03\0\0\x01\xfc\xff\xff" + b"\0\x40\0\x02")
    while not done.wait(0.5):
        link.sendall(b"\x01")


def scene(folder: Path, driver: str, settings: str) -> Scene:
    if read_config(Installation()).version.dialect != "2.3":
        pytest.skip("the configuration is one of 2.3")
    (folder / "asked.conf").write_text(settings)
    (folder / "dovecot.conf").write_text(
        f"base_dir = {folder}/run\npassdb {{\n  driver = {driver}\n  args = {folder}/asked.conf\n}}\n"
    )
    dovecot = Installation(str(folder / "dovecot.conf"))
    config = read_config(dovecot)
    return Scene(dovecot, config, "bob", names=observe_user_name(Scene(dovecot, config, "bob")))


def test_a_directory_that_sends_half_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_directory, "PATIENCE", _SECONDS, raising=False)
    with server(half_a_message) as port:
        answers = observe_directories(scene(tmp_path, "ldap", _LDAP.format(port=port)))
    assert isinstance(answers, DirectoryAnswers)
    (told,) = [one.told for one in answers.answers]
    assert told.how is Directed.SLOW


@pytest.mark.parametrize(("driver", "talk"), [("pgsql", silent_after_the_login), ("mysql", byte_after_byte)])
def test_a_database_that_never_ends_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, talk: Talk
) -> None:
    monkeypatch.setattr(sql, "patience", lambda _: _SECONDS, raising=False)
    with server(talk) as port:
        lookups = ask_each(scene(tmp_path, "sql", _SQL.format(driver=driver, port=port)))
    assert lookups.failures(Failing.SLOW)


def test_a_whole_store_that_never_comes_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "_WHOLE", _SECONDS, raising=False)
    with server(silent_after_the_login) as port:
        where = scene(tmp_path, "sql", _SQL.format(driver="pgsql", port=port))
        with pytest.raises(CannotObserve, match="no answer came"):
            survey.observe_surveys(survey.Ask(where.dovecot, where.config))


def test_a_plan_of_a_database_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No row comes after which the plan could see that its time is over."""
    monkeypatch.setattr(migrate_plan_run, "_GRACE", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"mysql://mail@127.0.0.1:{silent.getsockname()[1]}/mail"
        query = ("--rows-query", "SELECT userid AS user, password FROM users")
        words = ["migrate", "plan", "--mend", "--max-seconds", "1", "--url", url, *query]
        done = CliRunner().invoke(cli, words)
    assert isinstance(done.exception, CannotObserve)
    assert "has not answered within 1 s, and nothing was counted" in str(done.exception)


def test_an_apply_to_a_database_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libpq has no limit for an answer, and a silent server keeps none of its own."""
    monkeypatch.setattr(migrate_silent, "_MOST", 5.0)
    with server(silent_after_the_login) as port:
        url = f"postgresql://mail@127.0.0.1:{port}/mail"
        query = ("--rows-query", "SELECT userid AS user, password FROM users")
        done = CliRunner().invoke(cli, ["migrate", "apply", "--apply", "--mend", "--url", url, *query])
    assert isinstance(done.exception, CannotObserve)
    assert "has not answered within 5 s, and this run changed nothing" in str(done.exception)


def half_a_hello(link: socket.socket, done: Event) -> None:
    """RFC 8446: the head of a record of 16 KiB, and a byte of it now and then."""
    link.recv(4096)
    link.sendall(b"\x16\x03\x03\x40\x00")
    while not done.wait(0.2):
        link.sendall(b"\x02")


def silent_after_starttls(link: socket.socket, done: Event) -> None:
    """RFC 4511, 4.14: TLS is agreed to, and not begun."""
    link.recv(4096)
    link.sendall(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")
    done.wait()


@pytest.mark.parametrize(
    ("scheme", "talk"),
    [("ldaps", lambda _, done: done.wait()), ("ldaps", half_a_hello), ("ldap", silent_after_starttls)],
    ids=["silent", "slow", "starttls"],
)
@apart
def test_a_directory_that_never_ends_its_handshake(
    monkeypatch: pytest.MonkeyPatch, scheme: str, talk: Talk
) -> None:
    monkeypatch.setattr(libldap, "_LATER", 0.5)
    library = libldap.load()
    assert library
    with (
        server(talk) as port,
        libldap.connected(library, f"{scheme}://127.0.0.1:{port}", "never", (), 1) as link,
    ):
        begin = link.start_tls if scheme == "ldap" else partial(link.bind, "cn=admin", "secret")
        with pytest.raises(libldap.LdapError) as why:
            begin()
    assert why.value.code in (libldap.SERVER_DOWN, libldap.CONNECT_ERROR, libldap.TIMEOUT)
