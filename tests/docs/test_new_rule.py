"""bin/new-rule: its skeletons are a rule of the table, and fail until they are filled."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import ROOT
from tests.docs import new_rule
from tests.test_house import TOP


def test_nothing_is_left_to_fill_in() -> None:
    """Where this fails, bin/new-rule made a skeleton, and a part of it is not written yet."""
    for folder in (ROOT / "mailauth", ROOT / "tests"):
        left = [path for path in folder.rglob("*.py") if new_rule.MARK in path.read_text()]
        assert left == []


@pytest.mark.parametrize(
    ("code", "name", "says"),
    [
        ("XYZ001", "odd", "a code is a group"),
        ("AUTH1", "odd", "a code is a group"),
        ("AUTH999", "Odd", "name it as a function"),
        ("AUTH001", "odd", "stays for ever"),
    ],
)
def test_what_is_refused(code: str, name: str, says: str) -> None:
    assert says in new_rule.refused(code, name)


def test_the_skeletons_fail_until_they_are_filled(tmp_path: Path) -> None:
    for name in TOP:
        source, target = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    assert new_rule.refused("AUTH999", "new_fault") == ""
    made = new_rule.make("AUTH999", "new_fault", tmp_path)
    assert {path.name for path in made} == {
        "auth999_new_fault.py",
        "test_auth999_new_fault.py",
        "__init__.py",
    }
    table = "mailauth/rules/__init__.py"
    before, after = (ROOT / table).read_text().splitlines(), (tmp_path / table).read_text().splitlines()
    assert [line.strip() for line in after if line not in before] == ['"auth999_new_fault",']
    assert len(after) == len(before) + 1
    assert "AUTH999" in in_the_copy(tmp_path, "-m", "mailauth", "explain").stdout
    tests = ("tests/docs/test_new_rule.py::test_nothing_is_left_to_fill_in", "tests/test_house.py")
    done = in_the_copy(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED tests/docs/test_new_rule.py::test_nothing_is_left_to_fill_in" in done.stdout
    assert done.stdout.count("FAILED ") == 1, "it is in the table, has its headings and its proof"
    proof = ("tests/proofs/test_auth999_new_fault.py", "-x")
    done = in_the_copy(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *proof)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed" in done.stdout


def in_the_copy(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=folder)
