"""How quick the pieces are: pytest bench/test_memory_speed.py --benchmark-enable."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mailauth import hashes
from mailauth.dovecot.authconfig import SqlSource
from mailauth.hashes import Flaw, Hash, Password, Verdict
from mailauth.hashes.damaged import Reader
from mailauth.memory.census import census
from mailauth.memory.footprint import of
from mailauth.stores import file_counts, string_counts

ROWS = 200_000
PASSWORD = Password.of("correct horse")
ASKED = string_counts.Question(Reader((2, 4, 1)))


def stored(number: int) -> str:
    m = 262144 if number == 7 else 65536 if number % 3 else 19456
    return f"{{ARGON2ID}}$argon2id$v=19$m={m},t=2,p=1${number:021}A${'A' * 43}"


def parsed() -> Hash:
    one = hashes.parse(stored(1))
    assert not isinstance(one, Flaw)
    return one


def test_parse(benchmark: Any) -> None:
    assert isinstance(benchmark(hashes.parse, stored(1)), Hash)


def test_footprint(benchmark: Any) -> None:
    assert benchmark(of, parsed()).first > 0


@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("ARGON2ID", {"memory": 19456, "time": 2}),
        ("BLF-CRYPT", {"cost": 10}),
        ("SHA512-CRYPT", {"rounds": 5000}),
    ],
)
def test_verify(benchmark: Any, scheme: str, options: dict[str, int]) -> None:
    one = hashes.generate(scheme, PASSWORD, user="", **options)
    assert benchmark(hashes.verify, one, PASSWORD).verdict is Verdict.MATCH


def test_generate(benchmark: Any) -> None:
    assert benchmark(hashes.generate, "ARGON2ID", PASSWORD, memory=19456, time=2)


def test_a_passwd_file_is_counted(benchmark: Any, tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("".join(f"user{n}:{stored(n)}\n" for n in range(ROWS)))
    found = benchmark.pedantic(file_counts.of_files, ((file,), "", ASKED), rounds=3)
    assert census(found).rows == ROWS


def test_a_database_is_counted(benchmark: Any, tmp_path: Path) -> None:
    file = tmp_path / "users.sqlite"
    with closing(sqlite3.connect(file)) as link:
        link.execute("CREATE TABLE users (userid TEXT, password TEXT)")
        link.executemany("INSERT INTO users VALUES (?, ?)", ((f"user{n}", stored(n)) for n in range(ROWS)))
        link.commit()
    source = SqlSource(
        "sqlite", ({"path": str(file)},), "SELECT password FROM users WHERE userid = '%u'", "here"
    )
    counted = census(benchmark.pedantic(string_counts.of_database, (source, ASKED), rounds=3))
    assert counted.rows == ROWS
    assert counted.largest is not None
    assert counted.largest.shown == "{ARGON2ID}$argon2id$v=19$m=262144,t=2,p=1$..."
