"""The Debian package, and a clean root of this very release to install it in."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
import stamina

from mailauth.lab.builds import cache, locked
from tests.cli.running import ROOT

BUILDS_THE_WHEEL = ("hatchling", "click", "msgspec", "psutil")
# What a mail server has before mailauth comes; Python is left for apt to find.
IN_THE_ROOT = "dovecot-core,man-db"


def run(*words: str, **environment: str) -> str:
    """What a command says.  Fails with its last words."""
    done = subprocess.run(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", **environment},
    )
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


# What fetches is tried again: a mirror may be away for a moment.
patient = stamina.retry(on=AssertionError, attempts=3, timeout=None, wait_initial=5.0, wait_max=30.0)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The .deb, built by bin/deb; the libraries are fetched once."""
    return build(tmp_path_factory.mktemp("deb"))


def build(folder: Path) -> Path:
    run("bin/deb", str(folder), MAILAUTH_WHEELS=str(wheels()))
    (built,) = folder.glob("mailauth_*.deb")
    return built


def wheels() -> Path:
    versions = run(sys.executable, "-m", "pip", "freeze", "--exclude-editable", "--exclude", "mailauth")
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    name = hashlib.sha256(f"{versions}{dependencies}".encode()).hexdigest()[:16]
    with locked(cache() / "wheels", name):
        folder = cache() / "wheels" / name
        if not folder.exists():
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
                constraints.write(versions)
                constraints.flush()
                half = Path(tempfile.mkdtemp(dir=folder.parent))
                pip = (sys.executable, "-m", "pip", "--python", "/usr/bin/python3", "wheel", "--quiet")
                wheels = patient(run)
                wheels(*pip, "--wheel-dir", str(half), "--constraint", constraints.name, *dependencies)
                wheels(*pip, "--wheel-dir", str(half), *BUILDS_THE_WHEEL)
            for old in folder.parent.glob("[0-9a-f]*"):
                shutil.rmtree(old)
            half.rename(folder)
    return folder


@pytest.fixture(scope="module")
def clean_root() -> Path:
    """A Debian with Dovecot, and the archives of what apt will want; nothing is changed in it."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a root folder with the users of a Debian in it")
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    with locked(cache() / "clean", suite):
        folder = cache() / "clean" / suite
        if not folder.exists():
            patient(_debian)(suite, folder.parent).rename(folder)
    return folder


def _debian(suite: str, parent: Path) -> Path:
    half = Path(tempfile.mkdtemp(dir=parent))
    half.chmod(0o755)
    run("debootstrap", "--variant=minbase", f"--include={IN_THE_ROOT}", suite, str(half))
    run("chroot", str(half), "apt-get", "clean")
    fetch = ("install", "--yes", "--no-install-recommends", "--download-only", "python3")
    run("chroot", str(half), "apt-get", *fetch)
    return half


def sections(text: str) -> dict[str, str]:
    """What was said under each ``== name`` of a script."""
    parts = re.split(r"^== (.+)$\n?", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
