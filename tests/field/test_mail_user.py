"""A mail user whose folder is tried with their rights: they can send our child any signal meanwhile."""

import os
import signal
from pathlib import Path

import pytest

from mailauth.dovecot import confining
from mailauth.errors import CannotObserve
from mailauth.probes import mail_access

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
_USER = 65534


def test_who_stops_our_child_does_not_stop_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_access, "_walk", lambda _path: os.kill(os.getpid(), signal.SIGSTOP))
    monkeypatch.setattr(mail_access, "_SECONDS", 1.0)
    with pytest.raises(CannotObserve, match="cannot be tried as uid 65534"):
        mail_access._as_user("/srv", _USER, _USER, [])


def test_the_child_can_do_no_more_than_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def walk(_path: str) -> mail_access._Walked:
        told = dict(
            line.split(":\t", 1)
            for line in Path("/proc/self/status").read_text().splitlines()
            if ":\t" in line
        )
        assert (told["NoNewPrivs"], told["Seccomp"], told["CapEff"]) == ("1", "2", "0" * 16)
        with pytest.raises(PermissionError):
            os.execv("/bin/true", ["true"])  # noqa: S606 - it is refused
        return True, ()

    monkeypatch.setattr(mail_access, "_walk", walk)
    assert mail_access._as_user("/srv", _USER, _USER, []) == (True, ())


def test_no_signal_is_heard_before_the_child_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core of it, which systemd-coredump lets that user read, had the passwords that root knows."""
    reader, writer = os.pipe()

    def hide() -> None:
        blocked = signal.SIGSEGV in signal.pthread_sigmask(signal.SIG_BLOCK, [])
        os.write(writer, f"{os.geteuid()} {blocked}".encode())

    monkeypatch.setattr(confining, "hide", hide)
    child = os.fork()
    if not child:
        with confining.becoming():
            os.setresuid(_USER, _USER, _USER)
        os.write(writer, f" {signal.SIGSEGV in signal.pthread_sigmask(signal.SIG_BLOCK, [])}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as said:
        assert said.read() == "65534 True False"
