"""A server on which commands are typed as they are printed: a lab's Dovecot that is this machine's own there.

It has its own /etc/dovecot, folders of state and processes; all of it is gone with the test.
"""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mailauth.lab import Lab
from mailauth.lab.builds import cache
from tests.cli.running import ROOT

_PATIENCE = 600.0  # seconds
_ASKS = re.compile(rb"(?i)password[^\n]*: ?$")
_SETUP = """
mkdir -p /var/lib/mailauth /var/lib/node_exporter /etc/mailauth "$1"/tree
mount --bind "$3" "$1"/tree
for one in /etc/dovecot /var/lib/mailauth /var/lib/node_exporter /etc/mailauth /etc/systemd/system /srv; do
    mount -t tmpfs none $one
done
mkdir -p "$3" # it may stand below one of them
mount --bind "$1"/tree "$3"
install -m 0644 "$2" /etc/dovecot/dovecot.conf
cp "$1"/etc/users /etc/dovecot/users
install -m 0600 "$1"/etc/canary /etc/mailauth/canary
cp /etc/hosts "$1"/hosts
printf '127.0.0.1 mail.example.org mx.example.org\\n' >> "$1"/hosts
mount --bind "$1"/hosts /etc/hosts
dovecot
"""


@dataclass(frozen=True)
class Typed:
    """A line that was typed: what was seen, and how it ended."""

    line: str
    seen: str
    status: int

    @property
    def wrong(self) -> str:
        """Why it was not what a reader of the line expects, or ""."""
        if self.line.endswith("--help"):
            return "" if self.status == 0 and "Usage: " in self.seen else f"{self.line}: {self.seen[-600:]}"
        if "mailauth check" in self.line and self.status in range(4) and "a bug" not in self.seen:
            return ""  # a plugin's statuses
        if re.search(r"there is nothing to (?:fix|take out)\.$", self.seen.strip()):
            return ""  # an answer, where the server has not that fault
        if re.search(r"Traceback|a bug:|Usage: |command not found|[Ii]nvalid option|unrecognized", self.seen):
            return f"{self.line}: {self.seen[-600:]}"
        return f"{self.line}: status {self.status}: {self.seen[-600:]}" if self.status in (2, 70, 127) else ""


@dataclass(frozen=True)
class Stage:
    """``inside``: a process in its namespaces; ``folder``: where one stands; ``secret``: what is typed."""

    inside: int
    folder: Path
    secret: str

    def type(self, line: str, until: float = 0.0) -> Typed:
        """In a shell with a terminal.

        ``until``: so many seconds after its first words it is interrupted, as Ctrl-C does.
        """
        ours, theirs = pty.openpty()
        path = f"{self.folder}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        enter = ["nsenter", "--target", str(self.inside), "--mount", "--pid", f"--wdns={self.folder}"]
        with subprocess.Popen(
            [*enter, "setsid", "--ctty", "--wait", "bash", "-c", line],
            stdin=theirs, stdout=theirs, stderr=theirs,
            env={
                "PATH": path, "HOME": str(self.folder), "TERM": "xterm", "COLUMNS": "100",
                "MAILAUTH_CACHE": str(cache()),  # the Dovecots that are here are not fetched again
            },
        ) as one:  # fmt: skip
            os.close(theirs)
            seen = self._watched(one, ours, until)
        os.close(ours)
        return Typed(line, seen.decode("utf-8", "replace").replace("\r\n", "\n"), one.returncode)

    def _watched(self, one: subprocess.Popen[bytes], ours: int, until: float) -> bytes:
        seen, answered, stopped = b"", 0, False
        began = first = time.monotonic()
        while True:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    more = os.read(ours, 65536)
                except OSError:  # the last one that had it has ended
                    return seen
                first = first if seen else time.monotonic()
                seen += more
            elif one.poll() is not None:
                return seen
            if _ASKS.search(seen[answered:]):
                answered = len(seen)
                os.write(ours, f"{self.secret}\n".encode())
            if until and not stopped and time.monotonic() > first + (until if seen else 5 * until):
                stopped = bool(os.write(ours, b"\x03"))
            if time.monotonic() > began + _PATIENCE:
                one.kill()
                raise AssertionError(f"it does not end: {seen[-600:]!r}")


@contextmanager
def stage(lab: Lab, folder: Path, secret: str) -> Iterator[Stage]:
    """This machine with the lab's Dovecot as its own, and with etc/users and etc/canary of ``folder``."""
    lab.stop()
    with entered(_SETUP, folder, secret, str(lab.config), str(ROOT)) as one:
        yield one


@contextmanager
def entered(setup: str, folder: Path, secret: str, *words: str) -> Iterator[Stage]:
    """Where the shell lines ``setup`` have been run, with ``folder`` as $1 and ``words`` as $2 and so on."""
    programs(folder)
    script = f"set -e\n{setup}\necho ready\nexec sleep infinity\n"
    own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with subprocess.Popen(
        [*own, "sh", "-c", script, "sh", str(folder), *words], stdout=subprocess.PIPE
    ) as holder:
        try:
            assert holder.stdout
            assert holder.stdout.readline() == b"ready\n"
            children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
            yield Stage(int(children[0]), folder, secret)
        finally:
            with suppress(ProcessLookupError):
                holder.kill()


def programs(folder: Path) -> Path:
    """``folder`` with bin/, which has mailauth, and a sudo that asks for nothing."""
    (folder / "bin").mkdir()
    for name, text in (
        ("mailauth", f'PYTHONPATH={ROOT} exec {sys.executable} -m mailauth "$@"'),
        ("sudo", '[ "$1" = -u ] && exec setpriv --reuid "$2" --regid "$2" --init-groups "${@:3}"\nexec "$@"'),
    ):
        (folder / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / "bin" / name).chmod(0o755)
    return folder
