"""Printed commands that need another server: a Dovecot in a container, or with a directory."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.lab import builds
from tests.conftest import missing
from tests.docs.stage import Stage, programs, stage
from tests.docs.test_as_printed import CONTAINER, DIRECTORY, TEXTS, furnished, typed
from tests.field.chains import ldap, server, sqlite
from tests.field.container import SECRET, container
from tests.field.directory import SECRET as ADMINS
from tests.field.directory import Directory
from tests.field.rig import Rig
from tests.proofs.story import MiB, argon2id

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has namespaces")
HASH = argon2id(SECRET.encode(), memory=MiB)
SECOND = r"passdb 2"


def printed(pattern: str) -> list[str]:
    return [line for lines in TEXTS.values() for line in lines if re.search(pattern, line)]


def wrong(one: Stage, lines: list[str]) -> str:
    """What did not run as printed, of at least two lines."""
    assert len(lines) > 1
    done = [one.type(typed(line)) for line in lines]
    return "\n\n".join(each.wrong for each in done if each.wrong)


@pytest.mark.parametrize("number", [1, 2])
def test_with_a_directory(rig: Callable[..., Rig], tmp_path: Path, number: int) -> None:
    """It is the only passdb, or the second one, whose entries get the strings of the first."""
    build = builds.installed()
    if build is None:
        missing("no Dovecot is installed")
    assert build
    lines = [line for line in printed(DIRECTORY) if bool(re.search(SECOND, line)) == (number == 2)]
    bare = HASH.removeprefix("{ARGON2ID}")
    with Directory(tmp_path / "directory", {"bob": bare, "alice": "", "carol": ""}) as directory:
        parts = [sqlite(), ldap(directory, bind=False)][-number:]
        one = server(rig, str(build.version), *parts, rows={"carol": HASH})
        (tmp_path / "stage").mkdir()
        folder = furnished(tmp_path / "stage")
        (folder / "admin").write_text(ADMINS)
        with stage(one, folder, ADMINS) as here:
            assert not wrong(here, lines)


def test_with_a_container(tmp_path: Path) -> None:
    """Of that name, as its control group says."""
    for name in ("stage", "container"):
        (tmp_path / name).mkdir()
    folder = programs(tmp_path / "stage")
    with container(tmp_path / "container", group="mail"):
        assert not wrong(Stage(os.getpid(), folder, SECRET), printed(CONTAINER))
