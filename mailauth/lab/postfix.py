"""A Postfix of the lab's own, whose smtpd asks the lab's Dovecot: own configuration, queue and ports.

It is not installed on the machine, where it would push another mail server out: it runs from one of the
roots that Dovecots are unpacked into, or is the one that is there already.
"""

import os
import time
from pathlib import Path

from mailauth.errors import CannotObserve
from mailauth.lab.builds import RELEASES, Build, installed, unpacked
from mailauth.lab.household import Household, Start
from mailauth.lab.inside import binds
from mailauth.lab.settings import Certificate

_DAEMONS = "/usr/lib/postfix/sbin"
_READY_SECONDS = 60.0
_MASTER = """\
127.0.0.1:{smtp} inet n - n - - smtpd
127.0.0.1:{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
postlog unix-dgram n - n - 1 postlogd
"""


def find(preferred: Build) -> Build:
    """A system that has Postfix: the lab's own, this machine, or any that is unpacked.

    Raises CannotObserve when there is none, or we are not root.
    """
    if os.geteuid() != 0:
        raise CannotObserve("Postfix runs as root only: have root start the lab, or leave Postfix out.")
    others = [preferred, installed(), *(unpacked(release) for release in reversed(RELEASES))]
    for build in others:
        if build is not None and ((build.root or Path("/")) / "usr/sbin/postfix").exists():
            return build
    raise CannotObserve("There is no Postfix here; have root run: mailauth lab fetch 2.4.1")


class Postfix:
    """The configuration of one, and the running of it in a household."""

    def __init__(
        self, build: Build, folder: Path, auth: Path, ports: dict[str, int], certificate: Certificate | None
    ) -> None:
        self._build, self.folder, self.certificate = build, folder / "postfix", certificate
        self.pid = 0
        uid, group = build.user("postfix"), build.group("postdrop")
        if uid is None or group is None:
            raise CannotObserve("Postfix's user and group are not there; is postfix half installed?")
        for name, mode, owner in (
            ("", 0o755, 0),
            ("queue", 0o755, 0),
            ("queue/pid", 0o755, 0),
            ("queue/private", 0o700, uid),
            ("queue/public", 0o710, uid),
            *((f"queue/{each}", 0o700, uid) for each in ("incoming", "active", "deferred", "defer")),
            ("queue/maildrop", 0o730, uid),
            ("data", 0o700, uid),
        ):
            place = self.folder / name
            place.mkdir(mode=mode)
            place.chmod(mode)
            os.chown(place, owner, -1)
        self.configure(auth, certificate)
        self._write("master.cf", _MASTER.format(**ports))

    def configure(self, auth: Path, certificate: Certificate | None) -> None:
        """Write main.cf; ``auth``: the socket at which Dovecot is asked."""
        folder = self.folder
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": folder / "queue",
            "data_directory": folder / "data",
            "daemon_directory": _DAEMONS,
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "maillog_file": folder / "log",
            "maillog_file_prefixes": folder,
            "myhostname": "lab.invalid",
            "mydestination": "",
            "local_recipient_maps": "",
            "alias_maps": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "",
            "smtpd_recipient_restrictions": "reject",
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": auth,
            "smtpd_sasl_security_options": "noanonymous",
            "smtpd_error_sleep_time": "0",
        }
        if certificate:
            settings["smtpd_tls_security_level"] = "may"
            settings["smtpd_tls_chain_files"] = f"{certificate.key}, {certificate.cert}"
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        self._write("main.cf", text)

    def _write(self, name: str, text: str) -> None:
        """With an older date: Postfix waits for two seconds until a file has "cooled down".

        Source: Postfix 3.5 and 3.10 src/util/dict.c, dict_load_file_xt(); measured.
        """
        file = self.folder / name
        file.write_text(text)
        before = time.time() - 10
        os.utime(file, (before, before))

    def start(self, household: Household) -> None:
        """Start it, and wait until it listens.  Raises CannotObserve when it does not."""
        ready = self.folder / "queue/private/tlsmgr"
        ready.unlink(missing_ok=True)
        output = self.folder / "output"
        self.pid = household.start(
            Start(
                argv=[f"{_DAEMONS}/master", "-c", str(self.folder), "-d"],
                output=output,
                root=self._build.root,
                binds=binds(self._build.root, self.folder),
            )
        )
        deadline = time.monotonic() + _READY_SECONDS
        while not ready.exists():
            if household.status(self.pid) is not None or time.monotonic() > deadline:
                raise CannotObserve(f"Postfix does not start: {self.log() or output.read_text()}")
            time.sleep(0.002)

    def stop(self, household: Household) -> None:
        if self.pid:
            household.stop(self.pid)
        self.pid = 0

    def log(self) -> str:
        """What it has logged so far."""
        file = self.folder / "log"
        return file.read_text(errors="replace") if file.exists() else ""
