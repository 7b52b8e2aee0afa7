"""What a move remembers does not grow in memory with the rows, and is right on disk as it is in memory."""

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailauth.dovecot.authconfig import FileSource
from mailauth.migrate import move
from mailauth.migrate.aside import Aside
from mailauth.migrate.where import of_url
from mailauth.stores import once
from mailauth.stores.adding import target_of
from mailauth.stores.once import Once
from mailauth.stores.rows import Listed
from tests.cli.running import ROOT

STORED = b"{SHA512-CRYPT}$6$rounds=1000$saltsalt$" + b"a" * 85 + b"."
FEW, MANY = 2_000, 12_000


def listed(rows: int) -> Iterator[Listed]:
    """A fifth of them in other letters than in the target, and each has its own."""
    for number in range(rows):
        name = f"{'U' if number % 5 == 0 else 'u'}ser{number}@example.org"
        yield Listed(name.encode(), STORED + b"%d" % number)


def planned(path: Path, rows: int) -> tuple[int, move.Moving, list[bytes]]:
    """The most bytes, what is planned, and the strings in the order of the source."""
    path.write_bytes(
        b"".join(b"user%d@example.org:%b\n" % (number, STORED) for number in range(0, rows, 5))
        + b"user1@example.org:%b1\n" % STORED
    )
    source = FileSource(str(path), "")
    reader = of_url(f"passwd-file:{path}", source, None, "CRYPT", None).reader
    target, aside = target_of(source, {}), Aside()
    tracemalloc.start()
    found = move.plan(listed(rows), reader, target, aside, tell=lambda _looked, _written: None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    strings = [one.new for one in found.swaps]
    aside.close()
    return peak, found, strings


def test_memory_does_not_grow_with_the_rows_and_the_plan_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(move, "_PAGE", 500)
    monkeypatch.setattr(once, "_MOST", 50_000)
    planned(tmp_path / "warm", 100)
    few, _, _ = planned(tmp_path / "few", FEW)
    many, found, strings = planned(tmp_path / "many", MANY)
    assert many - few < (MANY - FEW) * 40  # bytes; a string alone has 130, and a name 70
    kinds = [(kind.what, kind.why, kind.rows) for kind in found.kinds]
    fifth = MANY // 5
    assert kinds == [("add", "", MANY - fifth - 1), ("there", "", 1), ("left", move.CASE, fifth)]
    assert found.kinds[2].users[0] == "User0@example.org (user0@example.org)"
    assert len(found.swaps) == len(strings) == MANY - fifth - 1
    assert strings[:3] == [STORED + b"%d" % number for number in (2, 3, 4)]
    assert strings[-1] == STORED + b"%d" % (MANY - 1)


def test_a_name_has_one_first_time_in_memory_and_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "_MOST", 10_000)
    seen = Once()
    names = [b"\xff%d" % number for number in range(1000)]
    assert all(map(seen.first, names))
    assert not any(map(seen.first, names))
    assert seen.first(b"new")
    assert not seen.first(b"new")


FULL = """
import resource
from mailauth.errors import Refused
from mailauth.migrate import aside
from mailauth.stores import once
aside._CACHE = once._CACHE = 100
once._MOST = 1000
names, seen = aside.Aside(), once.Once()
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))  # to this process every disk is full
for work in (names.ours, lambda users: [seen.first(one.encode()) for one in users]):
    try:
        work(f"user{number}" for number in range(20_000))
    except Refused as why:
        print(why)
"""


def test_a_full_disk_is_said_and_does_not_end_in_a_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True, cwd=ROOT)
    said = done.stdout.splitlines()
    assert len(said) == 2, done.stdout + done.stderr
    assert all("Make room in /var/tmp" in one for one in said)
