"""An ordinary user's process that is looked into, and starts a program of root's meanwhile: su, sudo, chage.

Its number, its start and its root stay; its user is root for as long as that program waits for a password.
"""

import ast
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

import mailauth
from mailauth.dovecot import conf, entering, inroot, masters, secrets
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve, UsageError
from mailauth.probes import postfix_ports
from tests.cli.running import ORDINARY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root looks into another's process")
_SU = shutil.which("su") or "/usr/bin/su"


@pytest.fixture
def common() -> Iterator[Path]:
    with TemporaryDirectory(prefix="mailauth-common-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts an ordinary user's process, and waits until it is called so."""
    running: list[subprocess.Popen[bytes]] = []

    def start(name: str, *words: str) -> subprocess.Popen[bytes]:
        one = subprocess.Popen([*ORDINARY, *words], cwd="/", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        running.append(one)
        _await(one.pid, name)
        return one

    yield start
    for one in running:
        one.kill()
        one.communicate()


def _await(pid: int, name: str) -> None:
    deadline = time.monotonic() + 60
    while psutil.Process(pid).name() != name:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_users_dovecot_that_becomes_su_is_not_entered_as_root(
    common: Path, started: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """Root's doveadm would run with the user's configuration, and load the user's plugins."""
    program, secret = common / "dovecot", common / "secret"
    shutil.copy(shutil.which("bash") or "", program)
    secret.write_text("root's")
    secret.chmod(0o600)
    one = started("dovecot", str(program), "-c", f"read x; exec {_SU}")
    assert masters.master(one.pid).apart
    its = Installation(pid=one.pid)
    ran = its.execute(("cat", str(secret)))
    assert (ran.status, ran.out) == (1, "")
    assert one.stdin
    one.stdin.write(b"\n")
    one.stdin.flush()
    _await(one.pid, "su")
    assert psutil.Process(one.pid).uids().effective == 0
    with pytest.raises(CannotObserve, match="another user's rights"):
        its.execute(("cat", str(secret)))
    with pytest.raises(CannotObserve):
        its.inside(secret.read_text)
    with pytest.raises(OSError, match="another user's rights"):
        inroot.content(Path(f"/proc/{one.pid}/root{secret}"), inroot.TABLE)


def test_what_runs_with_rights_of_root_from_the_start_is_no_master(
    common: Path, started: Callable[..., subprocess.Popen[bytes]]
) -> None:
    (common / "dovecot").symlink_to(_SU)
    one = started("dovecot", str(common / "dovecot"), "-c", "true")
    with pytest.raises(UsageError, match="another user's rights"):
        masters.master(one.pid)
    with pytest.raises(OSError, match="another user's rights"):
        entering.rights(one.pid)


def test_su_by_the_name_of_master_is_no_postfix_of_roots(
    common: Path, started: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """Its command line names a folder whose ports are the user's: a password that is typed went there."""
    (common / "master").symlink_to(_SU)
    call = f"exec -a /usr/lib/postfix/sbin/master {common}/master -c {common}"
    one = started("master", "bash", "-c", call)
    assert psutil.Process(one.pid).uids().effective == 0
    assert "postfix" in psutil.Process(one.pid).cmdline()[0]
    with pytest.raises(OSError, match="another user's rights"):  # such a process is passed over
        postfix_ports._counts("self", one.pid)


def test_a_secret_in_a_file_is_opened_with_the_rights_of_whose_configuration_names_it(
    common: Path, started: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """2.4's ``password = </root/secret``: it was sent to the database that the user named."""
    secret = common / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    one = started("sleep", "sleep", "600")
    with pytest.raises(CannotObserve, match="Permission denied"):
        secrets.value(f"<{secret}", "pgsql_password", conf.parse(""), Installation(pid=one.pid).path)
    secret.chmod(0o644)
    found = secrets.value(f"<{secret}", "pgsql_password", conf.parse(""), Installation(pid=one.pid).path)
    assert found == "root's"


_OPENS = {"open", "read_text", "read_bytes"}


def test_no_file_of_a_dovecot_is_opened_by_its_path_alone() -> None:
    """``locate(name)`` and ``dovecot.path(name)`` may lead into another root: ``inroot`` opens there."""
    found = []
    for module in Path(mailauth.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if name in _OPENS and re.search(r"\b(locate|dovecot\.path|root\.path)\(", ast.unparse(node)):
                found.append(f"{module}:{ast.unparse(node)}")
    assert not found
