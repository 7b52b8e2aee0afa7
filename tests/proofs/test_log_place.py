"""Where the log goes, and what holds a user's address back: proven on a real Dovecot, and a small disk.

LOG002 is proven on files of Docker's documented form, here and on a container (field/test_container.py).
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailauth.dovecot.authsocket import AuthSocket
from mailauth.errors import CannotObserve
from mailauth.evidence import ContainerLog, NotApplicable
from mailauth.lab import Lab
from mailauth.probes.log_place import container_log
from mailauth.rules.log002_container_log import container_log as log002
from tests.field.container import IDENTITY, docker
from tests.met import in_time
from tests.proofs.story import Fault, MiB, Proof, argon2id, record

Make = Callable[..., Proof]
GOOD = argon2id(memory=1 * MiB)
PENALTY = """
auth_failure_delay = 1s
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0600
  }
}
"""
ADDRESS = "192.0.2.7"


def fails(lab: Lab, password: bytes) -> float:
    """A failed login from ADDRESS that counts towards its penalty; how long it took."""
    with AuthSocket(lab.auth_socket) as auth:
        reply = auth.plain("alice", password, penalty=True, address=ADDRESS)
    assert not reply.ok
    return reply.seconds


def test_auth006_held_back(proof: Make, dovecot_version: str) -> None:
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD}, settings=PENALTY)
    one.finds(set(), password=one.password)
    fails(one.lab, b"first")
    one.finds(set(), password=one.password)  # one failure is a typing error
    assert fails(one.lab, b"second") > 4
    found = one.finds({"AUTH006"}, password=one.password)
    assert f"{ADDRESS} waits 8 seconds" in found[0].problem.says
    one.paste(found)
    # Held back, each of them would wait for 8 seconds and more.
    assert min(fails(one.lab, password) for password in (b"third", b"fourth", b"fifth")) < 8
    assert one.logins(3) == [True] * 3
    one.finds(set(), password=one.password)
    record(one.lab, "an address is held back", (finding.rule.code for finding in found))


def opened_anew(log: Path) -> None:
    """Wait until Dovecot's log process, which hears of it from the master, writes there."""
    end = time.monotonic() + 60
    while not log.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_log005_rotated_and_not_reopened(proof: Make, dovecot_version: str) -> None:
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    one.finds(set())
    log = one.lab.folder / "log"
    log.rename(one.lab.folder / "log.1")
    assert one.logins() == [True]
    found = one.finds({"LOG005"}, password=one.password)
    assert "writes to log.1" in found[0].problem.says
    one.paste(found)
    opened_anew(log)
    for _ in range(20):  # the master makes the file; its log process may write to the old one meanwhile
        one.lab.login("alice", b"wrong")
        if one.lab.logs("Password mismatch", 3):
            break
    assert one.lab.logs("Password mismatch")
    one.finds(set(), password=one.password)
    log.unlink()
    found = one.finds({"LOG005"})
    assert "deleted" in found[0].problem.says
    one.paste(found)
    opened_anew(log)
    assert one.logins(3) == [True] * 3
    one.finds(set())
    record(one.lab, "the log was rotated and not opened anew", (finding.rule.code for finding in found))


def test_log005_no_folder(proof: Make, dovecot_version: str) -> None:
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    folder = one.lab.folder / "logs"
    fault = Fault(settings=f"log_path = {folder}/dovecot.log\n", name="the log's folder is missing")
    one.story(fault, {"LOG005"}, answers=[True])
    one.lab.login("alice", b"wrong")
    end = time.monotonic() + 60
    log = folder / "dovecot.log"
    while not log.exists() or "Password mismatch" not in log.read_text():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    folder = tmp_path / "small"
    folder.mkdir(mode=0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "small", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_log003_disk_full(proof: Make, dovecot_version: str, small_disk: Path) -> None:
    settings = f"log_path = {small_disk}/dovecot.log\n"
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD}, settings=settings)

    def fill(_: Lab) -> None:
        (small_disk / "ballast").write_bytes(b"x" * 7900 * 1024)

    def empty(_: Lab) -> None:
        (small_disk / "ballast").unlink()

    fault = Fault(settings=settings, do=fill, undo=empty, name="the log's disk is nearly full")
    found = one.story(fault, {"LOG003"}, answers=[True])
    assert str(small_disk) in found[0].problem.says


