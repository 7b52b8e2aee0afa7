"""Who hears a mail server, or reads a certificate, has no right of root's; and it never outlives us."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import psutil
import pytest

from mailauth.clients.door import Answer, Door
from mailauth.dovecot import children
from mailauth.dovecot.doveadm import Identity, Installation
from mailauth.errors import CannotObserve
from mailauth.hashes import Password
from mailauth.login.enter import attempt
from mailauth.login.site import Site
from mailauth.login.way import Attempt, Layer, Way
from tests.met import NONE, rights, server

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
_NOBODYS = cast(Site, None)  # no Dovecot is asked


def tried(port: int, protocol: str) -> Attempt:
    door = Door(protocol, "127.0.0.1", port, "tls" if protocol == "imap" else "plain", 20.0, 20.0)
    way = Way(Layer.DOOR, protocol, "SCRAM-SHA-256", door, outside=True)
    return attempt(way, "alice", Password.of("secret"), _NOBODYS)


@pytest.mark.parametrize("protocol", ["imap", "pop3", "submission", "sieve"])
def test_who_hears_a_mail_server_is_nobody(protocol: str) -> None:
    """Neither a user that there is, nor capabilities, nor new ones by a program."""
    found: list[dict[str, str]] = []
    with server(rights, found) as port:
        assert tried(port, protocol).answer is Answer.BROKEN
    (told,) = found
    assert {name: told[name] for name in NONE} == NONE
    assert not {"0", str(os.getuid())} & {*told["Uid"].split(), *told["Gid"].split()}
    assert told["Groups"].split() == []


def descriptors(one: psutil.Process) -> list[str]:
    return [str(each.readlink()) for each in Path(f"/proc/{one.pid}/fd").iterdir()]


def test_who_hears_a_stranger_has_nothing_of_ours_open(tmp_path: Path) -> None:
    """Neither a terminal, a journal nor a folder: only where it answers, and the connection itself."""
    found: list[list[str]] = []
    leader, terminal = os.openpty()
    folder = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with (tmp_path / "journal").open("wb"), server(descriptors, found) as port:
            tried(port, "pop3")
    finally:
        for one in (leader, terminal, folder):
            os.close(one)
    (told,) = found
    assert sorted(one.partition(":")[0] for one in {*told} - {"/dev/null"}) == ["pipe", "socket"], told


@pytest.mark.parametrize("identity", [None, Identity(65534, 65534)])
def test_no_child_has_what_it_does_not_read(tmp_path: Path, identity: Identity | None) -> None:
    """A child of root's, too, which opens files for a user: an answer is all that it gives."""

    def work() -> tuple[str, ...]:
        open_here = (Path(f"/proc/self/fd/{number}") for number in range(1024))
        return tuple(str(one.readlink()) for one in open_here if os.path.lexists(one))

    with (tmp_path / "secret").open("wb"), (tmp_path / "log").open("wb") as log:
        seen = Installation().inside(work, tuple[str, ...], identity=identity, environment={})
        read = children.nobody(work, tuple[str, ...], kept=[log.fileno()])
    assert not [one for one in seen if one != "/dev/null" and not one.startswith("pipe:")]
    assert {one for one in read if not one.startswith("pipe:")} == {"/dev/null", str(tmp_path / "log")}


def test_a_client_that_is_killed_is_no_bug_and_is_not_tried_again_as_root() -> None:
    def kills(one: psutil.Process) -> int:
        one.kill()
        return one.pid

    found: list[int] = []
    with server(kills, found) as port:
        told = tried(port, "pop3")
    assert (told.answer, "ended from outside (signal 9)" in told.said) == (Answer.UNSEEN, True)
    assert found != [os.getpid()]


def test_what_is_told_to_nobody_cannot_be_read_by_the_next_of_them() -> None:
    """Each is a user of its own, and shows its memory to none."""
    assert (
        children.nobody(lambda: Path("/proc/self/maps").stat().st_uid, int) == 0
    )  # as of no dumpable process
    assert children.nobody(os.getuid, int) != children.nobody(os.getuid, int)


def test_an_interrupted_question_leaves_no_process() -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    others = set(psutil.Process().children())  # databases of other tests
    before = signal.signal(signal.SIGALRM, interrupted)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(KeyboardInterrupt):
            children.nobody(lambda: time.sleep(600), type(None))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert set(psutil.Process().children()) <= others


def test_it_dies_with_us() -> None:
    """``check`` kills what is late; what it had asked for goes, too."""
    ask = (
        "import os, time; from mailauth.dovecot import children\n"
        "def ask():\n  os.write(1, b'%d ' % os.getpid()); time.sleep(600)\n"
        "children.nobody(ask, None, kept=[1])"
    )
    with subprocess.Popen([sys.executable, "-c", ask], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        word = b""
        while not word.endswith(b" "):
            more = os.read(parent.stdout.fileno(), 20)
            assert more
            word += more
        parent.kill()
        deadline = time.monotonic() + 60
        while psutil.pid_exists(int(word)) and psutil.Process(int(word)).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_who_may_ask_for_too_much_memory_is_refused_it() -> None:
    with pytest.raises(CannotObserve, match="takes more than 512 MiB"):
        children.nobody(lambda: len(bytearray(1 << 30)), int)
