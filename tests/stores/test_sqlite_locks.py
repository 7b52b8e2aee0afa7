"""What this process looks at beside a change leaves SQLite its locks: fcntl's go with any descriptor."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from mailauth.errors import CannotObserve
from mailauth.stores import sqlite, sqlite_client, sqlite_file

# As Dovecot is another process: whether it can begin to write.
_OTHER = """
import sqlite3, sys
link = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    link.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as why:
    print(why.sqlite_errorname)
finally:
    link.close()
"""


def another(path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _OTHER, str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "users.sqlite"
    with closing(sqlite3.connect(path)) as link:
        link.execute("CREATE TABLE users (userid TEXT PRIMARY KEY, password TEXT)")
        link.execute("INSERT INTO users VALUES ('alice', '{PLAIN}x')")
        link.commit()
    return path


@contextmanager
def changing(path: Path) -> Iterator[None]:
    with sqlite.DATABASE.change({"path": str(path)}) as (_, run):
        run("UPDATE users SET password = ?", ("{PLAIN}y",))
        yield


def reads(path: Path) -> None:
    with closing(sqlite_client.to_read(path, timeout=0)) as link:
        assert link.execute("SELECT password FROM users").fetchall() == [(b"{PLAIN}x",)]


def opens_to_change(path: Path) -> None:
    sqlite_client.to_change(path, timeout=0).close()


def asks_for_a_table_that_is_missing(path: Path) -> None:
    host = {"path": str(path)}
    with pytest.raises(CannotObserve), sqlite.DATABASE.ask(host, 1.0, "") as (_, ask):
        ask("SELECT password FROM nowhere")


@pytest.mark.parametrize("looks", [reads, opens_to_change, asks_for_a_table_that_is_missing])
def test_a_look_beside_a_change_gives_no_lock_away(database: Path, looks: Callable[[Path], None]) -> None:
    """The first look opens the file, the second finds it open."""
    assert another(database) == ""
    with changing(database):
        for _ in range(2):
            looks(database)
            assert another(database) == "SQLITE_BUSY"
    assert another(database) == ""


def test_what_is_kept_open_is_let_go_with_the_file(tmp_path: Path, database: Path) -> None:
    reads(database)
    one = (database.stat().st_dev, database.stat().st_ino)
    [kept] = sqlite_file._kept[one]
    database.unlink()
    (tmp_path / "other").touch()
    with sqlite_file.looked_at(tmp_path / "other") as (_, head):
        assert head == b""
    assert one not in sqlite_file._kept
    with suppress(OSError):  # a number may be another file's by now
        state = os.fstat(kept)
        assert (state.st_dev, state.st_ino) != one


def test_no_more_files_are_kept_open_than_a_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "_kept", {})
    monkeypatch.setattr(sqlite_file, "_MOST", 3)
    for number in range(5):
        path = tmp_path / str(number)
        path.write_text(str(number))
        with sqlite_file.looked_at(path) as (_, head):
            assert head == str(number).encode()
    assert len(sqlite_file._kept) == 3
    for one in list(sqlite_file._kept):
        sqlite_file._let_go(one)
