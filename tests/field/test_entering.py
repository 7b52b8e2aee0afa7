"""Who owns the root that is entered attacks: each of these got something of the host's, or stayed."""

import ctypes
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from mailauth.dovecot import conffiles, confining, containers, doveadm, inroot, staying, typed
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.site import read_config
from mailauth.errors import CannotObserve, NoAnswerInTime, UsageError
from mailauth.hashes import Memory, Password
from mailauth.memory.child import trial
from mailauth.stores.listing import Read
from tests.cli.running import mailauth
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
    done = mailauth("check", "server", "--timeout", "120s", "--container", name)
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