def mounted(at: str) -> str:
    """The line of a container's mountinfo that leads to what Docker keeps of it."""
    return (
        f"1270 1254 254:0 {at}/containers/{IDENTITY}/resolv.conf /etc/resolv.conf rw,relatime"
        " - ext4 /dev/vda rw\n"
    )


def on_the_host(root: str, place: Path | str) -> str:
    return f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 254:0 {root} {place} rw - ext4 /dev/vda rw\n"


@pytest.mark.parametrize(
    ("log_config", "codes"),
    [
        ({"Type": "json-file", "Config": {}}, {"LOG002"}),
        ({"Type": "json-file", "Config": None}, {"LOG002"}),
        ({"Type": "json-file", "Config": {"max-size": "-1"}}, {"LOG002"}),
        ({"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}, set()),
        ({"Type": "local", "Config": {}}, set()),
        ({"Type": "journald", "Config": {}}, set()),
    ],
)
def test_log002_container_log(tmp_path: Path, log_config: object, codes: set[str]) -> None:
    docker(tmp_path, log_config)
    told = container_log(mounted("/var/lib/docker"), on_the_host("/var/lib/docker", tmp_path))
    assert isinstance(told, ContainerLog)
    problem = log002.check(told)
    assert ({log002.code} if problem else set()) == codes


@pytest.mark.parametrize(
    ("at", "root"), [("", "/"), ("/data/docker", "/data/docker"), ("/data/docker", "/data/docker/containers")]
)
def test_log002_with_docker_on_a_disk_of_its_own(tmp_path: Path, at: str, root: str) -> None:
    docker(tmp_path, {"Type": "json-file", "Config": {}})
    place = tmp_path / "containers" if root.endswith("containers") else tmp_path
    told = container_log(mounted(at), on_the_host(root, place))
    assert isinstance(told, ContainerLog)
    assert log002.check(told)


def test_log002_where_there_is_no_container_or_no_host(tmp_path: Path) -> None:
    healthy = "1 0 254:0 / / rw - ext4 /dev/vda rw\n"
    assert isinstance(container_log(healthy, healthy), NotApplicable)
    with pytest.raises(CannotObserve, match="docker inspect"):
        container_log(mounted(f"{tmp_path}/gone"), on_the_host("/", "/"))  # as seen from inside the container


@pytest.mark.skipif(os.geteuid() != 0, reason="root can be deceived")
@pytest.mark.parametrize("content", ["fifo", "/dev/zero", "[" * 100_000, "others"])
def test_log002_of_a_folder_that_a_user_made(tmp_path: Path, content: str) -> None:
    """In a user namespace of theirs they mount what they like over /etc/hostname."""
    kept = docker(tmp_path, {"Type": "json-file", "Config": {}}) / "hostconfig.json"
    if content == "others":
        os.chown(kept, 12345, 12345)
    else:
        kept.unlink()
    if content == "fifo":
        os.mkfifo(kept)
    elif content.startswith("/"):
        kept.symlink_to(content)
    elif content.startswith("["):
        kept.write_text(content)
    with in_time(), pytest.raises(CannotObserve, match="docker inspect"):
        container_log(mounted("/var/lib/docker"), on_the_host("/var/lib/docker", tmp_path))


def test_a_log_on_standard_error_is_not_taken_for_a_silent_one(proof: Make, dovecot_version: str) -> None:
    """What is only in the container's log cannot be read here, and that is said."""
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD}, settings="log_path = /dev/stderr\n")
    diagnosis = one.look(password=one.password).diagnosis
    assert not diagnosis.findings
    missing = {undecided.rule.code: undecided.missing.reason for undecided in diagnosis.undecided}
    assert "AUTH007" in missing
    assert all("docker logs" in reason for reason in missing.values())
