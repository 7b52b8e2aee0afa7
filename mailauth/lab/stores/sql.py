"""Users in a table of SQLite, MariaDB or PostgreSQL, by the database's own library."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mailauth.errors import UsageError
from mailauth.lab.databases import SERVERS, Server
from mailauth.lab.settings import LabPlace
from mailauth.lab.stores.store import Passdb, Site, Users, Wish, block, ended, indented, share
from mailauth.stores.drivers import psycopg, pymysql

QUERY = {
    "2.3": "SELECT userid AS user, password FROM users WHERE userid = '%u'",
    "2.4": "SELECT userid AS user, password FROM users WHERE userid = '%{user}'",
}


class SqlStore:
    """A table ``users (userid, password)``, by any of the three databases' own library."""

    path: Path | None = None
    binds: tuple[tuple[str, str], ...] = ()
    _types = ("VARCHAR(255)", "TEXT")
    _mark = "?"

    def __init__(self, driver: str, url: str, place: LabPlace) -> None:
        self.driver, self.url, self.place = driver, url, place
        id_type, text_type = self._types
        with self._cursor() as cursor:
            cursor.execute(
                f"CREATE TABLE users (userid {id_type} NOT NULL PRIMARY KEY, password {text_type} NULL)"
            )

    def passdb(self, wish: Wish) -> Passdb:
        query = f"query = {wish.query or QUERY[wish.dialect]}"
        if wish.dialect == "2.4":
            return Passdb(
                f"sql_driver = {self.driver}\n{self._reach()}{block('sql', wish, query, wish.sql_extra)}"
            )
        file = wish.folder / "dovecot-sql.conf.ext"
        text = f"driver = {self.driver}\nconnect = {self._connect_line()}\npassword_{query}\n"
        return Passdb(block("sql", wish, f"args = {file}"), {file: text + ended(wish.sql_extra)})

    def _reach(self) -> str:
        """How 2.4 reaches the database."""
        raise NotImplementedError

    def _connect_line(self) -> str:
        """How 2.3 reaches it."""
        raise NotImplementedError

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

    def __init__(self, site: Site) -> None:
        folder = site.folder / "sqlite"  # SQLite makes its journal beside the file
        folder.mkdir()
        share(folder, site.group, 0o770)
        self.path = folder / "users.sqlite"
        self.path.touch()
        share(self.path, site.group, 0o660)
        super().__init__("sqlite", f"sqlite:///{self.path}", LabPlace(path=self.path))

    def _reach(self) -> str:
        return f"sqlite_path = {self.path}\n"

    def _connect_line(self) -> str:
        return str(self.path)

    def _connect(self) -> sqlite3.Connection:
        assert self.path
        link = sqlite3.connect(self.path, timeout=60)
        try:
            link.execute("PRAGMA synchronous = OFF")
        except sqlite3.Error:
            link.close()
            raise
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
            return pymysql.connect(**address, database=place.database, ssl_disabled=True)
        return psycopg.connect(**address, dbname=place.database)

    def _reach(self) -> str:
        place = self.place
        address = f"user = {place.user}\npassword = {place.password}\ndbname = {place.database}\n"
        address += f"port = {place.port}\n"
        if self.driver == "mysql":
            return f"mysql {place.host} {{\n{indented(address)}}}\n"
        return f"pgsql {place.host} {{\n  parameters {{\n{indented(indented(address))}  }}\n}}\n"

    def _connect_line(self) -> str:
        place = self.place
        return (
            f"host={place.host} port={place.port} dbname={place.database}"
            f" user={place.user} password={place.password}"
        )

    def close(self) -> None:
        if self._owned:
            self.server.close()
        else:
            self.server.drop(self.place)


def server_store(driver: str, site: Site) -> ServerStore:
    """On the server that is given, else on one of the lab's own."""
    if site.database is None:
        return ServerStore(SERVERS[driver]().__enter__(), owned=True)
    if site.database.driver != driver:
        raise UsageError(f"The store is {driver}, but the database given is {site.database.driver}.")
    return ServerStore(site.database, owned=False)
