"""What mailauth keeps for its next run is believed only where nobody else can have written it."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from mailauth import private
from mailauth.errors import Refused, UsageError
from mailauth.fix import journal
from mailauth.fix.journal import FileEntry, FixState, Journal
from mailauth.lab import builds
from mailauth.render.picture import put
from tests.cli.running import ROOT, mailauth

STRANGER = 1234

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has other users' files")


def planted(state: Path, target: Path) -> Path:
    """A journal that would put a file where ``target`` is."""
    folder = state / "fix" / "planted"
    folder.mkdir(parents=True)
    entry = FileEntry(str(target), b"owned\n", target.read_bytes())
    made = Journal("planted", "CONF001", "", "imap", str(target), None, FixState.APPLIED, (entry,))
    (folder / "journal.json").write_bytes(msgspec.json.encode(made))
    for path in (state, state / "fix", folder):
        path.chmod(0o700)
    (folder / "journal.json").chmod(0o600)
    return folder


@as_root
@pytest.mark.parametrize("fault", ["owner", "mode", "above", "file", "link", "fifo"])
def test_a_planted_journal_is_not_believed(tmp_path: Path, fault: str) -> None:
    state, target = tmp_path / "a" / "state", tmp_path / "target"
    target.write_text("root's\n")
    folder = planted(state, target)
    file = folder / "journal.json"
    match fault:
        case "owner":
            os.chown(folder, STRANGER, STRANGER)
        case "mode":
            folder.chmod(0o777)
        case "above":
            os.chown(tmp_path / "a", STRANGER, STRANGER)
        case "file":
            os.chown(file, STRANGER, STRANGER)
        case "link":
            file.rename(tmp_path / "elsewhere")
            file.symlink_to(tmp_path / "elsewhere")
        case "fifo":
            file.unlink()
            os.mkfifo(file, 0o600)
    done = mailauth("fix", "--undo", "planted", MAILAUTH_STATE=str(state))
    assert done.returncode in (1, 2), done.stdout
    assert target.read_text() == "root's\n"


def test_every_folder_is_made_for_us_alone(tmp_path: Path) -> None:
    """A umask of 000 made folders in which anyone could plant a journal."""
    old = os.umask(0)
    try:
        private.make(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(old)
    for path in (tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"):
        assert path.stat().st_mode & 0o777 == 0o700


def test_a_killed_fix_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the next run, though that finds nothing to mend."""
    monkeypatch.setenv("MAILAUTH_STATE", str(tmp_path / "state"))
    with journal.alone():
        left = Journal("20260101-000000-MEM001", "MEM001", "alice", "imap", None, None, FixState.APPLYING)
        journal.write(left)
        assert journal.left_over() == ""  # it is at work
    done = mailauth("fix", "MEM001", "-c", str(tmp_path / "none"), MAILAUTH_STATE=str(tmp_path / "state"))
    assert f"mailauth fix --undo {left.id}" in done.stderr
    assert done.returncode != 0


def test_a_picture_follows_no_link(tmp_path: Path) -> None:
    secret, link, fifo = tmp_path / "shadow", tmp_path / "a.png", tmp_path / "b.png"
    secret.write_text("root's\n")
    link.symlink_to(secret)
    os.mkfifo(fifo)
    for path in (link, fifo, Path("/dev/null")):
        with pytest.raises(UsageError, match="not a regular file"):
            put(path, b"picture")
    assert secret.read_text() == "root's\n"
    hard = tmp_path / "c.png"
    hard.hardlink_to(secret)
    put(hard, b"picture")
    assert (secret.read_text(), hard.read_bytes()) == ("root's\n", b"picture")


def test_nobody_reads_our_memory() -> None:
    """Not even another process of the same user; and no core file has the password."""
    script = (
        "import ctypes, resource, sys\n"
        "from mailauth.cli.main import run\n"
        "sys.argv[1:] = ['explain', 'MEM001']\n"
        "try:\n    run()\nexcept SystemExit:\n    pass\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 (0, 0)"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs what another user can change")
@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME"])
def test_root_runs_no_dovecot_of_another_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Some sudo keeps HOME."""
    (home := tmp_path / "home").mkdir()
    os.chown(home, 65534, 65534)
    for one in ("HOME", "XDG_CACHE_HOME", "MAILAUTH_CACHE"):
        monkeypatch.delenv(one, raising=False)
    monkeypatch.setenv(name, str(home))
    with pytest.raises(Refused, match="root would run what is in there"):
        builds.cache()
    monkeypatch.setenv("MAILAUTH_CACHE", str(home))
    assert builds.cache() == home
