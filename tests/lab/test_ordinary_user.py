"""The lab works without root: with the Dovecot installed, and with one unpacked from another release."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil
import pytest

import mailauth
from mailauth.lab import builds

NOBODY = 65534
SCRIPT = """
import sys
from mailauth.lab import Lab
with Lab(sys.argv[1], sys.argv[2], {"alice": "{PLAIN}secret"}) as lab:
    assert lab.login("alice", b"secret").ok
    assert not lab.login("alice", b"wrong").ok
    assert lab.run("doveadm", "auth", "test", "alice", "secret").returncode == 0
    lab.configure("auth_debug = yes\\n")
    lab.reload()
    assert lab.login("alice", b"secret").ok
    assert "rror" not in lab.log(), lab.log()
    print(lab.version, lab.folder)
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="all tests are run by an ordinary user already")


@pytest.fixture(scope="module")
def readable() -> Iterator[Path]:
    """Copies of the package, what it imports and the cache, since an ordinary user may not enter ours."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        # byte code that is just being written has another name
        shutil.copytree(
            Path(mailauth.__file__).parent, folder / "mailauth", ignore=shutil.ignore_patterns("*.pyc.*")
        )
        for needed in (msgspec, psutil):
            shutil.copytree(Path(str(needed.__file__)).parent, folder / needed.__name__)
        (folder / "cache").mkdir()
        os.chown(folder / "cache", NOBODY, NOBODY)
        yield folder


def python() -> str:
    """An interpreter that an ordinary user may run, of the version that runs the tests if there is one."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for one in (sys.executable, f"/usr/bin/{name}", "/usr/bin/python3"):
        with suppress(OSError):
            if not as_nobody(one, "-c", "import sys; assert sys.version_info >= (3, 11)").returncode:
                return one
    pytest.skip("there is no Python >= 3.11 that an ordinary user may run")


def as_nobody(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("kind", ["passwd-file", "sqlite", "ldap", "lua"])
def test_an_ordinary_user_has_a_lab(dovecot_version: str, kind: str, readable: Path) -> None:
    build = builds.available(dovecot_version)
    assert build
    if build.root:
        copy = readable / "cache" / "dovecot" / build.root.name
        if not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            subprocess.run(["cp", "-a", str(build.root), str(copy)], check=True)
    done = as_nobody(
        *(python(), "-c", SCRIPT, dovecot_version, kind),
        PYTHONPATH=str(readable),
        MAILAUTH_CACHE=str(readable / "cache"),
    )
    if "the kernel allows none" in done.stderr:
        pytest.skip("the kernel allows an ordinary user no user namespace here")
    assert not done.returncode, done.stderr
    version, folder = done.stdout.split()
    assert dovecot_version == version
    assert not Path(folder).exists()


def test_unpacking_without_root_is_refused_in_one_sentence(readable: Path) -> None:
    wanted = next(
        r.version for r in builds.RELEASES if r.version != str(getattr(builds.installed(), "version", ""))
    )
    script = f"from mailauth.lab import builds; builds.ensure({wanted!r})"
    done = as_nobody(
        python(), "-c", script, PYTHONPATH=str(readable), MAILAUTH_CACHE=str(readable / "cache" / "new")
    )
    assert f"mailauth.errors.CannotObserve: Unpacking Dovecot {wanted} needs root" in done.stderr
