"""Which ports of a Postfix ask a Dovecot: as postconf says, of a real one."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from mailauth.dovecot.doveadm import Installation, at_pid
from mailauth.dovecot.site import read_config
from mailauth.lab import Lab
from mailauth.probes.postfix_ports import Instance, instances, may_take_logins, observe_postfix, services
from mailauth.probes.scene import Scene
from tests.cli.running import ORDINARY

MASTER = """\
smtp inet n - n - - smtpd -o smtpd_sasl_auth_enable=no
127.0.0.1:587 inet n - n - - smtpd -o smtpd_tls_security_level=none
[::1]:submissions inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
2525 inet n - y - - smtpd
2526 inet n - n - - smtpd -o smtpd_sasl_type=cyrus
2527 inet n - n - - smtpd -o smtpd_sasl_path=private/nobody
2528 inet n - n - - smtpd -o smtpd_sasl_path=inet:localhost:12345
smtps unix n - n - - smtpd
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix runs as root only")
def test_the_services_that_ask_this_dovecot(lab: Callable[..., Lab], dovecot_version: str) -> None:
    with (
        lab(dovecot_version, "passwd-file", {"alice": "{PLAIN}a"}, tls=True, postfix=True) as one,
        lab(dovecot_version, "passwd-file", {"alice": "{PLAIN}a"}, postfix=True),
    ):
        dovecot = at_pid(one.master_pid, None)
        scene = Scene(dovecot, read_config(dovecot))
        found = observe_postfix(scene)
        assert {(smtpd.port, smtpd.wrapped, smtpd.starttls) for smtpd in found.asking} == {
            (one.ports["smtp"], False, True),
            (one.ports["smtps"], True, True),
        }
        assert found.notes == ()
        assert one.postfix
        (one.postfix.folder / "master.cf").write_text(MASTER)
        found = observe_postfix(scene)
        assert [(smtpd.host, smtpd.port, smtpd.wrapped, smtpd.starttls) for smtpd in found.asking] == [
            ("127.0.0.1", 587, False, False),
            ("::1", 465, True, True),
        ]
        # Who owns a container may have written it: a password would go to any host that is named.
        (one.postfix.folder / "master.cf").write_text(
            "192.0.2.9:587 inet n - n - - smtpd\nmail.example.org:465 inet n - n - - smtpd\n"
        )
        assert observe_postfix(scene).asking == ()
        (one.postfix.folder / "master.cf").write_text(MASTER)
        # The machine's own: a socket that is not there is nobody else's.
        own = Instance(Installation(pid=one.postfix.pid), str(one.postfix.folder), beside=True)
        told = [(smtpd.port if smtpd else 0, note) for smtpd, note in services(own, scene)]
        assert [port for port, _ in told] == [587, 465, 2525, 0, 2527, 0]
        assert "cyrus" in told[3][1]
        assert "inet:localhost:12345" in told[5][1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_an_ordinary_users_postfix_is_not_asked(lab: Callable[..., Lab]) -> None:
    """Root's postconf would read that user's files, and the password that is typed would go to their port."""
    with TemporaryDirectory(prefix="mailauth-postfix-") as name, lab("2.3.19.1", "passwd-file", {}) as one:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(shutil.which("sleep") or "", folder / "master")
        dovecot = at_pid(one.master_pid, None)
        scene = Scene(dovecot, read_config(dovecot))
        words = ("bash", "-c", f"exec -a /usr/lib/postfix/sbin/master {folder}/master 600")
        seen: list[bool] = []
        for user in (ORDINARY, ()):
            with subprocess.Popen([*user, *words], cwd="/", env={"MAIL_CONFIG": name}) as ran:
                try:
                    until = time.monotonic() + 60
                    while psutil.Process(ran.pid).name() != "master":
                        assert time.monotonic() < until
                        time.sleep(0.01)
                    seen.append(name in {each.folder for each in instances(scene)})
                finally:
                    ran.kill()
        assert seen == [False, True]


@pytest.mark.parametrize(
    ("main", "master", "may"),
    [
        ("# smtpd_sasl_auth_enable = yes\nmyhostname = a\n", "  # -o smtpd_sasl_auth_enable=yes\n", False),
        ("smtpd_sasl_auth_enable = $name\n", "", True),
        ("", "587 inet n - n - - smtpd\n  # who\n  -o { smtpd_sasl_auth_enable = yes }\n", True),
        ("", None, True),
    ],
)
def test_postconf_is_asked_where_a_file_names_the_setting(
    tmp_path: Path, main: str, master: str | None, may: bool
) -> None:
    """Comments do not count; where a file is not there, postconf says more."""
    (tmp_path / "main.cf").write_text(main)
    if master is not None:
        (tmp_path / "master.cf").write_text(master)
    assert may_take_logins(Instance(Installation(), str(tmp_path), beside=True)) is may
