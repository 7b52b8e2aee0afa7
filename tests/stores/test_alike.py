"""What is counted in blocks is what is counted string by string: over all vectors, and generated rows."""

import base64
import json
import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bench.scale import rows
from mailauth import lines
from mailauth.dovecot.authconfig import SqlSource
from mailauth.errors import CannotObserve
from mailauth.hashes.damaged import Reader
from mailauth.stores import alike, file_counts, grouping, string_counts
from mailauth.stores.nonsense import named
from mailauth.stores.rows import HashClass, Survey
from mailauth.stores.string_counts import Question, Tally
from mailauth.stores.url import source_of
from tests.stores.test_survey import damaged, forms

VECTORS = Path(__file__).parents[1] / "hashes" / "vectors"
TODAY = Reader((2, 4, 1), "PLAIN")
QUESTIONS = {
    "crypt": Question(Reader((2, 4, 1))),
    "plain": Question(Reader((2, 3, 19, 1), "PLAIN", allow_weak=True), names=2),
    "cleartext in a database": Question(Reader((2, 4, 5), "CLEARTEXT", prefixing=True), names=0),
    "braces do not count": Question(Reader((2, 4, 1), "SHA256", noscheme=True)),
    "another reads them today": Question(Reader((2, 4, 1)), today=TODAY),
    "another will": Question(TODAY, today=Reader((2, 3, 19, 1))),
}
NAMES = ("#user", "", "a b", "\ufeffuser", "user'", "Ab1" * 9, "j\u00fcrgen", "x" * 30)


_HEADS = ("", "{SSHA}", "{SHA512}", "{PLAIN}")


@cache
def every_string() -> list[bytes]:
    """All vectors, whole strings, some in the other case, and some that met an accident."""
    texts = [
        text for file in sorted(VECTORS.glob("*.json")) for text in _stored(json.loads(file.read_text()))
    ]
    chance = random.Random(17)  # noqa: S311 - only a mix
    whole = [*forms(), *(stored for _, stored in rows(500))]
    texts += [*whole, *(one.swapcase() for one in whole[:100]), *(one.upper() for one in whole[:100])]
    texts += [damaged(chance, chance.choice(whole)) for _ in range(500)]
    coded = [base64.b64encode(one.encode()).decode() for one in [*whole[:40], "{PLAIN}x", "{PLAIN}geheim"]]
    texts += [head + one for one in [*coded, *(w.encode().hex() for w in whole[:20])] for head in _HEADS]
    # a digest of small letters only, of capitals only, and of digits
    texts += [re.sub("[A-Z]", "a", one) for one in whole[-100:]] + [
        re.sub("[a-zA-Z]", "1", one) for one in whole[-100:]
    ]
    return [text.encode("utf-8", "surrogateescape") for text in texts]


def _stored(found: dict[str, Any]) -> Iterator[str]:
    """The strings of a file of vectors."""
    for one in next(each for each in found.values() if isinstance(each, list)):
        yield from (one[name] for name in ("hash", "stored", "example") if name in one)


def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """No string is of an ordinary form: each is looked at by itself."""
    nothing = re.compile(rb"\n(?:()()()()\A|([^\n]*))")
    monkeypatch.setattr(alike, "of_lines", lambda **_: nothing.findall)
    monkeypatch.setattr(alike, "of_strings", lambda **_: lambda strings: [(b"", b"", b"")] * len(strings))


def of_file(path: Path, question: Question) -> Survey:
    return file_counts.of_files([path], "", question)


