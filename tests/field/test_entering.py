"""Who owns the root that is entered attacks: each of these got something of the host's, or stayed."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import psutil
import pytest
from msgspec import structs

from mailauth.cli import migrate_on_login_run
from mailauth.dovecot import conffiles, confining, containers, doveadm, holding, inroot, staying, typed
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.site import read_config
from mailauth.errors import CannotObserve, NoAnswerInTime, UsageError
from mailauth.fix import journal as fix_journals
from mailauth.hashes import Memory, Password
from mailauth.lab.builds import installed
from mailauth.memory.child import trial
from mailauth.migrate import onlogin
from mailauth.stores.listing import Read
from tests.cli.running import ORDINARY, mailauth
from tests.field.container import CAPABILITIES, SECRET, USER, container

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root enters another's namespaces")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(f"entering{os.getpid()}-")


@pytest.fixture(scope="module")
def master(folder: Path) -> Iterator[int]:
    with container(folder) as pid:
        yield pid


def capabilities(status: str, name: str = "CapEff") -> int:
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1], 16).bit_count()


def test_a_program_is_bounded(master: int) -> None:
    """A filter of system calls, limits of the kernel, none of our terminal, and the container's groups."""
    told = Installation(pid=master).run("rights").out
    assert "Seccomp:\t2" in told
    assert "NoNewPrivs:\t1" in told
    limits = {
        line[:26].strip(): line[26:].split()[0] for line in told.splitlines() if line.startswith("Max ")
    }
    assert limits["Max core file size"] == "0"
    assert "unlimited" not in {limits[f"Max {of}"] for of in ("address space", "cpu time", "processes")}
    asked = Installation(pid=master).execute(("sh", "-c", "cat /proc/self/cgroup; : </dev/tty"))
    its = Path(f"/proc/{master}/cgroup").read_text()
    assert {line.split(":")[1] for line in asked.out.splitlines()} == {
        line.split(":")[1] for line in its.splitlines()
    }
    assert all(line.endswith(":/") for line in asked.out.splitlines())  # as its own processes see it
    assert "tty" in asked.err


def test_a_command_that_is_typed_gets_no_more(master: int) -> None:
    """What a remedy prints is typed by root: nsenter would give the container's program all that root has."""
    first, *words = typed.typed(
        Installation(pid=master), "sh", "-c", "cat /proc/self/status; printf '\\033[2J'; exit 7"
    )
    assert first == "mailauth"
    done = mailauth(*words)
    assert done.returncode == 7, done.stderr
    assert capabilities(done.stdout) <= len(CAPABILITIES)
    assert "\x1b" not in done.stdout


def test_what_is_called_inside_is_bounded_too(master: int, folder: Path) -> None:
    """Our own code has the container's rights there, and loads nothing: no module for names, no library."""
    inside = Installation(pid=master)
    status = inside.inside(Path("/proc/self/status").read_text)
    assert capabilities(status) == len(CAPABILITIES)
    assert "Seccomp:\t2" in status
    library = next(iter(sorted(Path("/usr/lib").glob("*/libcrypt.so.[12]"))))
    shutil.copy(library, folder / "srv/evil.so")
    with pytest.raises(CannotObserve, match="failed to map segment"):
        inside.inside(lambda: str(ctypes.CDLL("/srv/evil.so")))
    with pytest.raises(CannotObserve):
        inside.inside(lambda: os.execv("/bin/true", ["true"]))  # noqa: S606 - that is tried


@pytest.mark.parametrize("interpreter", ["/proc/self/exe", "/srv/again"])
def test_no_program_of_ours_is_run_in_there(master: int, folder: Path, interpreter: str) -> None:
    """A script whose interpreter is whoever runs it: our Python, whose file it could then write to."""
    for place, of in ((folder / "bin/evil", interpreter), (folder / "srv/again", "/proc/self/exe")):
        place.write_text(f"#!{of}\nopen('/srv/mark', 'w')\n")
        place.chmod(0o755)
    with pytest.raises(CannotObserve):
        Installation(pid=master).run("evil")
    assert not (folder / "srv/mark").exists()


