"""The journal of this machine: journalctl's lines of one program, as JSON; bounded in time and bytes."""

import subprocess

from mailauth.dovecot import programs
from mailauth.errors import CannotObserve

_SECONDS = 5.0


def ask(program: str, ident: str, *options: str, most: int) -> tuple[int, bytes, bytes]:
    """How ``program``, which is journalctl, ended, and what it said.  ``most``: bytes of that.

    Raises CannotObserve where it does not answer in time, or says more.
    """
    argv = (program, "-q", "-o", "json", "--no-pager", "-t", ident, *options)
    try:
        return programs.heard(argv, _SECONDS, most)
    except (subprocess.TimeoutExpired, OSError):
        raise CannotObserve("journalctl did not answer; journalctl -t dovecot shows Dovecot's log.") from None
