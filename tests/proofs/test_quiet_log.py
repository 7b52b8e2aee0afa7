"""A log in syslog's file that has no line of the user who is asked about: that is decided."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.lab import Lab
from mailauth.probes import log_tail
from mailauth.probes.scene import Scene


def syslog(lab: Lab, ago: timedelta) -> str:
    """What the lab's Dovecot has logged, as rsyslog writes it."""
    when = datetime.now().astimezone() - ago
    lines = (line.split(" ", 3)[-1] for line in lab.log().splitlines())
    return "".join(f"{when.isoformat()} mail dovecot: {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("ago", "file"),
    [(timedelta(), "mail.log"), (timedelta(days=3), "mail.log"), (timedelta(days=3), "mail.log.1")],
)
def test_no_line_of_this_user(
    lab: Callable[..., Lab],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dovecot_version: str,
    ago: timedelta,
    file: str,
) -> None:
    with lab(dovecot_version, "passwd-file", {"bob": "{PLAIN}x"}, settings="auth_verbose = yes\n") as one:
        one.login("bob", b"wrong")
        assert one.logs("bob")
        (tmp_path / "mail.log").touch()
        (tmp_path / file).write_text(syslog(one, ago))
        one.configure("auth_verbose = yes\nlog_path = syslog\n")
        dovecot = at_pid(one.master_pid, None)
        monkeypatch.setattr(log_tail, "SYSLOG_FILES", (str(tmp_path / "mail.log"),))
        found = log_tail.read_log(Scene(dovecot, read_config(dovecot), "alice"), {"alice"})
    assert found is not None
    assert found.events == ()
