"""What an ordinary user may name or run: it is asked as that user, or not believed."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from msgspec import structs

from mailauth.cli import migrate_on_login_run
from mailauth.dovecot import containers, holding, inroot
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve, UsageError
from mailauth.fix import journal as fix_journals
from mailauth.lab.builds import installed
from mailauth.migrate import onlogin
from tests.cli.running import ORDINARY, mailauth
from tests.field.container import SECRET, USER, container
from tests.field.test_entering import capabilities

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root enters another's namespaces")


@pytest.fixture
def fake() -> Iterator[int]:
    """An ordinary user's process, in our own root."""
    with subprocess.Popen([*ORDINARY, "sleep", "600"], cwd="/") as one:
        try:
            deadline = time.monotonic() + 60
            while psutil.Process(one.pid).name() != "sleep":
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield one.pid
        finally:
            one.kill()


def test_an_ordinary_users_files_are_opened_as_that_user(fake: int, tmp_path: Path) -> None:
    """Its root is ours: through /proc/PID/root it names whatever root alone may read."""
    secret = tmp_path / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    with pytest.raises(PermissionError):
        inroot.content(Path(f"/proc/{fake}/root{secret}"), inroot.TABLE)
    ran = Installation(pid=fake).execute(("cat", str(secret)))
    assert (ran.status, ran.out) == (1, "")
    told = Installation(pid=fake).execute(("cat", "/proc/self/status")).out
    assert capabilities(told) == capabilities(told, "CapPrm") == 0
    assert "Groups:\t \n" in told


