"""bin/release: a version is cut in one commit, and the same commit gives the same bytes."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.cli.running import ROOT

_NOT_OURS = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", "dist", "build", "*.egg-info")
_WHO = {f"GIT_{who}_{what}": "a@b.invalid" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def run(folder: Path, *words: str, ok: bool = True) -> str:
    done = subprocess.run(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, **_WHO, "MAILAUTH_PYTHON": sys.executable},
    )
    assert (done.returncode == 0) is ok, done.stdout[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This tree with a change to be released, as one commit of its own."""
    folder = tmp_path_factory.mktemp("release") / "mailauth"
    shutil.copytree(ROOT, folder, ignore=_NOT_OURS)
    changes = folder / "CHANGELOG.md"
    changes.write_text(changes.read_text().replace("## Unreleased\n", "## Unreleased\n\n- A change.\n", 1))
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "all of it")
    return folder


def test_a_version_is_cut_and_built_twice_with_the_same_bytes(clone: Path, tmp_path: Path) -> None:
    """One test, since the second half needs the first."""
    assert "a version is MAJOR.MINOR.PATCH" in run(clone, "bin/release", "cut", "1.0", ok=False)
    run(clone, "bin/release", "cut", "9.8.7")
    assert tomllib.loads((clone / "pyproject.toml").read_text())["project"]["version"] == "9.8.7"
    assert "\n## Unreleased\n\n## 9.8.7 - 2" in (clone / "CHANGELOG.md").read_text()
    assert run(clone, "git", "tag").split() == ["v9.8.7"]
    assert run(clone, "git", "status", "--porcelain") == ""
    assert "there already" in run(clone, "bin/release", "cut", "9.8.7", ok=False)
    assert "nothing under Unreleased" in run(clone, "bin/release", "cut", "9.8.8", ok=False)

    built = [tmp_path / "one", tmp_path / "two"]
    run(clone, "bin/release", "build", "--no-deb", str(built[0]))
    for path in clone.rglob("*.py"):
        os.utime(path, (1, 1))  # times of files count for nothing
    run(clone, "bin/release", "build", "--no-deb", str(built[1]))
    names = [
        "SHA256SUMS",
        "mailauth-9.8.7-py3-none-any.whl",
        "mailauth-9.8.7.cdx.json",
        "mailauth-9.8.7.tar.gz",
    ]
    for folder in built:
        assert sorted(path.name for path in folder.iterdir()) == names
    for name in names:
        assert (built[0] / name).read_bytes() == (built[1] / name).read_bytes(), name
    has_what_it_should(built[0])

    (clone / "mailauth" / "new.py").write_text("")
    assert "not what is committed" in run(clone, "bin/release", "build", "--no-deb", ok=False)


def has_what_it_should(folder: Path) -> None:
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    bill = json.loads((folder / "mailauth-9.8.7.cdx.json").read_text())
    assert bill["metadata"]["component"]["version"] == "9.8.7"
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        inside = wheel.namelist()
    assert "mailauth/rules/__init__.py" in inside
    assert any(name.endswith("share/man/man1/mailauth-checkup.1") for name in inside)
    assert not any(name.startswith(("tests/", "bench/")) for name in inside)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as sources:
        inside = sources.getnames()
    assert {"mailauth-9.8.7/bin/test", "mailauth-9.8.7/tests/proofs/story.py"} <= set(inside)
