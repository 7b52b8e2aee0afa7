"""A container that has the machine's own libraries, and files of its own for PAM, is asked nothing by PAM.

The modules and programs that its files name would be run in our process: with our interpreter, whose file
they could then give to whoever waits for it (CVE-2019-5736).
"""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve
from mailauth.stores import libpam
from mailauth.stores.pam_said import PamSaid

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes such a root")
# The library that is asked has the same inode there as here.
ROOT = """
cd "$1"
for one in usr opt root work; do
    [ -d /$one ] && mkdir -p $one && mount --rbind --read-only /$one $one
done
for one in lib lib64 bin sbin; do
    if [ -L /$one ]; then ln -s "$(readlink /$one)" $one; elif [ -d /$one ]; then
        mkdir -p $one; mount --rbind /$one $one; fi
done
mkdir -p proc dev tmp
mount --rbind /dev dev
mount -t proc proc proc
exec chroot . sleep 600
"""
PAM = "auth required pam_exec.so quiet /evil\naccount required pam_permit.so\n"
EVIL = "#!/proc/self/exe\nopen('/mark', 'w').write('ours')\n"


@pytest.fixture
def shared() -> Iterator[tuple[int, Path]]:
    """The first process of such a container, and its root."""
    with TemporaryDirectory(prefix="mailauth-shared-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        (root / "etc/pam.d").mkdir(parents=True)
        (root / "etc/pam.d/dovecot").write_text(PAM)
        (root / "evil").write_text(EVIL)
        (root / "evil").chmod(0o755)
        apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--", "sh", "-ec", ROOT, "sh")
        with subprocess.Popen([*apart, name], cwd="/") as outer:
            try:
                deadline = time.monotonic() + 60
                while not (below := psutil.Process(outer.pid).children()) or below[0].name() != "sleep":
                    assert outer.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                yield below[0].pid, root
            finally:
                outer.kill()


def test_pam_of_another_root_runs_nothing_in_our_process(shared: tuple[int, Path]) -> None:
    pid, root = shared
    found = libpam.load()
    if found is None:
        pytest.skip("libpam.so.0 is not on this machine")
    beside = Installation(pid=pid)
    assert beside.path(found[1]).samefile(found[1]), "the container has the very library"
    with pytest.raises(CannotObserve, match="another root"):
        beside.as_it_is(lambda: libpam.ask("dovecot", "alice", b"secret", ""), PamSaid, seconds=30.0)
    assert not (root / "mark").exists()
