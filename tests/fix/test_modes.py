"""A file's mode and group are changed as chmod(1) and chgrp(1) do it, and of that very file."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from mailauth.dovecot.doveadm import Installation
from mailauth.errors import Refused
from mailauth.fix import modes

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
