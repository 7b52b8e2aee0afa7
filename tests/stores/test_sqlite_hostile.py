"""A SQLite database that an ordinary user owns: what is in it keeps nobody busy, and runs nothing of ours."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mailauth.dovecot.authconfig import SqlSource
from mailauth.errors import Refused
from mailauth.stores import change, query, sqlite_client
from tests.met import in_time


def test_a_trigger_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the user whose file a SQLite database is: no signal is heard while SQLite is at work."""
    path = tmp_path / "users.db"
    with closing(sqlite3.connect(path)) as made:
        made.executescript(
            "CREATE TABLE users(userid TEXT PRIMARY KEY, password TEXT);"
            "INSERT INTO users VALUES('alice', '{PLAIN}old');"
            "CREATE TRIGGER slow BEFORE UPDATE ON users BEGIN SELECT (WITH RECURSIVE c(x) AS (SELECT 1"
            " UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c); END;"
        )
    monkeypatch.setattr(sqlite_client, "_MOST_SECONDS", 0.5)
    source = SqlSource(
        "sqlite", ({"path": str(path)},), "SELECT password FROM users WHERE userid = '%u'", "passdb"
    )

    def fill(text: str, _escape: object) -> str:
        return text.replace("%u", "alice")

    with in_time(60), pytest.raises(Refused, match="interrupted; nothing was changed"):
        change.in_database(source, query.read(source.query), fill, b"{PLAIN}old", b"{PLAIN}new")
    with closing(sqlite_client.to_write({"path": str(path)})) as link, in_time(60):
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            link.executemany("UPDATE users SET password = ? WHERE userid = ?", [("{PLAIN}new", "alice")])
        assert link.execute("SELECT password FROM users").fetchall() == [("{PLAIN}old",)]
