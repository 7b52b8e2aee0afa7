"""A file's mode and group are changed as chmod(1) and chgrp(1) do it, and of that very file."""

import os
import stat
import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest

from mailauth.dovecot.doveadm import Installation
from mailauth.errors import Refused
from mailauth.fix import modes
from mailauth.fix.journal import FixState, Journal, ModeEntry
from mailauth.fix.takeback import take_back

HERE = Installation()


@pytest.mark.parametrize("mode", ["g+r", "g+x", "a+x", "o-rwx", "g+r,o-rwx", "0750"])
def test_as_chmod_does_it(tmp_path: Path, mode: str) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for before in (0o600, 0o644, 0o755, 0o1777, 0o000):
        for one in (ours, theirs):
            one.touch()
            one.chmod(before)
        subprocess.run(["chmod", "--", mode, str(theirs)], check=True)
        modes.change(HERE, ("chmod", "--", mode, str(ours)))
        assert stat.S_IMODE(ours.stat().st_mode) == stat.S_IMODE(theirs.stat().st_mode), oct(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to any group")
def test_as_chgrp_does_it(tmp_path: Path) -> None:
    for group, number in (("daemon", 1), ("12345", 12345)):
        modes.change(HERE, ("chgrp", "--", group, str(tmp_path)))
        assert tmp_path.stat().st_gid == number
    with pytest.raises(Refused, match="no group nonesuch"):
        modes.change(HERE, ("chgrp", "--", "nonesuch", str(tmp_path)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a link to another")
@pytest.mark.parametrize("how", ["link", "hard link", "folder that is a link"])
def test_what_a_user_puts_there_is_left_alone(tmp_path: Path, how: str) -> None:
    secret = tmp_path / "root" / "secret"
    secret.parent.mkdir()
    secret.touch(0o600)
    home = tmp_path / "home"
    if how == "folder that is a link":
        home.symlink_to(secret.parent)
        os.lchown(home, 12345, 12345)
    else:
        home.mkdir()
        os.chown(home, 12345, 12345)
        put = home / "secret"
        if how == "link":
            put.symlink_to(secret)
            os.lchown(put, 12345, 12345)
        else:
            put.hardlink_to(secret)
    for words in (("chmod", "--", "a+x"), ("chgrp", "--", "12345")):
        with pytest.raises(Refused, match=r"link|other names"):
            modes.change(HERE, (*words, str(home / "secret")))
    assert (stat.S_IMODE(secret.stat().st_mode), secret.stat().st_gid) == (0o600, 0)


def owners(top: Path) -> set[tuple[int, int]]:
    return {(one.lstat().st_uid, one.lstat().st_gid) for one in (top, *top.rglob("*"))}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")
def test_a_folder_is_given_with_all_that_is_in_it(tmp_path: Path) -> None:
    """As ``chown -R`` does it; but a file that has a name elsewhere, too, is left to whom it belongs."""
    secret, mail = tmp_path / "secret", tmp_path / "mail"
    secret.touch()
    (mail / "cur/deep").mkdir(parents=True)
    (mail / "cur/deep/1").touch()
    (mail / "link").symlink_to(secret)
    (mail / "folders").symlink_to(tmp_path)
    words = ("chown", "-R", "--", "12345:12346", str(mail))
    assert modes.is_one(words)
    modes.change(HERE, words)
    assert (owners(mail), secret.stat().st_uid) == ({(12345, 12346)}, 0)
    (mail / "cur/other").hardlink_to(secret)
    with pytest.raises(Refused, match=r"other names.*: \S+/mail/cur/other\.$"):
        modes.change(HERE, words)
    assert secret.stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")
def test_a_link_that_comes_meanwhile_is_not_followed(tmp_path: Path) -> None:
    """A folder, exchanged all the time for a link to root's: chown(1) asks by path."""
    roots, mail = tmp_path / "root", tmp_path / "mail"
    for one in (roots / "sub/deep", mail / "sub/deep"):
        one.mkdir(parents=True)
        for number in range(20):
            (one / str(number)).touch()
    (mail / "sub2").symlink_to(roots)
    over = Event()

    def exchange() -> None:
        names = [str(mail / name) for name in ("sub", "sub2", "spare")]
        while not over.is_set():
            for old, new in ((0, 2), (1, 0), (2, 1)):
                os.rename(names[old], names[new])  # noqa: PTH104 - as fast as can be

    user = Thread(target=exchange)
    user.start()
    try:
        for number in range(200):
            with suppress(Refused):
                modes.change(HERE, ("chown", "-R", "--", f"{number + 1}:1", str(mail)))
    finally:
        over.set()
        user.join()
    assert owners(roots) == {(0, 0)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")
@pytest.mark.parametrize("how", ["link", "folder that is a link"])
def test_what_a_user_put_there_since_is_not_given_back(tmp_path: Path, how: str) -> None:
    """A file that the fix wrote again is known by its path only: its folder leads elsewhere by now."""
    secret, home = tmp_path / "root" / "conf", tmp_path / "home"
    secret.parent.mkdir()
    secret.touch(0o600)
    home.mkdir()
    os.chown(home, 12345, 12345)
    put, to = (home / "sub", secret.parent) if how != "link" else (home / "conf", secret)
    put.symlink_to(to)
    os.lchown(put, 12345, 12345)
    path = str(put / "conf") if how != "link" else str(put)
    entry = ModeEntry(path, 0o644, 12345, 12345)
    journal = Journal("x", "x", "", "imap", None, None, FixState.APPLYING, modes=(entry,))
    (step,) = take_back(journal, HERE)
    assert not step.ok
    assert (stat.S_IMODE(secret.stat().st_mode), secret.stat().st_uid) == (0o600, 0)
