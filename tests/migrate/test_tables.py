"""Tables as a migration reads and changes them, one page after the other."""

from pathlib import Path

import pytest

from mailauth.errors import Refused
from mailauth.hashes.damaged import Reader
from mailauth.migrate.alike import Decider
from mailauth.migrate.decide import Action, Rule, Wishes, decide
from mailauth.migrate.goal import Goal
from mailauth.migrate.journal import Entry, Head, State, entries, fresh, reopened
from mailauth.stores.file_table import FileTable
from mailauth.stores.swaps import Key, Row, Swap

BCRYPT = b"$2y$04$abcdefghijklmnopqrstuuJ1p3hPLyaXcWmX6QHVUkQXqzZPS9aLG"
STORED = (
    BCRYPT,
    b"{BLF-CRYPT}" + BCRYPT,
    b"{MD5}" + BCRYPT,
    BCRYPT[:-1] + b"1",  # loose bits
    BCRYPT[:40],
    b" " + BCRYPT,
    b"$6$rounds=1000$abcdefgh$" + b"a" * 85 + b"/",
    b"{SHA512-CRYPT}$6$abcdefgh$" + b"a" * 85 + b"1",
    b"$argon2id$v=19$m=65536,t=3,p=1$" + b"A" * 22 + b"$" + b"A" * 43,
    b"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$" + b"A" * 22 + b"$" + b"A" * 43,
    b"{PLAIN}secret",
    b"",
)


@pytest.mark.parametrize("dovecot", [(2, 3, 19, 1), (2, 4, 1)])
@pytest.mark.parametrize("action", [Action.PREFIX, Action.RELABEL, Action.TRIM, Action.MEND])
def test_what_is_alike_is_decided_as_each_would_be(action: Action, dovecot: tuple[int, ...]) -> None:
    """Also the second and third of a form, whose decision is the first's."""
    wishes = Wishes((Rule(action),), Goal(), Reader(dovecot, "PLAIN", prefixing=True))
    strings = [text for text in STORED for _ in range(2)]
    strings += [text.replace(b"abc", b"cba").replace(b"a" * 20, b"b" * 20) for text in STORED]
    rows = [Row((number,), str(number), text) for number, text in enumerate(strings)]
    swaps, hashed = Decider(wishes).swaps(rows)
    assert not hashed
    assert {one.row.key[0]: one.new for one in swaps} == {
        number: new for number, text in enumerate(strings) if (new := decide(text, wishes).new) is not None
    }


def test_a_passwd_file_page_by_page(tmp_path: Path) -> None:
    """Comments, duplicates and lines without a password, also at the end."""
    file = tmp_path / "users"
    file.write_bytes(b"# one\na:1\nb:2\n\na:3\nc\nd\xff:4\n# end\nb:9\n")
    table = FileTable(file)
    rows: list[Row] = []
    after: Key | None = None
    while page := table.page(after, 2):
        rows += page
        after = page[-1].key
    assert [(row.key[0], row.user, row.stored) for row in rows] == [
        (2, "a", b"1"),
        (3, "b", b"2"),
        (6, "c", b""),
        (7, "d\ufffd", b"4"),
    ]
    assert table.twice == ["a", "b"]
    assert table.bad == [6]


def test_lines_that_moved_are_not_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_bytes(b"a:1\nb:2\nc:3\n")
    table = FileTable(file)
    first = table.page(None, 2)
    file.write_bytes(b"b:2\nc:3\n")
    assert [row.user for row in table.page(first[-1].key, 2)] == ["b", "c"]


def test_only_the_row_that_is_as_it_was_read_is_changed(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_bytes(b"a:1\nb:2\n")
    table = FileTable(file)
    rows = table.page(None, 9)
    file.write_bytes(b"a:1\nb:other\n")
    done = table.swap([Swap(row, b"new") for row in rows])
    assert done.written == frozenset({(1, "a")})
    assert done.changed == frozenset({(2, "b")})
    assert file.read_bytes() == b"a:new\nb:other\n"


def test_a_journal_is_written_by_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who would go on with a migration that still runs, or undo it, is told so; nothing is cut off."""
    monkeypatch.setenv("MAILAUTH_STATE", str(tmp_path))
    journal = fresh(Head("one", "x", None, "{}", State.APPLYING, 0.0))
    with pytest.raises(Refused, match="another mailauth is at work"):
        reopened("one")
    journal.batch([Entry(("a",), b"1", b"2")])
    journal.close()
    reopened("one").close()
    assert list(entries("one", None, [])) == [[Entry(("a",), b"1", b"2")]]
