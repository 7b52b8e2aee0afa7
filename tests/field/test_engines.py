"""Programs in the place of a container engine's: what they print, and leave behind, harms nothing."""

import os
import resource
import time
from pathlib import Path

import pytest

from mailauth.dovecot import containers
from mailauth.errors import UsageError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, which each engine's command has")

_HOSTILE = {
    "a gigabyte": "exec head -c 1000000000 /dev/zero",
    "errors": "head -c 100000000 /dev/zero >&2; exit 1",
    "other words": 'printf \'[{"State":{"Pid":1}}]\\n\'',
    "line ends": "printf '1\\n2\\n'",
    "an escape": "printf '\\033[2J1'",
    "a line in another script": "printf '\\331\\241'",  # ARABIC-INDIC DIGIT ONE
    "below zero": "echo -1",
    "more than there is": "echo 99999999999999999999999999",
    "underlines": "echo 1_0",
    "nothing": ":",
}


def engine(folder: Path, does: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setattr(containers, "PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(containers, "_ENGINES", containers._ENGINES[:1])
    return program


@pytest.mark.parametrize("does", _HOSTILE.values(), ids=_HOSTILE)
def test_what_is_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    engine(tmp_path, does, monkeypatch)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UsageError, match="no engine here knows it, and no Dovecot runs in one"):
        containers.dovecot_in("nosuch")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024  # KiB


@pytest.mark.parametrize("does", ["sleep 1000", "sleep 1000 & echo 1", "sleep 1000 & exec sleep 1000"])
def test_one_that_hangs_or_leaves_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """They hold its output open, and end with it."""
    monkeypatch.setattr(containers, "_SECONDS", 1.0)
    engine(tmp_path, does.replace("sleep 1000 &", f"sleep 1000 & echo $! >{tmp_path}/left;"), monkeypatch)
    with pytest.raises(UsageError, match="no engine here knows it"):
        containers.dovecot_in("nosuch")
    if (left := tmp_path / "left").exists():
        pid = left.read_text().strip()
        for _ in range(500):
            if not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return
            time.sleep(0.01)
        pytest.fail("it was left behind")


@pytest.mark.parametrize("whose", ["program", "folder"])
def test_one_that_a_user_can_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str) -> None:
    program = engine(tmp_path, f"touch {tmp_path}/ran; echo 1", monkeypatch)
    os.chown(program if whose == "program" else tmp_path, 65534, 65534)
    with pytest.raises(UsageError, match="no engine here knows it"):
        containers.dovecot_in("nosuch")
    assert not (tmp_path / "ran").exists()
