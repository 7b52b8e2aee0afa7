"""The Ansible collection of docs/ansible, run by the real ansible-core on this machine."""

import json
import os
import socket
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mailauth.hashes import Password, Verdict, generate, verify
from tests.check.conftest import Watched
from tests.cli.running import ROOT
from tests.proofs.story import SECRET

BIN = Path(sys.executable).parent
MAILAUTH = BIN / "mailauth"
COLLECTION = ROOT / "docs" / "ansible"
PASSWORD = "pässword with 'quotes' and {{ braces }}"
SECOND = "second secret password"


@dataclass(frozen=True)
class Control:
    """A controller with the collection in its path, and a home of its own."""

    folder: Path

    def run(self, program: str, *words: object) -> subprocess.CompletedProcess[str]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        environment = {
            "PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "path"),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_NOCOLOR": "True",
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        }
        argv = [str(BIN / program), *map(str, words)]
        return subprocess.run(
            argv, capture_output=True, text=True, check=False, cwd=self.folder, env=environment, timeout=300
        )

    def play(self, tasks: list[dict[str, Any]], *words: str) -> dict[str, Any]:
        """Run tasks on this machine; the fact "told" that they set, or Ansible's complaint as "failed"."""
        path, told = self.folder / "play.yml", self.folder / "told.json"
        told.unlink(missing_ok=True)
        keep = {
            "ansible.builtin.copy": {"content": "{{ told | to_json }}", "dest": str(told), "mode": "0600"},
            "check_mode": False,
            "no_log": True,
        }
        play = [{"hosts": "localhost", "gather_facts": False, "tasks": [*tasks, keep]}]
        path.write_text(json.dumps(play))  # JSON is YAML
        path.chmod(0o600)
        done = self.run("ansible-playbook", path, "-v", *words)
        for secret in (PASSWORD, SECOND):
            assert secret not in f"{done.stdout}{done.stderr}"
        if done.returncode:
            return {"failed": done.stdout + done.stderr}
        found: dict[str, Any] = json.loads(told.read_text())
        return found


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    place = tmp_path / "path" / "ansible_collections" / "mailauth"
    place.mkdir(parents=True)
    (place / "dovecot").symlink_to(COLLECTION)
    before = os.umask(0o077)
    yield Control(tmp_path)
    os.umask(before)


def unsafe(**values: str) -> str:
    """A file of variables whose texts Ansible takes as they stand."""
    return "".join(f"{name}: !unsafe {json.dumps(text)}\n" for name, text in values.items())


def fits(stored: str, password: str) -> bool:
    return verify(stored, Password(password.encode())).verdict is Verdict.MATCH


def module(**asked: object) -> dict[str, Any]:
    """The module by itself, as Ansible runs it on a host."""
    given = {"executable": str(MAILAUTH), **asked}
    done = subprocess.run(
        [sys.executable, str(COLLECTION / "plugins/modules/dovecot_hash.py")],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert PASSWORD not in f"{done.stdout}{done.stderr}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_module_keeps_what_matches() -> None:
    """A first string; the same; another password, scheme or parameter; a damaged one; in check mode, too."""
    cheap: dict[str, object] = {"password": PASSWORD, "memory": "1024", "time": 1}
    first = module(**cheap)
    assert (first["changed"], first["verdict"]) == (True, "")
    now = first["stored"]
    assert fits(now, PASSWORD)
    kept = {"changed": False, "stored": now, "verdict": "match"}
    for asked in (cheap, {**cheap, "_ansible_check_mode": True}):
        assert module(**asked, stored=now).items() >= kept.items()
    others: tuple[tuple[dict[str, object], str], ...] = (
        ({**cheap, "password": SECOND}, "mismatch"),
        ({**cheap, "memory": "2048"}, "match"),
        ({"password": PASSWORD, "scheme": "SSHA512", "dovecot_version": "2.3"}, "match"),
    )
    for asked, verdict in others:
        other = module(**asked, stored=now)
        assert (other["changed"], other["verdict"]) == (True, verdict)
        assert fits(other["stored"], str(asked["password"]))
    cut = module(**cheap, stored=now[:50])
    assert cut["changed"]
    assert cut["verdict"] != "match"
    assert fits(cut["stored"], PASSWORD)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            {"password": "x\ny"},
            "password is empty, or has a line end or a NUL in it; no client could send that.",
        ),
        ({"scheme": "FOO"}, "mailauth hash new: Unknown scheme: no Dovecot has one of this name."),
        ({"scheme": "SSHA512", "cost": 5}, "SSHA512"),
        ({"scheme": "PLAIN"}, "a scheme that does not store it."),
        (
            {"executable": "/nonexistent/mailauth"},
            "/nonexistent/mailauth is not on this host; install mailauth, or name it with executable.",
        ),
    ],
    ids=["line end", "scheme", "parameter", "plain", "not there"],
)
def test_the_module_says_in_one_sentence_what_is_wrong(asked: dict[str, object], says: str) -> None:
    told = module(**{"password": PASSWORD, **asked})
    assert told["failed"]
    assert says in told["msg"]
    assert "\n" not in told["msg"]


