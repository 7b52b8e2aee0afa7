"""A passwd-file's entry is changed: its owner, links, locks, a full disk, a kill at any moment."""

import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mailauth import lines
from mailauth.errors import CannotObserve, Refused
from mailauth.stores import change, passwd_file, replace
from tests.cli.running import ROOT
from tests.stores.test_change import NEW, OLD, OTHER

# The passwd-file's own


@pytest.fixture
def users(tmp_path: Path) -> Path:
    file = tmp_path / "users"
    file.write_bytes(
        f"# ours\nbob:{OTHER}:1:1::/home/bob::\n\n".encode()
        + f"alice:{OLD}:2:2::/home:/x:nologin=y\r\nalice:{OTHER}\nx".encode()
    )
    file.chmod(0o640)
    return file


def write(file: Path, new: str = NEW, old: str = OLD) -> change.Changed:
    return change.in_file(file, "alice", old.encode(), new.encode())


def alone(file: Path) -> bool:
    """Neither a temporary file nor a lock stays behind."""
    return sorted(path.name for path in file.parent.iterdir()) == [file.name]


def test_only_that_field_changes(users: Path) -> None:
    """The first line of that name; line ends, other fields, comments and what follows stay."""
    before = users.read_bytes()
    assert write(users).place == f"{users}:4"
    assert users.read_bytes() == before.replace(OLD.encode(), NEW.encode())
    assert alone(users)


def test_the_new_file_is_as_the_old_one_was(users: Path) -> None:
    """Owner, mode, extended attributes; another inode; a second later for Dovecot's eyes."""
    if os.geteuid() == 0:
        os.chown(users, 12345, 54321)
    with suppress(OSError):
        os.setxattr(users, "user.note", b"kept")
    attributes = {name: os.getxattr(users, name) for name in os.listxattr(users)}
    before = users.stat()
    write(users, OLD.replace("new", "old"))
    after = users.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert after.st_ino != before.st_ino
    assert int(after.st_mtime) > int(before.st_mtime)
    assert {name: os.getxattr(users, name) for name in os.listxattr(users)} == attributes


