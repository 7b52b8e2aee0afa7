"""A whole store is read by a child without new rights: as Dovecot's user, where a Dovecot reads it."""

import os
import pwd
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mailauth.dovecot.authconfig import SqlSource
from mailauth.dovecot.children import counting
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.site import read_config
from mailauth.errors import CannotObserve
from mailauth.hashes import Password
from mailauth.lab import builds
from mailauth.probes.survey import Ask, observe_surveys, survey_alone
from mailauth.stores.url import source_of
from tests.met import NONE, rights, server

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("doveconf", path=builds.SEARCH), reason="needs root and a Dovecot"
)
_SQL = """driver = mysql
connect = host=127.0.0.1 port={port} user=u password=p dbname=d
password_query = SELECT password FROM users WHERE name = '%u'
"""


def configured(folder: Path, port: int) -> Installation:
    version = read_config(Installation()).version
    if version.dialect != "2.3":
        pytest.skip("the configuration is one of 2.3")
    (folder / "sql.conf").write_text(_SQL.format(port=port))
    (folder / "dovecot.conf").write_text(
        f"base_dir = {folder}/run\npassdb {{\n  driver = sql\n  args = {folder}/sql.conf\n}}\n"
    )
    return Installation(str(folder / "dovecot.conf"))


def test_whole_stores_are_read_as_the_user_that_dovecot_reads_them_as(tmp_path: Path) -> None:
    found: list[dict[str, str]] = []
    with server(rights, found) as port:
        dovecot = configured(tmp_path, port)
        with pytest.raises(CannotObserve):
            observe_surveys(Ask(dovecot, read_config(dovecot)))
    (told,) = found
    assert {name: told[name] for name in NONE} == NONE | to_open(told)
    config = read_config(dovecot)
    assert set(told["Uid"].split()) == {
        str(pwd.getpwnam(config.runs_as(config.passdbs[0].verified_by)).pw_uid)
    }


def test_a_store_that_is_named_is_read_without_new_rights() -> None:
    """Whoever names it has what opens it; but no program is run, and nothing is gained by one."""
    found: list[dict[str, str]] = []
    with server(rights, found) as port:
        query = "SELECT password, name FROM users"
        source = source_of(f"mysql://u@127.0.0.1:{port}/d", query, Password.of("p"))
        assert isinstance(source, SqlSource)
        with pytest.raises(CannotObserve):
            survey_alone(source, None, None, 5, None)
    (told,) = found
    assert {name: told[name] for name in NONE} == NONE | to_open(told)


def to_open(told: dict[str, str]) -> dict[str, str]:
    """As root in 2.3's auth-worker: to open files is left of its capabilities."""
    return dict.fromkeys(("CapEff", "CapPrm"), f"{0b110:016x}") if told["Uid"].startswith("0") else {}


def test_who_reads_a_store_changes_no_file(tmp_path: Path) -> None:
    """Not as root either; but those in which SQLite marks who reads."""
    mine, log = tmp_path / "mine", tmp_path / "users.db-shm"
    for one in (mine, log):
        one.write_text("as it was")

    new, link = tmp_path / "new", tmp_path / "link"
    acts: dict[str, Callable[[], object]] = {
        "log": lambda: log.write_text("read"),
        "write": lambda: mine.write_text("changed"),
        "cut": lambda: os.truncate(mine, 0),
        "open to all": lambda: mine.chmod(0o4777),
        "give away": lambda: os.chown(mine, 1, 1),
        "make": lambda: new.write_text(""),
        "remove": mine.unlink,
        "link": lambda: link.symlink_to("/etc"),
    }

    def attack() -> list[str]:
        done = []
        for name, act in acts.items():
            with suppress(OSError):
                act()
                done.append(name)
        return done

    done = Installation().inside(attack, list[str], environment={}, writes=(str(log),))
    assert (done, mine.read_text(), log.read_text()) == (["log"], "as it was", "read")


def test_what_a_child_counts_is_heard_here() -> None:
    heard: list[int] = []
    with counting(heard.append) as tell:
        assert tell

        def count() -> int:
            for number in (1, 2, 1 << 40):
                tell(number)
            return os.getpid()

        assert Installation().inside(count, environment={}) != os.getpid()
    assert heard == [1, 2, 1 << 40]
