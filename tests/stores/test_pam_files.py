"""PAM's files of another root, whose owner writes them: no text of theirs keeps us busy."""

import struct
from pathlib import Path

import pytest

from mailauth.errors import CannotObserve
from mailauth.probes.system_files import clock_in
from mailauth.stores import pam_files
from mailauth.stores.pam_lists import Listed, Who, access
from mailauth.stores.shadow import Account
from tests.met import in_time


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "etc/pam.d").mkdir(parents=True)
    return tmp_path / "etc/pam.d"


def read(folder: Path) -> int:
    root = folder.parent.parent
    with in_time():
        return len(pam_files.read("dovecot", lambda name: root / name[1:]).lines)


def test_files_that_include_others_twice(folder: Path) -> None:
    """Thirty of them came to a billion."""
    for number in range(30):
        (folder / f"f{number}").write_text(f"@include f{number + 1}\n" * 2)
    (folder / "f30").write_text("")
    (folder / "dovecot").write_text("@include f0\n")
    with pytest.raises(CannotObserve, match="files of a service"):
        read(folder)


def test_brackets_that_are_not_closed(folder: Path) -> None:
    (folder / "dovecot").write_text("auth [success=1 default=bad] pam_unix.so " + "[ " * 100_000 + "\n")
    assert read(folder) == 1


def test_a_zone_of_another_root() -> None:
    """Its file can have a last line of a megabyte, and a number of changes that it has no room for."""
    head = struct.pack(">4s1s15x6L", b"TZif", b"2", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0"
    right = head + head
    assert clock_in(right + b"\nUTC0\n") is not None
    few = struct.pack(">4s1s15x6L", b"TZif", b"2", 0, 0, 0, 1 << 30, 1, 4)
    with in_time(30):
        assert clock_in(few + bytes(6) + b"UTC\0") is None
        assert clock_in(right + b"\n" + b"A" * 1_000_000 + b"\n") is None


@pytest.mark.parametrize(("excepts", "refused"), [(0, True), (1, False), (5001, False), (5000, True)])
def test_a_list_with_exceptions_to_exceptions(excepts: int, refused: bool) -> None:
    """Each was a call within a call, and Python takes a thousand."""
    account = Account("alice", 1000, 1000, "/home/alice", "/bin/sh", "x", "/etc/passwd")
    who = Who("alice", account, frozenset(), "192.0.2.1", "dovecot")
    text = f"-:{'ALL EXCEPT ' * excepts}ALL:ALL\n"
    with in_time():
        told = access((), who, lambda _: Listed(text), lambda _: False)
    assert (told.codes == frozenset({"perm_denied"})) is refused
    # without a letter that parts them all of a line is one word
    assert access(("listsep=",), who, lambda _: Listed("-:ALL:ALL\n"), lambda _: False).says