def test_what_a_program_leaves_is_ended(master: int) -> None:
    """With no stream of ours, and in a session of its own."""
    with pytest.raises(NoAnswerInTime):
        Installation(pid=master).run("rights", "leave", timeout=2.0)
    deadline = time.monotonic() + 60
    while any("86398" in (one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_no_more_is_kept_than_bounded(master: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was cut off is no answer: a program, its configuration, its tables, its names."""
    inside = Installation(pid=master)
    with pytest.raises(CannotObserve, match="rights: prints more than 8 MiB"):
        inside.run("rights", "flood")
    (false := folder / "bin/doveconf").write_text("#!/bin/sh\nexec head -c 9000000 /dev/zero\n")
    false.chmod(0o755)
    try:
        with pytest.raises(CannotObserve, match="doveconf: prints more than 8 MiB, which was not looked at"):
            read_config(inside)
    finally:
        false.unlink()
    with (folder / "srv/large").open("wb") as large:
        large.truncate(inroot.CONFIGURATION + 1)
        with pytest.raises(CannotObserve, match="more than 10000 files or 4 MiB"):
            conffiles.read(Path("/srv/large"), inside.path)
        (folder / "srv/includes").write_text("!include_try /srv/large\n")
        with pytest.raises(CannotObserve, match="more than 10000 files or 4 MiB"):
            conffiles.read(Path("/srv/includes"), inside.path)
        large.truncate(inroot.TABLE + 1)
        with pytest.raises(OSError, match="File too large"):
            inside.read("/srv/large")
    (many := folder / "srv/many").mkdir()
    for name in range(11):
        (many / str(name)).touch()
    monkeypatch.setattr(inroot, "_MOST_NAMES", 10)
    with pytest.raises(CannotObserve, match="more than 10 files in this folder"):
        inroot.names("/srv/many/*", inside.path)


def test_our_memory_is_not_shown(master: int) -> None:
    """Who is root in there has the same user and rights as our child, and sees its PID."""
    attack = "for p in /proc/[0-9]*; do readlink -v $p/exe $p/fd/*; done; exit 0"
    child = os.fork()
    if not child:
        Installation(pid=master).inside(lambda: time.sleep(3))
        os._exit(0)
    try:
        for _ in range(5):
            told = Installation(pid=master).execute(("sh", "-c", attack))
            assert str(Path(sys.executable).resolve()) not in told.out
            assert "/exe: Permission denied" in told.err
    finally:
        os.waitpid(child, 0)


def test_whoever_stops_our_child_in_there_does_not_stop_us(
    master: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root in there may send it any signal, and one that is stopped neither answers nor ends."""
    inside = Installation(pid=master)
    stop = (
        "cd /proc; for p in [0-9]*; do"
        " [ $p != $PPID ] && grep -q p[y]thon $p/cmdline && kill -STOP $p; done; exit 0"
    )
    monkeypatch.setattr(doveadm, "_MOST_SECONDS", 5.0)
    monkeypatch.setattr(staying, "_MOST_WAIT", 5.0)
    monkeypatch.setattr(staying, "_ENDING", 1.0)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(inside.inside, lambda: time.sleep(86397))
        while not asked.done():
            inside.execute(("sh", "-c", stop))
        with pytest.raises(NoAnswerInTime):
            asked.result()
    child = inside.stay(lambda: SimpleNamespace(some=lambda: ()), Read)
    inside.execute(("sh", "-c", stop))
    with pytest.raises(NoAnswerInTime):
        child.ask("some")
    child.close()


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


def test_a_library_of_another_root_is_loaded_without_rights(master: int) -> None:
    """It is handed the hash and the password: by a user whom there is not, without a socket or a program."""
    library = next(
        name
        for pattern in ("/usr/lib/*/libsodium.so.2?", "/lib/*/libsodium.so.2?")
        for name in inroot.names(pattern, Installation(pid=master).path)
    )
    stored = b"$argon2id$v=19$m=65536,t=40,p=1$c2FsdHNhbHRzYWx0c2FsdA$" + b"A" * 43
    here = str(Installation(pid=master).path(library))
    ours = psutil.Process().cmdline()
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(
            trial,
            "libsodium",
            stored,
            Password.of(SECRET),
            Memory(65536 * 1024, 0),
            room=None,
            later=True,
            library=here,
        )
        seen = set()
        while not found.done():
            for one in psutil.Process().children():
                with suppress(OSError, psutil.Error):
                    if one.cmdline() == ours:  # not yet what it is to be: all that is mapped here is in it
                        continue
                    if "libsodium" in Path(f"/proc/{one.pid}/maps").read_text():
                        status = Path(f"/proc/{one.pid}/status").read_text()
                        seen.add((one.uids().real != 0, capabilities(status), "Seccomp:\t2" in status))
        assert found.result().library == here
    assert seen == {(True, 0, True)}


def test_nothing_of_that_root_is_imported_and_nothing_of_ours_is_open(tmp_path: Path) -> None:
    """A library imports when a server asks for it, from our own path, in the other's root: as PyMySQL nacl.

    That code would have our terminal, our journal, and each folder that we hold.
    """
    site = Path(psutil.__file__).parent.parent
    (evil := tmp_path / "evil").mkdir()
    (evil / "mailauth_evil.py").write_text("raise RuntimeError('their code runs')")
    (folder := tmp_path / "container").mkdir()

    def work() -> tuple[str, ...]:
        with suppress(ImportError):
            import_module("mailauth_evil")
        return tuple(str(one.resolve()) for one in Path("/proc/self/fd").iterdir())

    with container(folder, binds={str(site): evil}) as pid, (tmp_path / "journal").open("w"):
        held = os.open("/etc", os.O_PATH | os.O_DIRECTORY)
        try:
            found = Installation(pid=pid).inside(work, tuple[str, ...])
        finally:
            os.close(held)
    left = {one for one in found if not re.match(r"/proc/\d+/fd(/(pipe:|anon_inode:|\d+).*)?$", one)}
    assert left == {"/dev/null"}


def test_a_container_is_found_by_its_name(master: int, folder: Path) -> None:
    """By the control group that its runtime made: no engine here has it."""
    name = f"mailauth-{folder.name}"
    assert containers.dovecot_in(name) == master
    for words in (("diagnose", USER, "--login"), ("login", USER)):
        done = mailauth(*words, "--container", name, "--password-stdin", feed=SECRET)
        assert done.returncode == 0, done.stdout + done.stderr
    done = mailauth("check", "server", "--container", name)
    assert (done.returncode, "CRITICAL" in done.stdout) == (0, False), done.stdout
    done = mailauth("check", "server", "--container", "nobody's")
    assert done.returncode == 2
    done = mailauth("login", USER, "--container", name, "--pid", "1", "--password-stdin", feed=SECRET)
    assert "leave one out" in done.stderr


@pytest.mark.parametrize("engine", ["docker", "podman", "nerdctl", "lxc-info", "machinectl"])
def test_an_engine_tells_the_first_process(
    master: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """The engine's command is asked first; none is started with words that begin with a dash."""
    program = tmp_path / engine
    program.write_text(f'#!/bin/sh\nfor last; do :; done\n[ "$last" = mail ] && echo {master}\n')
    program.chmod(0o755)
    monkeypatch.setattr(containers, "PATH", f"{tmp_path}:/usr/bin:/bin")
    assert containers.dovecot_in("mail") == master
    with pytest.raises(UsageError):
        containers.dovecot_in("other")
    with pytest.raises(UsageError, match="no container's name"):
        containers.dovecot_in("--help")


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


def test_a_programs_apparmor_profile_is_the_containers(tmp_path: Path) -> None:
    """Where the kernel has AppArmor: the label is told to the kernel, before the program is run."""
    for told, wanted in (
        ("docker-default (enforce)\n", "exec docker-default"),
        ("unconfined\n", ""),
        ("a b (enforce)\n", ""),
        ("system_u:system_r:container_t:s0\0", ""),
    ):
        for name in ("self/attr/apparmor/exec", "7/attr/apparmor/current"):
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(told if name.startswith("7") else "")
        confining.take_label(7, tmp_path)
        assert (tmp_path / "self/attr/apparmor/exec").read_text() == wanted
