"""The counts of the on-login service: who reads them and who writes them wait for each other."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from mailauth.migrate.rehash import Rehashed
from mailauth.migrate.tally import OutcomeCounts


def add(tally: OutcomeCounts) -> None:
    tally.add(Rehashed.MIGRATED)


def read(tally: OutcomeCounts) -> None:
    tally.totals()


@pytest.mark.parametrize(
    ("lock", "does"), [("BEGIN", add), ("BEGIN EXCLUSIVE", add), ("BEGIN EXCLUSIVE", read)]
)
def test_one_waits_for_another(tmp_path: Path, lock: str, does: Callable[[OutcomeCounts], None]) -> None:
    tally = OutcomeCounts(tmp_path / "tally.sqlite")
    tally.add(Rehashed.MIGRATED)
    with closing(sqlite3.connect(tally.path, isolation_level=None)) as other, ThreadPoolExecutor() as pool:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute(lock)
        other.execute("SELECT * FROM done").fetchall()
        waiting = pool.submit(does, tally)
        with pytest.raises(TimeoutError):
            waiting.result(0.5)
        other.execute("COMMIT")
        waiting.result()
    assert tally.totals()[Rehashed.MIGRATED] == (2 if does is add else 1)