def test_a_symbolic_link_stays_one(users: Path, tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    link = folder / "users"
    link.symlink_to(users)
    assert write(link).place == f"{users}:4"
    assert link.is_symlink()
    assert NEW in users.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a link to another")
def test_another_persons_link_is_not_followed(users: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(users)
    os.lchown(link, 12345, 12345)
    with pytest.raises(Refused, match="symbolic link that belongs to user 12345"):
        write(link)
    assert OLD in users.read_text()


def test_hard_links_are_reported(users: Path, tmp_path: Path) -> None:
    (tmp_path / "again").hardlink_to(users)
    assert write(users).notes == (f"{users} has 1 more hard link: names under which the old content stays.",)
    assert OLD in (tmp_path / "again").read_text()


@pytest.mark.parametrize("new", ["a:b", "a\nb", "a\rb"])
def test_what_would_break_the_file(users: Path, new: str) -> None:
    before = users.read_bytes()
    with pytest.raises(Refused, match="cannot hold a string"):
        write(users, new)
    assert users.read_bytes() == before


@pytest.mark.parametrize("kind", ["absent", "folder", "fifo"])
def test_no_regular_file(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "users"
    if kind == "folder":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    with pytest.raises(Refused, match=r"cannot be changed|no regular file"):
        write(file)


def test_a_file_that_is_larger_than_the_disk(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner made it so: root copied it to the disk, as on-login did after each of that user's logins."""
    before = users.stat()
    os.truncate(users, lines.LARGEST + 1)
    with pytest.raises(Refused, match="File too large"):
        write(users)
    with pytest.raises(CannotObserve, match="File too large"):
        passwd_file.lookup(users, "nobody")
    os.truncate(users, before.st_size)
    monkeypatch.setattr(lines, "LARGEST", before.st_size)
    with pytest.raises(Refused, match="File too large"):  # while it is copied
        write(users, new=NEW + "x" * 100)
    assert alone(users)
    assert users.stat().st_size == before.st_size


def test_another_programs_lock(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock file of a living process keeps us out; one of a dead one does not."""
    monkeypatch.setattr(replace, "_WAIT", 0.2)
    lock = users.with_name("users.lock")
    lock.write_text(f"{os.getpid()}:{socket.gethostname()}")
    with pytest.raises(Refused, match=r"users\.lock has been held"):
        write(users)
    assert lock.exists()
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    lock.write_text(f"{ended.pid}:{socket.gethostname()}")
    write(users)
    assert alone(users)


def test_a_lock_of_a_killed_process_that_nobody_has_waited_for(
    users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container whose first process waits for none, it kept everybody out for ever."""
    monkeypatch.setattr(replace, "_WAIT", 5.0)
    with subprocess.Popen(["/bin/sleep", "1000"]) as killed:
        killed.kill()
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and its entry is still there
        assert Path(f"/proc/{killed.pid}").exists()
        users.with_name("users.lock").write_text(f"{killed.pid}:{socket.gethostname()}")
        write(users)
        assert alone(users)


def test_fcntl_locks_are_honoured(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replace, "_WAIT", 0.2)
    script = "import fcntl,sys; f=open(sys.argv[1],'r+'); fcntl.lockf(f,2); print(1,flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(users)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(Refused, match="held by another program"):
            write(users)
        other.communicate(b"\n")
    write(users)
    assert alone(users)


def test_an_editor_that_does_not_lock(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """He saves between our reading and our writing: his work stays."""
    real = change._Line.must_be_found

    def meanwhile(line: change._Line) -> None:
        users.write_text("alice:edited\n")
        real(line)

    monkeypatch.setattr(change._Line, "must_be_found", meanwhile)
    with pytest.raises(Refused, match="changed by someone else meanwhile"):
        write(users)
    assert users.read_text() == "alice:edited\n"
    assert alone(users)


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(tmpfs: Path) -> None:
    """The old file is whole, and no half of the new one is left."""
    file = tmpfs / "users"
    file.write_text(f"alice:{OLD}\n" + "#" * 40_000)
    before = file.read_bytes()
    with pytest.raises(Refused, match="No space left on device"):
        write(file)
    assert file.read_bytes() == before
    assert alone(file)


def test_a_read_only_file_system(tmpfs: Path) -> None:
    file = tmpfs / "users"
    file.write_text(f"alice:{OLD}\n")
    subprocess.run(["mount", "-o", "remount,ro", str(tmpfs)], check=True)
    with pytest.raises(Refused, match="Read-only file system"):
        write(file)


KILLED = """
import sys
from pathlib import Path
from mailauth.stores import change
print("ready", flush=True)
strings = sys.stdin.readline().encode().split()
for turn in range(10000):
    change.in_file(Path(sys.argv[1]), "alice", strings[turn % 2], strings[(turn + 1) % 2])
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """The file is the old one or the new one, and the next change goes through."""
    seeded = random.Random(6)  # noqa: S311 - which moments, again the same
    file = tmp_path / "users"
    rest = "".join(f"user{number}:{OTHER}\n" for number in range(500))
    file.write_text(f"alice:{OLD}\n{rest}")
    seen = set()
    for _ in range(25):
        now = file.read_text().splitlines()[0].partition(":")[2]
        other = NEW if now == OLD else OLD
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
        ) as child:  # fmt: skip
            assert child.stdin
            assert child.stdout
            child.stdout.readline()
            child.stdin.write(f"{now} {other}\n".encode())
            child.stdin.flush()
            time.sleep(seeded.uniform(0.0, 0.05))
            child.kill()
        text = file.read_text()
        assert text in (f"alice:{OLD}\n{rest}", f"alice:{NEW}\n{rest}")
        seen.add(text[:60])
    now = file.read_text().splitlines()[0].partition(":")[2]
    write(file, NEW if now == OLD else OLD, now)
    assert alone(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of root's")
def test_an_ordinary_user() -> None:
    """One sentence, nothing written, nothing left behind."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "users"
        file.write_text(f"alice:{OLD}\n")
        for path in (file, file.parent):
            path.chmod(0o755)
        child = os.fork()
        if not child:
            os.setgid(65534)
            os.setuid(65534)
            ended = 9
            try:
                write(file)
            except Refused as why:
                ended = 7 if "Permission denied" in str(why) else 8
            finally:
                os._exit(ended)  # never on into pytest
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert file.read_text() == f"alice:{OLD}\n"
        assert alone(file)
