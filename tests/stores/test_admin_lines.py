"""The client and its options for a database's administrator, as they are printed, on a real server.

The server is where the printed line looks for it: at its own socket, or at the host db1.
"""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailauth.lab import MariaDB, Postgres
from mailauth.lab.databases import Server
from mailauth.stores.databases import DATABASES
from tests.conftest import missing
from tests.docs.stage import Stage, entered

SECRET = "correct horse"
_HOSTS = 'cp /etc/hosts "$1"/hosts; echo 127.0.0.1 db1 >> "$1"/hosts; mount --bind "$1"/hosts /etc/hosts\n'
_MYSQL = _HOSTS + (
    'mkdir -p /run/mysqld; mount -t tmpfs none /run/mysqld; ln -s "$2"/socket /run/mysqld/mysqld.sock\n'
)
_PGSQL = _HOSTS + (
    "mkdir -p /run/postgresql; mount -t tmpfs none /run/postgresql\n"
    'ln -s "$2"/.s.PGSQL."$3" /run/postgresql/.s.PGSQL.5432\n'
)


def _of_mysql(server: Server) -> None:
    """As Debian's package has it: root by the socket without a password, and from elsewhere with one."""
    server.execute("ALTER USER root@localhost IDENTIFIED VIA unix_socket")
    server.execute("ALTER USER root@localhost ACCOUNT UNLOCK")
    server.execute(f"CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '{SECRET}'")
    for account in ("root@localhost", "root@'127.0.0.1'"):
        server.execute(f"GRANT ALL ON *.* TO {account}")


def _of_pgsql(server: Server) -> None:
    """As Debian's package has it: postgres by its own socket is the system's user."""
    rules = server.folder / "data" / "pg_hba.conf"
    rules.write_text(f"local all postgres peer\n{rules.read_text()}")
    server.execute(f"CREATE ROLE postgres SUPERUSER LOGIN PASSWORD '{SECRET}'")
    server.execute("SELECT pg_reload_conf()")


@pytest.fixture(params=["mysql", "pgsql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Stage, str, Server, str]]:
    if os.geteuid() != 0:
        missing("only root may put a server where the printed line looks for it")
    kind, prepare, setup = {
        "mysql": (MariaDB, _of_mysql, _MYSQL),
        "pgsql": (Postgres, _of_pgsql, _PGSQL),
    }[request.param]
    tmp_path.chmod(0o755)
    with kind() as server:
        prepare(server)
        database = server.new_database().database
        with entered(setup, tmp_path, SECRET, str(server.folder), str(server.port)) as one:
            yield one, request.param, server, database


def test_the_administrators_line_runs(place: tuple[Stage, str, Server, str]) -> None:
    """Here without a password, from elsewhere with one that is typed."""
    stage, kind, server, database = place
    here = DATABASES[kind].client({"host": "localhost", "dbname": database})
    there = DATABASES[kind].client({"host": "db1", "port": str(server.port), "dbname": database})
    for words, asks in ((here, False), (there, True)):
        line = shlex.join(words)
        made = stage.type(f"echo 'SELECT 41 + 1;' | {line}")
        assert made.status == 0, made
        assert re.search(r"\b42\b", made.seen), made
        assert bool(re.search("(?i)password", made.seen)) == asks, made
        failed = stage.type(f"echo 'SELECT nosuch;' | {line}")
        assert failed.status != 0, failed
