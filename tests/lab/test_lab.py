"""The lab runs a real Dovecot of any version with a real store."""

import imaplib
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import stamina

from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve, UsageError
from mailauth.lab import Lab, builds
from tests.cli.running import ROOT

ODD = {"o'brien": "{PLAIN}secret", 'a"b': "{PLAIN}secret", "näme@example.org": "{PLAIN}secret", "null": None}


def test_a_right_password_logs_in_and_a_wrong_one_does_not(
    lab: Callable[..., Lab], dovecot_version: str, store: str
) -> None:
    with lab(dovecot_version, store, {"alice": "{PLAIN}secret"}) as one:
        assert dovecot_version == str(one.version)
        assert one.version.dialect == one.dialect
        assert one.login("alice", b"secret").ok
        assert not one.login("alice", b"wrong").ok
        assert one.logs("Password mismatch")


def test_settings_take_effect_with_a_reload(lab: Callable[..., Lab], dovecot_version: str) -> None:
    with lab(dovecot_version, settings="service auth {\n  vsz_limit = 77M\n}\n") as one:

        def limits() -> set[int]:
            """Of the auth processes, but for those that have ended and are still there."""
            found = set()
            for process in one.processes():
                with suppress(psutil.NoSuchProcess, FileNotFoundError):
                    text = Path(f"/proc/{process.pid}/limits").read_text()  # psutil: CAP_SYS_RESOURCE
                    if process.name() == "auth" and process.status() != psutil.STATUS_ZOMBIE:
                        found.add(int(re.findall(r"Max address space +(\d+)", text)[0]))
            return found

        assert limits() == {77 << 20}
        one.configure("service auth {\n  vsz_limit = 88M\n}\n")
        assert limits() == {77 << 20}
        one.reload()
        assert limits() == {88 << 20}
        one.configure("")
        one.restart()
        assert limits() == {256 << 20}


def test_users_change_while_dovecot_runs(lab: Callable[..., Lab], dovecot_version: str, store: str) -> None:
    with lab(dovecot_version, store, {"alice": "{PLAIN}secret", "bob": "{PLAIN}secret"}) as one:
        assert one.login("alice", b"secret").ok
        one.set_password("alice", "{PLAIN}sesame")
        one.remove_user("bob")
        assert one.login("alice", b"sesame").ok
        assert not one.login("bob", b"secret").ok


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
def test_a_table_keeps_any_user_and_null(lab: Callable[..., Lab], kind: str) -> None:
    with lab(None, kind, ODD) as one:
        assert one.store.users() == ODD
        for user in ("o'brien", 'a"b'):
            assert one.login(user, b"secret").ok is False  # auth_username_chars does not allow it
        one.configure("auth_username_chars =\n")
        one.reload()
        assert one.login("o'brien", b"secret").ok


def test_doveadm_and_doveconf_are_those_of_the_lab(lab: Callable[..., Lab], dovecot_version: str) -> None:
    with lab(dovecot_version, "passwd-file", {"alice": "{PLAIN}secret"}) as one:
        assert one.run("doveadm", "auth", "test", "alice", "secret").returncode == 0
        assert dovecot_version in one.run("dovecot", "--version").stdout
        assert str(one.folder) in one.run("doveconf", "base_dir").stdout


def test_imap_answers_on_loopback(lab: Callable[..., Lab], dovecot_version: str) -> None:
    with (
        lab(dovecot_version, "sqlite", {"alice": "{PLAIN}secret"}, protocols=("imap",)) as one,
        imaplib.IMAP4("127.0.0.1", one.ports["imap"], timeout=60) as imap,
    ):
        assert imap.login("alice", "secret")[0] == "OK"


def test_the_passdb_can_be_extended(lab: Callable[..., Lab], dovecot_version: str) -> None:
    scheme = {"2.3": "default_pass_scheme = PLAIN", "2.4": "default_password_scheme = plain"}
    dialect = "2.4" if dovecot_version.startswith("2.4") else "2.3"
    with lab(dovecot_version, "sqlite", {"alice": "secret"}, sql_extra=scheme[dialect]) as one:
        assert one.login("alice", b"secret").ok


