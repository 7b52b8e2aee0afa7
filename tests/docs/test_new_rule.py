"""bin/new-rule and bin/new-driver: their skeletons stand in the tables, and fail until they are filled."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import ROOT
from tests.docs import new_driver, new_rule
from tests.test_house import TOP


def test_nothing_is_left_to_fill_in() -> None:
    """Where this fails, bin/new-rule or bin/new-driver made a skeleton that is not filled yet."""
    for folder in (ROOT / "mailauth", ROOT / "tests"):
        left = [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
            for path in sorted(folder.rglob("*.py"))
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if new_rule.MARK in line
        ]
        assert not left, "\n".join(["to be filled:", *left])


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


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The tree, to be written into."""
    for name in TOP:
        source, target = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Oracle", "small letters"),
        ("sqlite", "is there already"),
        ("rows", "is something else"),
        ("", "give"),
    ],
)
def test_what_is_no_driver(name: str, says: str) -> None:
    assert says in new_driver.refused(name)


def test_a_driver_s_skeleton_fails_until_it_is_filled(copy: Path) -> None:
    assert new_driver.refused("nosuch") == ""
    made = new_driver.make("nosuch", copy)
    assert [str(path.relative_to(copy)) for path in made] == [
        "mailauth/stores/nosuch.py",
        "mailauth/dovecot/authconfig.py",
    ]
    found = in_the_copy(
        copy, "-c", "from mailauth.stores.databases import DATABASES; print(DATABASES['nosuch'].place({}))"
    )
    assert found.stdout == "nosuch localhost/\n", found.stderr
    styled(copy, made)
    tests = ("tests/docs/test_new_rule.py", "tests/test_house.py")
    left = "nothing_is_left or driver_of_a_database or circle or lines or a_class"
    done = in_the_copy(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", left)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED tests/docs/test_new_rule.py::test_nothing_is_left_to_fill_in" in done.stdout
    assert done.stdout.count("FAILED ") == 1, done.stdout


def test_the_skeletons_fail_until_they_are_filled(copy: Path) -> None:
    assert new_rule.refused("AUTH999", "new_fault") == ""
    made = new_rule.make("AUTH999", "new_fault", copy)
    assert {path.name for path in made} == {
        "auth999_new_fault.py",
        "test_auth999_new_fault.py",
        "__init__.py",
    }
    table = "mailauth/rules/__init__.py"
    before, after = (ROOT / table).read_text().splitlines(), (copy / table).read_text().splitlines()
    assert [line.strip() for line in after if line not in before] == ['"auth999_new_fault",']
    assert len(after) == len(before) + 1
    styled(copy, made)
    assert "AUTH999" in in_the_copy(copy, "-m", "mailauth", "explain").stdout
    tests = ("tests/docs/test_new_rule.py::test_nothing_is_left_to_fill_in", "tests/test_house.py")
    done = in_the_copy(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED tests/docs/test_new_rule.py::test_nothing_is_left_to_fill_in" in done.stdout
    assert done.stdout.count("FAILED ") == 1, "it is in the table, has its headings and its proof"
    proof = ("tests/proofs/test_auth999_new_fault.py", "-x")
    done = in_the_copy(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *proof)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed" in done.stdout


def in_the_copy(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=folder)


def styled(folder: Path, made: list[Path]) -> None:
    """The test that is named next is not stopped by style."""
    done = in_the_copy(folder, "-m", "ruff", "check", "--no-cache", *map(str, made))
    assert done.returncode == 0, done.stdout
