"""A lab's server runs as a user of its own, who owns its folder: root writes into it, and follows nothing."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from mailauth.errors import CannotObserve
from mailauth.lab.handover import hand_over
from mailauth.lab.household import Household, Start
from tests.cli.running import ORDINARY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for another user")
_USER = 65534


@pytest.fixture
def theirs() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as top:
        Path(top).chmod(0o755)
        (folder := Path(top) / "theirs").mkdir()
        os.chown(folder, _USER, _USER)
        (Path(top) / "roots").write_text("of root\n")
        yield folder


def planted(folder: Path, name: str) -> Path:
    """A link of the user's to a file of root's."""
    words = (*ORDINARY, "ln", "-s", str(folder.parent / "roots"), str(folder / name))
    subprocess.run(words, check=True, cwd="/")
    return folder.parent / "roots"


def test_a_configuration_is_written_through_no_link(theirs: Path) -> None:
    roots = planted(theirs, "conf")
    hand_over(theirs / "conf", "for them\n", _USER, _USER)
    assert (roots.read_text(), roots.stat().st_uid) == ("of root\n", 0)
    state = (theirs / "conf").lstat()
    assert (state.st_uid, state.st_mode & 0o7777) == (_USER, 0o600)
    assert (theirs / "conf").read_text() == "for them\n"


def test_what_a_server_says_is_written_through_no_link(theirs: Path) -> None:
    roots = planted(theirs, "output")
    with closing(Household("handover")) as household, suppress(CannotObserve):
        pid = household.start(Start(argv=["/bin/echo", "said"], output=theirs / "output", stop="SIGTERM"))
        while household.status(pid) is None:
            os.sched_yield()
    assert roots.read_text() == "of root\n"
