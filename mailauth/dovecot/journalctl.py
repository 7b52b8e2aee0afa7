"""The journal of this machine: journalctl's lines of one program, as JSON; bounded in time and bytes."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from mailauth.dovecot import programs
from mailauth.errors import CannotObserve

_SECONDS = 5.0
# Dovecot's log process is root's; by syslog(3) any user can write lines under Dovecot's name.
_WORDS = ("-q", "-o", "json", "--no-pager", "_UID=0", "-t")


def ask(program: str, ident: str, *options: str, most: int) -> tuple[int, bytes, bytes]:
    """How ``program``, which is journalctl, ended, and what it said.  ``most``: bytes of that.

    Raises CannotObserve where it does not answer in time, or says more.
    """
    argv = (program, *_WORDS, ident, *options)
    try:
        return programs.heard(argv, _SECONDS, most)
    except (subprocess.TimeoutExpired, OSError):
        raise CannotObserve("journalctl did not answer; journalctl -t dovecot shows Dovecot's log.") from None


@contextmanager
def opened(program: str, ident: str, *options: str, seconds: float) -> Iterator[IO[bytes]]:
    """The lines as they come; it is ended when they are read, and after so many seconds.

    Raises CannotObserve where it cannot be run.
    """
    argv = (program, *_WORDS, ident, *options)
    null = subprocess.DEVNULL
    try:
        ran = subprocess.Popen(argv, stdin=null, stdout=subprocess.PIPE, stderr=null)
    except OSError as why:
        raise CannotObserve(f"{program}: cannot be run ({why.strerror}).") from None
    with ran:
        assert ran.stdout
        late = threading.Timer(seconds, ran.kill)
        late.daemon = True
        late.start()
        try:
            yield ran.stdout
        finally:
            late.cancel()
            ran.kill()