def test_a_folder_that_becomes_a_link_where_the_kernel_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a sandbox does not know openat2(2): after the name was followed, and before it is opened."""
    its, host = tmp_path / "root" / "etc", tmp_path / "host"
    for place, text in ((its, "its"), (host, "the host's")):
        place.mkdir(parents=True)
        (place / "file").write_text(text)
    (its / "absolute").symlink_to("/etc/../../../etc/file")
    (its / "relative").symlink_to("../etc/./file")
    (its / "circle").symlink_to("circle")
    monkeypatch.setattr(inroot, "_OPENAT2", 100_000)
    folder = os.open(its.parent, os.O_PATH | os.O_DIRECTORY)

    def read(name: str) -> str:
        with os.fdopen(inroot._inside(folder, str(its.parent), name, os.O_RDONLY)) as file:
            return file.read()

    def late(root: str, name: str) -> Path:
        seen = found(root, name)
        its.rename(its.with_name("away"))
        its.symlink_to(host)
        return seen

    try:
        assert {read("/etc/absolute"), read("/etc/relative"), read("/../etc/file")} == {"its"}
        with pytest.raises(OSError, match="Too many levels"):
            read("/etc/circle")
        found = inroot.found
        monkeypatch.setattr(inroot, "found", late)
        assert read("/etc/file") == "its"
        monkeypatch.undo()
        late("/", "/")
        monkeypatch.setattr(inroot, "_OPENAT2", 100_000)
        with pytest.raises(FileNotFoundError):
            read("/etc/file")
    finally:
        os.close(folder)


def test_a_process_that_ended_is_no_other() -> None:
    """Its number may be another's: nothing is run beside that, and nothing of its root is read."""
    with subprocess.Popen(["sleep", "600"]) as first:
        number = first.pid
        holding.hold(number)
        first.kill()
    again = Path("/proc/sys/kernel/ns_last_pid")
    for _ in range(200):
        again.write_text(str(number - 1))
        with subprocess.Popen(["sleep", "600"]) as second:
            try:
                if second.pid == number:
                    beside = Installation(pid=number)
                    with pytest.raises(CannotObserve, match="has ended"):
                        beside.run("true")
                    with pytest.raises(CannotObserve, match=r"has ended|cannot be entered"):
                        beside.inside(os.getpid)
                    with pytest.raises(OSError, match="has ended"):
                        inroot.content(Path(f"/proc/{number}/root/etc/passwd"), inroot.TABLE)
                    return
            finally:
                second.kill()
    pytest.skip("this number was not to be had again")


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder that all may enter: pytest's own are closed again by each run of it that begins."""
    with TemporaryDirectory(prefix="mailauth-common-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


def head() -> str:
    """What the configuration of the Dovecot that is installed here begins with."""
    build = installed()
    assert build
    if build.version.dialect == "2.3":
        return ""
    return f"dovecot_config_version = {build.version}\ndovecot_storage_version = {build.version}\n"


@pytest.fixture
def evil(common: Path) -> Iterator[tuple[int, Path]]:
    """An ordinary user's program by the name of dovecot, with a configuration of its own; its folder."""
    program, config, secret = common / "dovecot", common / "evil.conf", common / "secret"
    shutil.copy(shutil.which("timeout") or "", program)
    secret.write_text("the first line of a file that is root's\n")
    secret.chmod(0o600)
    config.write_text(f"{head()}!include {secret}\nbase_dir = {common}\n")
    words = (str(program), "600", "awk", 'BEGIN { system("sleep 600") }', "-c", str(config))
    with subprocess.Popen([*ORDINARY, *words], cwd="/") as one:
        try:
            deadline = time.monotonic() + 60
            while psutil.Process(one.pid).name() != "dovecot":
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield one.pid, common
        finally:
            for below in psutil.Process(one.pid).children(recursive=True):
                below.kill()
            one.kill()


def test_an_ordinary_users_dovecot_is_not_believed(evil: tuple[int, Path]) -> None:
    """Root's doveconf would read what its command line names, and quote what it cannot read as one."""
    pid, folder = evil
    done = mailauth("diagnose", USER, "--pid", str(pid))
    assert "the first line" not in done.stdout + done.stderr
    assert "Permission denied" in " ".join(done.stdout.split()), done.stdout + done.stderr
    (folder / "evil.conf").write_text(f"{head()}base_dir = {folder}\n")
    done = mailauth("check", "server", "--pid", str(pid))
    assert "holds no socket below" in done.stdout, done.stdout + done.stderr


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of ours, in one of the hierarchies that name containers."""
    for top in (Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")):
        found = top / f"mailauth-{os.getpid()}.slice"
        with suppress(OSError):
            found.mkdir()
            if (found / "cgroup.procs").exists():
                break
            found.rmdir()
    else:
        pytest.skip("no control groups can be made here")
    try:
        yield found
    finally:
        deadline = time.monotonic() + 60
        for below in (*found.iterdir(), found):
            while below.is_dir():
                with suppress(OSError):
                    below.rmdir()
                assert time.monotonic() < deadline
                time.sleep(0.01)


def test_an_ordinary_user_names_no_container(group: Path, common: Path) -> None:
    """Who would get the password that is typed for the container: systemd gives each user such a group."""
    program, name = common / "dovecot", "docker-mail.scope"
    shutil.copy(shutil.which("sleep") or "", program)
    (group / name).mkdir()
    with subprocess.Popen([*ORDINARY, str(program), "600"], cwd="/") as one:
        try:
            (group / name / "cgroup.procs").write_text(f"{one.pid}\n")
            deadline = time.monotonic() + 60
            while psutil.Process(one.pid).name() != "dovecot":
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert containers.dovecot_in("mail") == one.pid  # root has named it so
            os.chown(group, psutil.Process(one.pid).uids().real, 0)
            with pytest.raises(UsageError, match="no engine here knows it"):
                containers.dovecot_in("mail")
        finally:
            one.kill()


def test_a_number_in_master_pid_is_not_believed(evil: tuple[int, Path]) -> None:
    """Dovecot was killed; its number is an ordinary user's process now."""
    pid, folder = evil
    roots = folder / "roots"
    roots.mkdir()
    (roots / "dovecot.conf").write_text(f"{head()}base_dir = {roots}\nlog_path = {roots}/log\n")
    (roots / "master.pid").write_text(f"{pid}\n")
    done = mailauth("diagnose", USER, "-c", str(roots / "dovecot.conf"))
    assert "CONF018" in done.stdout, done.stdout + done.stderr


def test_what_only_calls_itself_dovecot() -> None:
    with subprocess.Popen(
        ["sh", "-c", "printf dovecot > /proc/$$/comm; read x"], stdin=subprocess.PIPE
    ) as one:
        deadline = time.monotonic() + 60
        while psutil.Process(one.pid).name() != "dovecot":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        done = mailauth("login", USER, "--pid", str(one.pid), "--password-stdin", feed=SECRET)
        assert done.returncode == 2
        assert "this calls itself dovecot, and runs" in done.stderr


def test_on_login_asks_whose_its_number_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's settings name a master of yesterday's."""
    monkeypatch.setenv("MAILAUTH_STATE", str(tmp_path / "state"))
    file = migrate_on_login_run.folder() / migrate_on_login_run._SETTINGS
    with subprocess.Popen(["sleep", "600"]) as other:
        settings = onlogin.OnLogin(
            "5e" * 32, "70" * 16, 40010, "/etc/dovecot/dovecot.conf", "ARGON2ID", {}, pid=other.pid
        )
        file.write_bytes(onlogin.dump(settings))
        file.chmod(0o600)
        done = mailauth("migrate", "on-login", "serve", MAILAUTH_STATE=str(tmp_path / "state"))
        other.kill()
    assert done.returncode == 2
    assert f"process {other.pid}, which has ended, or was started again" in done.stderr


def test_what_was_kept_with_a_number_is_not_for_whoever_has_it_now(
    evil: tuple[int, Path], common: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container was started again, and an ordinary user's "dovecot" has the number that it had.

    It would get the migrated hashes, and a fix would count as taken back where it never was.
    """
    pid, _ = evil
    state = common / "state"
    monkeypatch.setenv("MAILAUTH_STATE", str(state))
    config = str(common / "evil.conf")
    (common / "evil.conf").write_text(f"{head()}base_dir = {common}\n")
    before = "5d3f0f5e-0f35-4f5f-9d5c-2f6f0e6d7c11/4711"
    file = migrate_on_login_run.folder() / migrate_on_login_run._SETTINGS
    settings = onlogin.OnLogin("5e" * 32, "70" * 16, 410, config, "ARGON2ID", {}, pid=pid, nonce="1f" * 16)
    file.write_bytes(onlogin.dump(structs.replace(settings, mark=before)))
    file.chmod(0o600)
    done = mailauth("migrate", "on-login", "serve", MAILAUTH_STATE=str(state))
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"of process {pid}, which has ended, or was started again" in done.stderr
    one = fix_journals.Journal(
        *("20260101-000000-MEM001", "MEM001", "", "imap", config, pid, fix_journals.FixState.APPLYING),
        files=(fix_journals.FileEntry(f"{common}/conf.d/99-mailauth.conf", None, b"service auth {\n}\n"),),
        mark=before,
    )
    fix_journals.write(one)
    done = mailauth("fix", "--undo", one.id, MAILAUTH_STATE=str(state))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "that Dovecot as it runs now by --pid or --container" in done.stderr
    assert fix_journals.read(one.id).state is fix_journals.FixState.APPLYING
    assert holding.mark(pid) != before


def test_a_container_with_users_and_memory_of_its_own(common: Path) -> None:
    """Its root is user 200000 here, and 128 MiB are all that it and what enters it have."""
    with container(common, mapped=200_000, memory=128 * 1024 * 1024) as pid:
        at = ("--container", f"mailauth-{common.name}")
        for words in (("diagnose", USER, "--login"), ("login", USER)):
            done = mailauth(*words, *at, "--password-stdin", feed=SECRET)
            assert done.returncode == 0, done.stdout + done.stderr
        done = mailauth("diagnose", USER, *at, "--password-stdin", feed="wrong")
        assert "PASS001" in done.stdout, done.stdout + done.stderr
        inside = Installation(pid=pid)
        told = inside.execute(("cat", "/proc/self/cgroup", "/proc/self/uid_map")).out
        assert "200000" in told
        (common / "secret").write_text("root's")
        (common / "secret").chmod(0o600)
        with pytest.raises(CannotObserve):
            inside.inside((common / "secret").read_text)
        inside.inside(Path("/srv/mark").touch)
        assert (common / "srv/mark").stat().st_uid == 200_000
        assert inside.execute(("mount", "-t", "tmpfs", "none", "/run")).status
