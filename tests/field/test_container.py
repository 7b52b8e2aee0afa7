"""A Dovecot in a container, asked from outside with --pid: it is its own root that is looked at.

And whoever owns that root has nothing of ours by it: no file, no right, no code in our process.
"""

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mailauth.diagnosing import Target, diagnose
from mailauth.dovecot import inroot
from mailauth.dovecot.doveadm import Installation, at_pid
from mailauth.dovecot.typed import plain
from mailauth.errors import NoAnswerInTime
from mailauth.hashes import Password
from tests.cli.running import ORDINARY, mailauth
from tests.field import container as field_container
from tests.field.container import CAPABILITIES, SECRET, USER, container
from tests.proofs.story import record_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a container here")
PASSWORD = ("--password-stdin",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("container")


@pytest.fixture(scope="module")
def master(folder: Path) -> Iterator[int]:
    with container(folder) as pid:
        yield pid


def test_a_healthy_one_is_healthy(master: int) -> None:
    """Its configuration, passwd-file, certificate and sockets are behind absolute links."""
    for words in (("diagnose", USER, "--login"), ("login", USER)):
        done = mailauth(*words, "--pid", str(master), *PASSWORD, feed=f"{SECRET}\n")
        assert done.returncode == 0, done.stdout + done.stderr
    assert "7 yes." in done.stdout  # doveadm auth login, too, which auth asks for its PID
    done = mailauth("check", "server", "--pid", str(master))
    assert (done.returncode, "CRITICAL" in done.stdout) == (0, False), done.stdout


def test_a_groups_number_is_its_own(tmp_path: Path) -> None:
    """Its group dovecot has another number than ours: typed on the host, the command gives the right one."""
    with container(tmp_path) as pid:
        file = tmp_path / "srv/mail/example.org/passwd"
        inside = Installation(pid=pid)
        group = inside.group("dovecot")
        os.chown(file, 0, 12)
        file.chmod(0o640)
        found = diagnose(Target(USER, at_pid(pid, None), Password.of(SECRET))).findings
        [told] = [finding for finding in found if finding.rule.code == "CONF012"]
        commands = [plain(inside, one) for one in told.problem.remedy.commands]
        own = "/srv/mail/example.org/passwd"  # by the file's own name: links lead to it
        assert commands == [("chgrp", "--", str(group), own), ("chmod", "--", "g+r", own)]
        subprocess.run(["chgrp", "--", str(group), str(file)], check=True)
        subprocess.run(["chmod", "--", "o+r", str(file)], check=True)
        found = diagnose(Target(USER, at_pid(pid, None), Password.of(SECRET))).findings
        [told] = [finding for finding in found if finding.rule.code == "CONF013"]
        assert plain(inside, told.problem.remedy.commands[0])[2] == str(group)
        file.chmod(0o640)
        assert not diagnose(Target(USER, at_pid(pid, None), Password.of(SECRET))).findings


def test_a_wrong_password(master: int) -> None:
    done = mailauth("diagnose", USER, "--pid", str(master), *PASSWORD, feed="wrong\n")
    assert "PASS001" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("log_config", "codes"),
    [
        ({"Type": "json-file", "Config": {}}, {"LOG002"}),
        ({"Type": "json-file", "Config": {"max-size": "10m"}}, set()),
    ],
)
def test_its_log_has_no_limit(tmp_path: Path, log_config: object, codes: set[str]) -> None:
    """A login that fails for ever fills the host's disk."""
    with container(tmp_path, log_config=log_config) as pid:
        found = diagnose(Target(USER, at_pid(pid, None), Password.of(SECRET))).findings
        assert {finding.rule.code for finding in found} == codes
        if codes:
            record_of("2.4.1", "passwd-file", "Docker keeps a log without a limit", codes)


def test_no_link_leads_out(master: int, folder: Path) -> None:
    """Absolute, relative, in a circle, or exchanged after it was looked at; a pipe is not waited for."""
    secret = folder / "secret"
    secret.write_text("of the host")
    inside = Installation(pid=master)
    for name, target in (("there", str(secret)), ("up", f"../../../..{secret}"), ("folder", str(folder))):
        (folder / "srv" / name).symlink_to(target)
    (folder / "srv/round").symlink_to("/srv/round")
    os.mkfifo(folder / "srv/pipe")
    for name in ("there", "up", "folder/secret"):
        assert not inside.path(f"/srv/{name}").exists()
        assert not inside.has(f"/srv/{name}")
        for path in (inside.path(f"/srv/{name}"), Path(f"/proc/{master}/root/srv/{name}")):
            with pytest.raises(FileNotFoundError):
                inroot.content(path, inroot.TABLE)
    with pytest.raises(OSError, match="symbolic links"):
        inside.path("/srv/round")
    with pytest.raises(OSError, match="no regular file"):
        inroot.content(inside.path("/srv/pipe"), inroot.TABLE)
    assert str(inside.path("/var/run/dovecot/auth-client")) == f"/proc/{master}/root/run/dovecot/auth-client"
    assert inroot.names("/etc/dovecot/domains/*/p*", inside.path) == [
        "/etc/dovecot/domains/example.org/passwd"
    ]