# syslog(3) writes to /dev/log; what else is in /dev is what Python wants.
_DEV = """
mkdir "$1/dev"
mount --bind /dev "$1/dev"
mount -t tmpfs none /dev
for one in null zero full random urandom; do touch "/dev/$one"; mount --bind "$1/dev/$one" "/dev/$one"; done
mkdir -m 1777 /dev/shm
touch /dev/log
mount --bind "$1/log" /dev/log
shift
exec "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root puts a log of its own into a namespace")
def test_no_password_and_no_string_is_in_the_hosts_log(tmp_path: Path) -> None:
    """Ansible logs how each module was invoked: a change, and a failure."""
    old = generate("SSHA512", Password(b"an old one"))
    refused: dict[str, object] = {"password": PASSWORD, "stored": old, "scheme": "NO-SUCH"}
    asked: list[dict[str, object]] = [
        {"password": PASSWORD, "stored": old, "memory": "1024", "time": 1},
        refused,
    ]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(tmp_path / "log"))
        log.settimeout(10)
        for number, given in enumerate(asked):
            place = tmp_path / str(number)
            place.mkdir()
            (place / "log").hardlink_to(tmp_path / "log")
            apart = ("unshare", "--mount", "--", "sh", "-ec", _DEV, "sh", str(place))
            done = subprocess.run(
                [*apart, sys.executable, str(COLLECTION / "plugins/modules/dovecot_hash.py")],
                input=json.dumps({"ANSIBLE_MODULE_ARGS": {"executable": str(MAILAUTH), **given}}),
                capture_output=True,
                text=True,
                check=False,
            )
            told = json.loads(done.stdout)
            assert bool(told.get("failed")) is (given is refused), told
            logged = log.recv(65536).decode()
            assert "Invoked with" in logged
            assert "scheme=" in logged
            for secret in (PASSWORD, old, old[12:40], told.get("stored") or PASSWORD):
                assert secret not in logged
            hidden = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
            said = told.get("invocation", {}).get("module_args", {"password": hidden})  # newer ones give none
            assert said["password"] == hidden
            assert old not in json.dumps(told), said


def test_the_playbook_changes_one_user_once(control: Control, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("bobby:{PLAIN}y\nbob:{PLAIN}y:5000:5000::/home/bob::\nalice:{PLAIN}x\n")
    users.chmod(0o640)
    (control.folder / "vars.yml").write_text(unsafe(password=PASSWORD))
    words = ("-e", f"file={users}", "-e", "@vars.yml", "-e", f"mailauth={MAILAUTH}")
    texts = []
    for changed in (2, 0):
        done = control.run("ansible-playbook", "mailauth.dovecot.user", "-e", "user=bob", *words)
        assert f"changed={changed} " in done.stdout, done
        assert "failed=0" in done.stdout
        texts.append(users.read_text())
    assert texts[0] == texts[1]
    first, second, third = texts[0].splitlines()
    assert (first, third) == ("bobby:{PLAIN}y", "alice:{PLAIN}x")
    name, stored, rest = second.split(":", 2)
    assert (name, rest) == ("bob", "5000:5000::/home/bob::")
    assert fits(stored, PASSWORD)
    assert users.stat().st_mode & 0o777 == 0o640


def test_the_role_puts_the_checks_in_place(
    control: Control, watched: Callable[..., Any], tmp_path: Path
) -> None:
    """On a lab, without systemd: a healthy server passes, and the second run changes nothing."""
    with watched(None) as one:
        assert isinstance(one, Watched)
        named = ("-c", one.which.config) if one.which.config else ("--pid", one.which.pid)
        (tmp_path / "units").mkdir()
        settings = {
            "mailauth_check_user": "canary",
            "mailauth_check_password": SECRET.decode(),
            "mailauth_check_folder": str(tmp_path / "etc"),
            "mailauth_check_units": str(tmp_path / "units"),
            "mailauth_check_executable": str(MAILAUTH),
            "mailauth_check_timer": False,
            "mailauth_check_options": [
                "server",
                "canary",
                *named,
                "--state",
                str(tmp_path / "kept"),
                "--timeout",
                "60s",
            ],
        }
        (control.folder / "vars.json").write_text(json.dumps(settings))
        role = {"ansible.builtin.import_role": {"name": "mailauth.dovecot.check"}}
        told = {"ansible.builtin.set_fact": {"told": {"result": "{{ mailauth_check_result }}"}}}
        found = control.play([role, told], "-e", "@vars.json")
        assert "failed" not in found, found
        assert "MAILAUTH OK" in found["result"]["stdout"]
        one.lab.stop()
        again = control.play([role, told], "-e", "@vars.json")["failed"]
        assert "MAILAUTH CRITICAL" in again
        assert "changed=0 " in again
    canary = tmp_path / "etc" / "canary"
    assert canary.stat().st_mode & 0o777 == 0o600
    for name in ("mailauth-check.service", "mailauth-check.timer"):
        assert (tmp_path / "units" / name).read_text() == (ROOT / "docs/monitoring" / name).read_text()


def test_galaxy_builds_the_collection(control: Control, tmp_path: Path) -> None:
    """With the units themselves, not links out of the collection."""
    done = control.run("ansible-galaxy", "collection", "build", COLLECTION, "--output-path", tmp_path)
    assert done.returncode == 0, done
    with tarfile.open(tmp_path / "mailauth-dovecot-0.1.0.tar.gz") as packed:
        unit = packed.extractfile("roles/check/files/mailauth-check.service")
        assert unit is not None
        assert unit.read() == (ROOT / "docs/monitoring/mailauth-check.service").read_bytes()
        assert "plugins/modules/dovecot_hash.py" in packed.getnames()
    shown = control.run("ansible-doc", "--json", "mailauth.dovecot.dovecot_hash")
    assert "mailauth.dovecot.dovecot_hash" in json.loads(shown.stdout)
