"""The library that the auth process has mapped is not loaded by root where a user could have put it there."""

import ctypes
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailauth.lab import Lab
from tests.cli.running import mailauth
from tests.proofs.story import SECRET, MiB, argon2id

_IN_OPEN = 0x20


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may look into, and only root can write to, with all above it."""
    with tempfile.TemporaryDirectory(dir="/var/lib") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="a file is given to another user")
@pytest.mark.parametrize("owner", ["root", "another user"])
def test_who_tries_a_hash_does_not_load_a_library_of_a_user(
    lab: Callable[..., Lab], dovecot_version: str, owner: str, folder: Path
) -> None:
    """Dovecot runs with it, and the trial says the same by the system's; root's own copy is taken."""
    system = next(each for each in sorted(Path("/usr/lib").glob("*/libsodium.so.2[36]")))
    library = folder / system.name
    shutil.copy(system, library)
    if owner != "root":
        os.chown(library, 65534, 65534)
    setting = {
        "2.3": f"import_environment = LD_PRELOAD={library}\n",
        "2.4": f"import_environment {{\n  LD_PRELOAD = {library}\n}}\n",
    }[dovecot_version[:3]]
    with lab(dovecot_version, "sqlite", {"alice": argon2id(memory=64 * MiB)}, setting) as one:
        assert one.login("alice", SECRET).ok
        opened = watched(library)
        done = mailauth("diagnose", "alice", "--pid", str(one.master_pid), "--password-stdin", feed=SECRET)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Nothing found" in done.stdout
        maps = [Path(f"/proc/{each.pid}/maps").read_text() for each in one.processes()]
        assert any(str(library) in text for text in maps), "Dovecot has it mapped"
        assert (opened() > 0) == (owner == "root")


def watched(file: Path) -> Callable[[], int]:
    """How often it was opened from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(file), _IN_OPEN) >= 0

    def count() -> int:
        try:
            return len(os.read(watch, 65536))
        except BlockingIOError:
            return 0
        finally:
            os.close(watch)

    return count