def test_a_configuration_that_dovecot_refuses_is_told_in_its_words(
    lab: Callable[..., Lab], dovecot_version: str
) -> None:
    with (
        pytest.raises(UsageError, match="no_such_setting"),
        lab(dovecot_version, settings="no_such_setting = 1\n"),
    ):
        pass


def test_an_unknown_version_gets_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"^There is no Dovecot 2\.2\.1 here; there are 2\.3\.13, [^\n]*\.$"):
        builds.ensure("2.2.1")


def test_an_unknown_store_gets_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"^There is no store 'oracle'; there are passwd-file, "):
        Lab(store="oracle")


def test_a_root_that_lacks_a_package_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that was unpacked before submission and ManageSieve were asked for."""
    monkeypatch.setenv("MAILAUTH_CACHE", str(tmp_path))
    release = builds.find("2.4.1")
    root = tmp_path / "dovecot" / release.suite
    packages = root / "var/lib/dpkg/info"
    packages.mkdir(parents=True)
    (root / "mailauth-version").write_text("2.4.1 (0)\n")
    for name in builds.PACKAGES[1:]:
        (packages / f"{name}.list").touch()
    assert builds.unpacked(release) is None
    (packages / f"{builds.PACKAGES[0]}.list").touch()
    assert builds.unpacked(release) == builds.Build(Version.parse("2.4.1"), root)
    # One that is added to now: dpkg has the names before the files, and the mark after them.
    (root / "mailauth-packages").write_text("\n".join(builds.PACKAGES[1:]))
    assert builds.unpacked(release) is None
    (root / "mailauth-packages").write_text("\n".join(builds.PACKAGES))
    assert builds.unpacked(release) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="unpacking needs root")
@pytest.mark.parametrize(
    ("says", "tries"), [("E: Couldn't download packages: libc6", 4), ("mkdir: No space left on device", 1)]
)
def test_what_could_not_be_downloaded_is_tried_again_and_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, tries: int
) -> None:
    tool = tmp_path / "debootstrap"
    tool.write_text(f'#!/bin/sh\necho >>{tmp_path}/calls\necho "{says}"\nexit 1\n')
    tool.chmod(0o755)
    monkeypatch.setattr(builds, "SEARCH", str(tmp_path))
    monkeypatch.setenv("MAILAUTH_CACHE", str(tmp_path / "cache"))
    said: list[str] = []
    with (
        stamina.set_testing(True, attempts=9, cap=True),  # it waits for nothing
        pytest.raises(CannotObserve, match="is the mirror reachable") as failed,
    ):
        builds.ensure("bullseye", said.append)
    assert says in str(failed.value)
    assert (tmp_path / "calls").read_text() == tries * "\n"
    assert said.count("A download failed; trying again.") == tries - 1
    assert [path.name for path in (tmp_path / "cache" / "dovecot").iterdir()] == [".bullseye.lock"]


@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix runs as root only")
def test_postfix_ends_with_its_lab(lab: Callable[..., Lab]) -> None:
    with lab(None, users={"alice": "{PLAIN}secret"}, tls=True, postfix=True) as one:
        assert one.postfix
        master = psutil.Process(one.postfix.pid)
        folder = one.folder
        port = one.ports["smtp"]
        with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
            assert link.recv(4) == b"220 "
    assert not master.is_running()
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=60)


@pytest.mark.skipif(os.geteuid() != 0, reason="root hides the driver in a mount namespace of its own")
def test_a_driver_that_is_not_installed_is_named(tmp_path: Path) -> None:
    """Mailauth demo, where dovecot-sqlite is missing."""
    modules = Path("/usr/lib/dovecot/modules")
    hidden = tmp_path / "modules"
    shutil.copytree(modules, hidden, symlinks=True)
    (hidden / "libdriver_sqlite.so").unlink()
    (hidden / "auth" / "libdriver_sqlite.so").unlink(missing_ok=True)
    inside = f"mount --bind {hidden} {modules} && exec {sys.executable} -m mailauth demo"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", inside], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (
        3,
        "mailauth: Dovecot's driver is not here: apt-get install dovecot-sqlite\n",
    )