def test_without_openat2(master: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel before 5.6 says ENOSYS to its number."""
    monkeypatch.setattr(inroot, "_OPENAT2", 100_000)
    told = inroot.content(Path(f"/proc/{master}/root/etc/dovecot/conf.d/auth.conf"), inroot.TABLE)
    assert told == (folder / "srv/conf.d/auth.conf").read_bytes()
    (folder / "srv/out").symlink_to(folder / "config.json")
    with pytest.raises(FileNotFoundError):
        inroot.content(Path(f"/proc/{master}/root/srv/out"), inroot.TABLE)


def test_its_programs_have_its_rights(master: int) -> None:
    """All its namespaces, Docker's capabilities, no_new_privs: whatever doveconf may be in there."""
    told = Installation(pid=master).run("rights").out
    own = Path(f"/proc/{master}/status").read_text()
    for name in ("CapBnd", "NoNewPrivs", "Uid"):
        assert line_of(told, name) == line_of(own, name)
    assert int(line_of(told, "CapEff"), 16).bit_count() == len(CAPABILITIES)
    for kind in ("pid", "mnt", "net", "ipc", "uts", "cgroup", "user"):
        assert str(Path(f"/proc/{master}/ns/{kind}").readlink()) in told


def line_of(status: str, name: str) -> str:
    return next(line for line in status.splitlines() if line.startswith(f"{name}:")).split()[1]


def test_a_program_that_does_not_end_is_ended(master: int) -> None:
    with pytest.raises(NoAnswerInTime):
        Installation(pid=master).run("rights", "forever", timeout=1.0)
    deadline = time.monotonic() + 60
    while any("86399" in (one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def ordinary() -> Iterator[int]:
    """A process of an ordinary user's, who is root in a user namespace of its own."""
    apart = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--")
    with subprocess.Popen([*ORDINARY, *apart, "sleep", "600"], cwd="/", stderr=subprocess.PIPE) as outer:
        try:
            deadline = time.monotonic() + 60
            while not ((sleeps := psutil.Process(outer.pid).children()) and sleeps[0].name() == "sleep"):
                if outer.poll() is not None:
                    pytest.skip("the kernel allows an ordinary user no user namespace")
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield sleeps[0].pid
        finally:
            outer.kill()


def test_root_is_nobody_among_an_ordinary_users_processes(ordinary: int, tmp_path: Path) -> None:
    """What root runs beside them, and does in their root, is done as that user."""
    for place in (tmp_path, *tmp_path.parents[:-2]):
        place.chmod(0o755)
    open_to_all = tmp_path / "all"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    beside = Installation(pid=ordinary)
    assert beside.run("touch", str(open_to_all / "run")).status == 0
    beside.inside((open_to_all / "inside").touch)
    assert {one.stat().st_uid for one in open_to_all.iterdir()} == {65534}
    assert beside.run("touch", str(tmp_path / "roots")).status
    assert not (tmp_path / "roots").exists()


_HOMES = "userdb passwd-file {\n  passwd_file_path = /srv/homes\n}\n"


def test_users_are_those_of_its_own_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that only the host has is none in there; and no more than its files is asked for names."""
    monkeypatch.setattr(field_container, "_USERDB", _HOMES)
    with container(tmp_path) as pid:
        inside = Installation(pid=pid)
        its = {row.partition(":")[0] for row in inside.read("/etc/passwd").splitlines()}
        stranger = next(one.pw_name for one in pwd.getpwall() if one.pw_name not in its and one.pw_uid)
        homes = tmp_path / "srv/homes"
        homes.write_text(f"{USER}::{stranger}:5000::/srv/mail/{USER}::\n")
        done = mailauth("diagnose", USER, "--pid", str(pid), *PASSWORD, feed=SECRET)
        told = " ".join(done.stdout.split())
        assert "USERDB001" in told, done.stdout + done.stderr
        assert f"/srv/homes:1, and its uid '{stranger}' is no user of this system" in told
        time.sleep(1.1)  # Dovecot looks at it once a second: src/auth/db-passwd-file.c
        homes.write_text(f"{USER}::mail:mail:the same user, named as in there:/srv/mail/{USER}::\n")
        done = mailauth("diagnose", USER, "--pid", str(pid), *PASSWORD, feed=SECRET)
        assert "USERDB001" not in done.stdout
        assert "USERDB006" not in done.stdout
