"""A migration whose terminal is closed, and one that is stopped and goes on: nothing is lost, all is done."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from tests.cli.running import ROOT, mailauth

_ROWS = 60
_HASH = "$2y$04$abcdefghijklmnopqrstuuJ1p3hPLyaXcWmX6QHVUkQXqzZPS9aLG"
_TERMINAL = 'exec "$@" <"$TTY" >"$TTY" 2>&1'  # who leads a session, and opens a terminal, is hung up with it


class Table:
    """Bare bcrypt hashes, to be given a {SCHEME}, some at a time."""

    def __init__(self, folder: Path) -> None:
        self.file, self.state = folder / "mail.db", folder / "state"
        with closing(sqlite3.connect(self.file)) as link, link:
            link.execute("CREATE TABLE users (userid TEXT PRIMARY KEY, password TEXT)")
            link.executemany("INSERT INTO users VALUES (?, ?)", [(f"u{n}", _HASH) for n in range(_ROWS)])

    def words(self, *more: str) -> tuple[str, ...]:
        where = (
            "--url",
            f"sqlite:///{self.file}",
            "--rows-query",
            "SELECT userid AS user, password FROM users",
        )
        return ("migrate", "apply", *where, "--prefix", "--apply", *more)

    def begun(self, **more: str) -> "subprocess.Popen[bytes]":
        slow = ("--batch", "2", "--rate", "12")
        # where the tests run under nohup, SIGHUP is ignored, and would be by the child
        argv = ["env", "--default-signal=HUP", sys.executable, "-m", "mailauth", *self.words(*slow)]
        argv = ["sh", "-c", _TERMINAL, "sh", *argv] if more else argv
        environment = {**os.environ, **more, "MAILAUTH_STATE": str(self.state)}
        out = subprocess.DEVNULL
        child = subprocess.Popen(
            argv, start_new_session=True, stdout=out, stderr=out, cwd=ROOT, env=environment
        )
        while not self.done():
            assert child.poll() is None
            time.sleep(0.01)
        return child

    def done(self) -> int:
        with closing(sqlite3.connect(self.file, timeout=30)) as link:
            asked = "SELECT COUNT(*) FROM users WHERE password = ?"
            return int(link.execute(asked, (f"{{BLF-CRYPT}}{_HASH}",)).fetchone()[0])

    def others(self, child: "subprocess.Popen[bytes]") -> bool:
        """Whether somebody else could write while it was stopped: it was not within a batch."""
        child.send_signal(signal.SIGSTOP)
        try:
            with closing(sqlite3.connect(self.file, timeout=0.1)) as link, link:
                link.execute("UPDATE users SET password = '{PLAIN}other' WHERE userid = 'u9'")
        except sqlite3.OperationalError:
            return False
        finally:
            child.send_signal(signal.SIGCONT)
        return True

    def run(self, *words: str) -> tuple[int, dict[str, object] | list[dict[str, object]]]:
        done = mailauth(*words, "--json", MAILAUTH_STATE=str(self.state))
        return done.returncode, json.loads(done.stdout)


def test_a_terminal_that_is_closed(tmp_path: Path) -> None:
    """The batch is written, the journal knows of it, and the next run goes on."""
    table = Table(tmp_path)
    reader, writer = pty.openpty()
    child = table.begun(TTY=os.ttyname(writer))
    os.close(writer)
    os.close(reader)
    child.send_signal(signal.SIGHUP)  # as the shell in it does
    assert child.wait(60) == 1
    written = table.done()
    assert 0 < written < _ROWS
    _, heads = table.run("migrate", "status")
    assert isinstance(heads, list)
    (head,) = heads
    assert head["done"]["written"] == written  # type: ignore[index]
    assert table.run(*table.words("--resume", str(head["id"])))[0] == 0
    assert table.done() == _ROWS


def test_one_that_is_stopped_and_goes_on(tmp_path: Path) -> None:
    """Others write meanwhile, and that stays."""
    table = Table(tmp_path)
    child = table.begun()
    assert any(table.others(child) for _ in range(50))
    assert child.wait(60) == 0
    with closing(sqlite3.connect(table.file)) as link:
        assert link.execute("SELECT password FROM users WHERE userid = 'u9'").fetchone() == ("{PLAIN}other",)
    assert table.done() == _ROWS - 1
