"""The counts of the on-login service: who reads them and who writes them wait for each other."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from mailauth.migrate.rehash import Outcome
from mailauth.migrate.tally import Tally


def add(tally: Tally) -> None:
    tally.add(Outcome.MIGRATED)


def read(tally: Tally) -> None:
    tally.totals()


@pytest.mark.parametrize(
    ("lock", "does"), [("BEGIN", add), ("BEGIN EXCLUSIVE", add), ("BEGIN EXCLUSIVE", read)]
)
def test_one_waits_for_another(tmp_path: Path, lock: str, does: Callable[[Tally], None]) -> None:
    tally = Tally(tmp_path / "tally.sqlite")
    tally.add(Outcome.MIGRATED)
    with closing(sqlite3.connect(tally.path, isolation_level=None)) as other, ThreadPoolExecutor() as pool:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute(lock)
        other.execute("SELECT * FROM done").fetchall()
        waiting = pool.submit(does, tally)
        with pytest.raises(TimeoutError):
            waiting.result(0.5)
        other.execute("COMMIT")
        waiting.result()
    assert tally.totals()[Outcome.MIGRATED] == (2 if does is add else 1)