@pytest.mark.parametrize("asked", QUESTIONS)
def test_a_file(asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With odd names, comments, names that stand twice, and lines that end in CR or are too long."""
    chance = random.Random(2)  # noqa: S311 - only a mix
    names = [f"user{number}" for number in range(3000)]
    file, question = tmp_path / "users", QUESTIONS[asked]
    with file.open("wb") as out:
        for stored in every_string():
            name = chance.choice(NAMES) if chance.random() < 0.05 else chance.choice(names)
            rest = chance.choice((b"", b"", b":", b":5:5::/home:", b"\r", b":\r", b"\r:", b"\0:"))
            out.write(name.encode() + b":" + stored + rest + b"\n")
    monkeypatch.setattr(file_counts, "_BLOCK", 70_000)
    monkeypatch.setattr(file_counts, "_LARGE", 1)
    found = of_file(file, question)
    monkeypatch.setattr(file_counts, "_LARGE", 1_000_000)
    assert of_file(file, question) == found  # by one process
    slowly(monkeypatch)
    assert of_file(file, question) == found
    assert found.rows > 2000
    assert len(found.twice) > 10
    assert found.odd


def test_a_line_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of the file, where blocks begin and end in it; and the last one, which has no end."""
    monkeypatch.setattr(file_counts, "_BLOCK", 1000)
    monkeypatch.setattr(file_counts, "_NEAR", 100)
    file, question = tmp_path / "users", QUESTIONS["crypt"]
    some = [b"%b:%b" % (user.encode(), stored.encode()) for user, stored in rows(60)]
    long = b"long:{PLAIN}x:" + b"x" * lines.MOST
    for name, text in {
        "none": b"\n".join(some),
        "middle": b"\n".join([*some, long, *some, b""]),
        "first": b"\n".join([long, *some]),
        "last": b"\n".join([*some, long]),
        "as long as may be": b"\n".join([*some, long[: lines.MOST - 1], *some, long[: lines.MOST]]),
        "one line": some[0],
        "nothing": b"",
        "newlines": b"\n" * 3000,
    }.items():
        file.write_bytes(text)
        found = of_file(file, question)
        with monkeypatch.context() as patch:
            slowly(patch)
            assert of_file(file, question) == found, name
            patch.setattr(file_counts, "_pieces", _no_pieces)
            assert of_file(file, question) == found, name


def _no_pieces(*_: object) -> Iterator[None]:
    """All lines are read one by one."""
    yield from ()


@pytest.mark.parametrize("asked", QUESTIONS)
def test_a_database(asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite, which is read here; with NULL, NUL and line ends in its rows."""
    file = tmp_path / "users.sqlite"
    every: list[bytes | str | int | None] = [
        *every_string(),
        None,
        None,
        5,
        "text",
        b"a\0b",
        b"a\nb",
        b"",
        b"\n",
    ]
    every += [stored + b"\n" for stored in every_string()[:100]]
    random.Random(3).shuffle(every)  # noqa: S311 - only a mix
    with closing(sqlite3.connect(file)) as link:
        link.execute("CREATE TABLE users (userid TEXT, password)")
        link.executemany(
            "INSERT INTO users VALUES (?, ?)", ((f"user{n}", one) for n, one in enumerate(every))
        )
        link.commit()
    query = "SELECT userid AS user, password FROM users"
    source = source_of(f"sqlite://{file}", query, None)
    assert isinstance(source, SqlSource)
    monkeypatch.setattr(string_counts, "_AT_ONCE", 500)
    found = string_counts.of_database(source, QUESTIONS[asked], query)
    tally = Tally(QUESTIONS[asked])
    for number, one in enumerate(every):
        stored = one.encode() if isinstance(one, str) else b"%d" % one if isinstance(one, int) else one
        tally.add(stored if stored is None else stored.partition(b"\0")[0], (b"user%d" % number,))
    assert found == replace(found, rows=tally.rows, classes=tally.classes(), nulls=tally.nulls)
    assert found.nulls == 2


@pytest.mark.parametrize("asked", QUESTIONS)
def test_what_a_server_tells_of_strings(asked: str) -> None:
    """Of what stands before salt and digest, the padding and the length, one is made that is judged alike."""
    question = QUESTIONS[asked]
    strings = [one for one in every_string() if b"\0" not in one]
    for stored, (head, tail, padding) in zip(
        strings, alike.of_strings(text=question.text)(strings), strict=True
    ):
        kind = b"%b\n%b\n%b" % (head, padding, b"" if head or tail else stored)
        told = grouping.string_of(kind, len(stored.decode("utf-8", "surrogateescape")))
        if told != stored:
            assert tail
            assert judged_as(told, question) == judged_as(stored, question), (told, stored)


def judged_as(stored: bytes, question: Question) -> tuple[HashClass, ...]:
    tally = Tally(question)
    tally.add(stored, ())
    return tally.classes()


def test_a_server_that_tells_something_else() -> None:
    with pytest.raises(CannotObserve, match="what it answers is not what was asked"), named("it"):
        grouping.string_of(b"x", 5)
    assert len(grouping.string_of(b"{SHA}\n=\n", 10**12)) == 65536
