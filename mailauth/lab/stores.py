"""The stores a lab's users are kept in: written as an administrator's tools would, read by a real Dovecot."""

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from mailauth.lab.databases import Server
from mailauth.lab.settings import Place

Users = Mapping[str, str | None]


class Store(Protocol):
    """Where the users are. ``url`` is SQLAlchemy's, "" for a file; ``path`` is None for a server."""

    @property
    def driver(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def path(self) -> Path | None: ...
    @property
    def place(self) -> Place: ...
    def users(self) -> dict[str, str | None]: ...
    def set_users(self, users: Users) -> None: ...
    def set_password(self, user: str, stored: str | None) -> None: ...
    def remove(self, user: str) -> None: ...
    def close(self) -> None: ...


class PasswdFile:
    """Lines of ``user:stored``."""

    driver, url = "passwd-file", ""

    def __init__(self, path: Path, group: int | None) -> None:
        self.path = path
        self.place = Place(path=path)
        self._group = group
        self._users: dict[str, str | None] = {}

    def users(self) -> dict[str, str | None]:
        return dict(self._users)

    def set_users(self, users: Users) -> None:
        self._users = dict(users)
        self._write()

    def set_password(self, user: str, stored: str | None) -> None:
        self._users[user] = stored
        self._write()

    def remove(self, user: str) -> None:
        self._users.pop(user, None)
        self._write()

    def _write(self) -> None:
        """Replace the file whole, and wait until Dovecot will see it.

        Dovecot looks at the file once a second at most, and takes the same size and second for the same file
        (2.3.19.1 and 2.4.1, src/auth/db-passwd-file.c).
        """
        new = self.path.with_name(self.path.name + ".new")
        text = "".join(f"{user}:{stored or ''}\n" for user, stored in self._users.items())
        new.write_bytes(text.encode("utf-8", "surrogateescape"))
        share(new, self._group)
        if not self.path.exists():
            new.rename(self.path)
            return
        later = max(int(self.path.stat().st_mtime) + 1, int(time.time()))
        os.utime(new, (later, later))
        new.rename(self.path)
        time.sleep(1.001 - time.time() % 1)

    def close(self) -> None:
        """Nothing to do: the file goes with its folder."""


def share(path: Path, group: int | None, mode: int = 0o640) -> None:
    """Let Dovecot's group read a file, and nobody else."""
    path.chmod(mode)
    if group is not None:
        os.chown(path, -1, group)


class SqlStore:
    """A table ``users (userid, password)``, by any of the three databases' own library."""

    path: Path | None = None
    _types = ("VARCHAR(255)", "TEXT")
    _mark = "?"

    def __init__(self, driver: str, url: str, place: Place) -> None:
        self.driver, self.url, self.place = driver, url, place
        id_type, text_type = self._types
        with self._cursor() as cursor:
            cursor.execute(
                f"CREATE TABLE users (userid {id_type} NOT NULL PRIMARY KEY, password {text_type} NULL)"
            )

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        """A cursor whose changes are committed at the end."""
        with closing(self._connect()) as link:
            cursor = link.cursor()
            yield cursor
            link.commit()

    def _connect(self) -> Any:
        raise NotImplementedError

    def users(self) -> dict[str, str | None]:
        with self._cursor() as cursor:
            cursor.execute("SELECT userid, password FROM users ORDER BY userid")
            return dict(cursor.fetchall())

    def set_users(self, users: Users) -> None:
        with self._cursor() as cursor:
            cursor.execute("DELETE FROM users")
            for user, stored in users.items():
                self._insert(cursor, user, stored)

    def set_password(self, user: str, stored: str | None) -> None:
        with self._cursor() as cursor:
            cursor.execute(f"DELETE FROM users WHERE userid = {self._mark}", (user,))  # noqa: S608 - a mark
            self._insert(cursor, user, stored)

    def remove(self, user: str) -> None:
        with self._cursor() as cursor:
            cursor.execute(f"DELETE FROM users WHERE userid = {self._mark}", (user,))  # noqa: S608 - a mark

    def execute(self, *statements: str) -> None:
        """Run statements as an administrator would: to change the table's columns, say."""
        with self._cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def _insert(self, cursor: Any, user: str, stored: str | None) -> None:
        mark = self._mark
        cursor.execute(
            f"INSERT INTO users (userid, password) VALUES ({mark}, {mark})",  # noqa: S608 - marks
            (user, stored),
        )

    def close(self) -> None:
        """Nothing to do for a file."""


class SqliteStore(SqlStore):
    """A table in an SQLite file."""

    def __init__(self, path: Path, group: int | None) -> None:
        self.path = path
        path.touch()
        share(path, group, 0o660)
        super().__init__("sqlite", f"sqlite:///{path}", Place(path=path))

    def _connect(self) -> sqlite3.Connection:
        assert self.path
        link = sqlite3.connect(self.path, timeout=60)
        link.execute("PRAGMA synchronous = OFF")
        return link


class ServerStore(SqlStore):
    """A table in a database of its own on a private server, which may be shared with other labs."""

    _mark = "%s"

    def __init__(self, server: Server, owned: bool) -> None:
        self.server, self._owned = server, owned
        self._types = ("VARCHAR(255)", "MEDIUMTEXT" if server.driver == "mysql" else "TEXT")
        place = server.new_database()
        super().__init__(server.driver, server.url(place), place)

    def _connect(self) -> Any:
        place = self.place
        address: dict[str, Any] = {
            "host": place.host,
            "port": place.port,
            "user": place.user,
            "password": place.password,
        }
        if self.driver == "mysql":
            import pymysql  # noqa: PLC0415 - only where it is used

            return pymysql.connect(**address, database=place.database, ssl_disabled=True)
        import psycopg  # noqa: PLC0415 - 0.3 s

        return psycopg.connect(**address, dbname=place.database)

    def close(self) -> None:
        if self._owned:
            self.server.close()
        else:
            self.server.drop(self.place)
