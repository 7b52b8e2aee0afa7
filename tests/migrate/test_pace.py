"""How fast a migration goes: it gives way when the store answers late, and gets all done."""

import json
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailauth.cli.main import cli
from mailauth.cli.shared import progress
from mailauth.migrate.pace import Pace, auto
from tests.cli.running import mailauth
from tests.migrate.test_apply import Make, bare_bcrypt, migrated

__all__ = ["migrated"]
COUNT = 30


def test_it_slows_down_while_answers_are_late_and_comes_back() -> None:
    pace = auto()
    for _ in range(20):
        pace.answered(0.001)
    fast = pace.rate
    for _ in range(6):
        pace.answered(0.05)
    slow = pace.rate
    assert slow < fast / 30
    for _ in range(40):
        pace.answered(0.001)
    assert pace.rate > fast


def test_a_stop_ends_the_waiting() -> None:
    pace = Pace(0.001)
    pace.wait(0, lambda: False)
    pace.wait(10_000, lambda: True)  # a hundred days


def test_what_the_store_bears_is_said() -> None:
    """Each probe is an answer of the store; the limit follows it where that was asked for."""
    for pace, limit in ((auto(), True), (Pace(50.0), False)):
        assert not pace.says()
        pace.probe(lambda: sum(range(1000)))
        assert pace.says().startswith("the store answers in ")
        assert (f", so at most {pace.rate:.0f} rows/s" in pace.says()) == limit
    assert Pace(50.0).rate == 50


def test_each_line_of_a_log_says_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_A_LINE", -1.0)  # each time, not once a minute
    pace = auto()
    with progress.changing(10, pace.says) as tell:
        tell(2, 1)
        pace.probe(lambda: None)
        tell(5, 4)
    first, then = capsys.readouterr().err.splitlines()
    assert "2 of 10 rows, 1 changed" in first
    assert "answers" not in first
    assert "5 of 10 rows, 4 changed" in then
    assert f" rows/s, {pace.says()}, " in then


@pytest.mark.parametrize(("rate", "limit"), [("auto", ", so at most "), ("5000", " s left")])
def test_a_move_says_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: str, limit: str) -> None:
    """How the store answers, the rate and the time left, between the batches and at the end."""
    monkeypatch.setattr(progress, "_A_LINE", -1.0)
    monkeypatch.setenv("MAILAUTH_STATE", str(tmp_path / "state"))
    source, to, rows = tmp_path / "from", tmp_path / "to", 510
    source.write_text("".join(f"u{n}:{{PLAIN}}x{n}\n" for n in range(rows)))
    to.touch()
    words = ["--url", f"passwd-file:{source}", "--to", f"passwd-file:{to}", "--rate", rate, "--apply"]
    done = CliRunner().invoke(cli, ["migrate", "move", *words])
    assert done.exit_code == 0, done.output
    said = [line for line in done.stderr.splitlines() if f" of {rows} rows, " in line]
    assert len(said) == (6 if rate == "auto" else 2)
    assert f"{rows} of {rows} rows, {rows} changed, " in said[-1]
    assert "the store answers in " in said[-1]
    assert limit in said[-1]


def test_auto_changes_all_rows_of_a_store_and_takes_them_back(migrated: Make, store: str) -> None:
    one = migrated("2.3.19.1", store, bare_bcrypt(COUNT))
    before = one.lab.store.users() if store != "passwd-file" else None
    words = ("--rate", "auto", "--apply", "--json")
    done = json.loads(one.at("apply", "--prefix", "--batch", "7", *words))
    assert done["report"]["written"] == COUNT
    assert one.lab.login("u0", b"canary-0000-x").ok
    undone = json.loads(one.at("undo", done["id"], *words))
    assert undone["report"]["written"] == COUNT
    assert before is None or one.lab.store.users() == before


@pytest.mark.parametrize("rate", ["auto", "50"])
def test_the_command_that_is_printed_is_the_one_to_type(tmp_path: Path, rate: str) -> None:
    base, state = tmp_path / "users.sqlite", str(tmp_path / "state")
    with closing(sqlite3.connect(base)) as link:
        link.execute("CREATE TABLE users (user TEXT PRIMARY KEY, password TEXT)")
        link.executemany("INSERT INTO users VALUES (?, ?)", [*bare_bcrypt(3).items()])
        link.commit()
    query = ("--rows-query", "SELECT user, password FROM users")
    words = ("apply", "--prefix", "--rate", rate, "--url", f"sqlite://{base}", *query)
    *_, line = mailauth("migrate", *words).stdout.splitlines()
    typed = shlex.split(line.replace("URL", f"sqlite://{base}"))
    assert typed[0] == "mailauth"
    done = mailauth(*typed[1:], MAILAUTH_STATE=state)
    assert done.returncode == 0, done.stdout + done.stderr
