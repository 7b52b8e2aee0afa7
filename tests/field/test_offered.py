"""A Dovecot that runs in exactly one container is offered, and its sockets are reached inside it alone."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mailauth.dovecot import inroot
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve
from tests.cli.running import ORDINARY
from tests.field.container import USER, container

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a container here")

# In a PID namespace of its own there is no other Dovecot; those that run beside these tests are in none.
_APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc")
_SCRIPT = """
import subprocess, sys
from pathlib import Path
from mailauth.dovecot import containers
from tests.field.container import container
mailauth = [sys.executable, "-m", "mailauth"]
subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
with container(Path(sys.argv[1])):
    ran = subprocess.run([*mailauth, "diagnose", sys.argv[3]], capture_output=True, text=True)
    print("STOPPED", *(ran.stdout + ran.stderr).split())
    ran = subprocess.run(mailauth, capture_output=True, text=True)
    print("ALONE", *ran.stdout.partition("All commands")[0].split())
    subprocess.run(["mount", "--bind", "/dev/null", "/usr/bin/doveconf"], check=True)
    ran = subprocess.run([*mailauth, "diagnose", sys.argv[3]], capture_output=True, text=True)
    print("ABSENT", *(ran.stdout + ran.stderr).split())
    ran = subprocess.run(mailauth, capture_output=True, text=True)
    print("ELSEWHERE", *ran.stdout.partition("All commands")[0].split())
    name = containers.offer().rpartition("--container ")[2]
    words = ["check", "server", "--timeout", "2m", "--container", name]
    ran = subprocess.run([*mailauth, *words], capture_output=True, text=True)
    print("TAKEN", name, ran.returncode, *(ran.stdout.split() if ran.returncode else ()))
    with container(Path(sys.argv[2])):
        print("TWO", repr(containers.offer()))
        ran = subprocess.run(mailauth, capture_output=True, text=True)
        print("BOTH", *ran.stdout.partition("All commands")[0].split())
print("NONE", repr(containers.offer()))
"""


def test_a_dovecot_in_exactly_one_container_is_offered(tmp_path: Path) -> None:
    """Where none runs here, and where none is installed; not where there are two to choose from."""
    one, two = tmp_path / f"one{os.getpid()}", tmp_path / f"two{os.getpid()}"
    one.mkdir()
    two.mkdir()
    words = [*_APART, sys.executable, "-c", _SCRIPT, str(one), str(two), USER]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    name = f"mailauth-{one.name}"
    offered = f"a Dovecot runs in the container {name}: add --container {name}."
    named = {"ALONE", "ELSEWHERE", "BOTH"}
    assert set(told) == {"STOPPED", "ABSENT", "TAKEN", "TWO", "NONE", *named}, done.stdout + done.stderr
    assert offered in told["STOPPED"]
    assert f"there is no doveconf; {offered}" in told["ABSENT"]
    beside = f"Another Dovecot runs in the container {name}: add --container {name}."
    following = f"Next: mailauth diagnose --container {name} USER"
    assert beside in told["ALONE"]
    assert told["ALONE"].endswith(following)
    assert told["ELSEWHERE"] == f"{beside} {following}"
    assert beside in told["BOTH"]
    assert f"--container mailauth-{two.name}." in told["BOTH"]
    assert told["TAKEN"] == f"{name} 0"
    assert (told["TWO"], told["NONE"]) == ("''", "''")


@contextmanager
def listener(path: Path) -> Iterator[socket.socket]:
    """One of the host's."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
        one.listen()
        one.setblocking(False)
        yield one


def taken(one: socket.socket) -> bool:
    """Whether somebody connected."""
    with suppress(BlockingIOError):
        one.accept()[0].close()
        return True
    return False


def test_no_socket_of_the_host_is_reached(tmp_path: Path) -> None:
    """A socket, or a folder on the way to it, becomes a link after it was looked at."""
    with container(tmp_path) as pid, listener(tmp_path / "host.sock") as host:
        inside = Installation(pid=pid)
        there = inside.path("/run/dovecot/auth-client")
        AuthSocket(there, timeout=30).close()  # that of the container answers
        srv = tmp_path / "srv"
        (srv / "folder").mkdir()
        (srv / "auth").touch()
        (srv / "folder/host.sock").touch()
        paths = [inside.path("/srv/auth"), inside.path("/srv/folder/host.sock")]
        (srv / "auth").unlink()
        (srv / "auth").symlink_to(tmp_path / "host.sock")
        (srv / "folder").rename(srv / "before")
        (srv / "folder").symlink_to(tmp_path)
        for path in paths:
            with pytest.raises(CannotObserve):
                AuthSocket(path, timeout=1)
            assert not taken(host), path
        (srv / "file").touch()
        with socket.socket(socket.AF_UNIX) as link, pytest.raises(ConnectionRefusedError):
            inroot.connect(link, inside.path("/srv/file"))


def test_an_ordinary_user_lends_no_right_to_connect(tmp_path: Path) -> None:
    """Its root is ours, and its base_dir may be that of root's Dovecot."""
    for place in (tmp_path, *tmp_path.parents[:-2]):
        place.chmod(0o755)
    with subprocess.Popen([*ORDINARY, "sleep", "600"], cwd="/") as one, listener(tmp_path / "s") as host:
        try:
            deadline = time.monotonic() + 60
            while "sleep" not in Path(f"/proc/{one.pid}/comm").read_text():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            path = Path(f"/proc/{one.pid}/root{tmp_path}/s")
            (tmp_path / "s").chmod(0o600)
            with socket.socket(socket.AF_UNIX) as link, pytest.raises(PermissionError):
                inroot.connect(link, path)
            assert not taken(host)
            (tmp_path / "s").chmod(0o666)
            with socket.socket(socket.AF_UNIX) as link:
                inroot.connect(link, path)
            assert taken(host)
        finally:
            one.kill()
