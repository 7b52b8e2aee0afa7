"""What is asked: which Dovecot, which checks, from where on it is bad."""

import math
import time
from dataclasses import field
from functools import partial
from pathlib import Path

from mailauth import digits, private
from mailauth.clients.door import Door
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.containers import dovecot_in
from mailauth.dovecot.doveadm import Installation, at_pid
from mailauth.errors import UsageError
from mailauth.hashes import Password
from mailauth.records import dataclass

_MiB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on it is WARNING and CRITICAL; seconds, bytes, rows, failures a minute."""

    greeting: tuple[float, float] = (1.0, 5.0)
    canary: tuple[float, float] = (2.0, 8.0)
    certificate: tuple[float, float] = (14 * 86400.0, 0.0)
    # An update of Dovecot or a driver takes 2.4 to 14.5 MiB more (measured, see docs/memory.md).
    headroom: tuple[int, int] = (16 * _MiB, 0)
    rows: tuple[int, int] = (1, 1)
    failures: tuple[float, float] = (60.0, 600.0)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The canary's; ``version`` changes when the file does."""

    user: str
    password: Password
    version: str


@dataclass(frozen=True, slots=True)
class Which:
    """Which Dovecot: its configuration file and its master, as they were named.

    Looked for in each run again: one that went away is CRITICAL, not wrong usage.
    """

    config: str | None = None
    pid: str | None = None
    container: str | None = None

    def installation(self) -> Installation:
        """Raises UsageError and CannotObserve."""
        if self.container is not None:
            return at_pid(dovecot_in(self.container), self.config)
        if self.pid is None:
            return Installation(str(Path(self.config).absolute()) if self.config else None)
        number = digits.number(self.pid)
        if number is None:
            raise UsageError(
                f"--pid {self.pid!r}: is not a process number; --container names a Dovecot in a container."
            )
        return at_pid(number, self.config)


@dataclass(frozen=True, slots=True)
class CheckRun:
    """One run of the checks.  All times in seconds.

    ``host``: the name that clients connect to.  ``smtp``: Postfix's doors.  ``used``: what of the timeout is
    gone already.  ``state``: the folder in which is kept what is needed the next time.  ``survey_age``: how
    old a count of the rows may be, at the most.  ``pause``: how long a canary that was refused is not tried
    again.  ``window``: over which failures are counted; ``log_window``: how long the log's warnings matter.
    """

    checks: tuple[str, ...]
    which: Which = field(default_factory=Which)
    state: Path = field(default_factory=partial(private.state, "check"))
    canary: Credentials | None = None
    limits: Limits = field(default_factory=Limits)
    timeout: float = 10.0
    used: float = 0.0
    host: str = ""
    smtp: tuple[Door, ...] = ()
    survey_age: float = 3600.0
    rows_query: str | None = None
    pause: float = 300.0
    window: float = 300.0
    log_window: float = 600.0


@dataclass(frozen=True, slots=True)
class Server:
    """What every check is given: what was asked, the configuration read for it, its folder of the state.

    ``ends``: when all are killed, by the monotonic clock.
    """

    asked: CheckRun
    dovecot: Installation
    config: AuthConfig
    state: Path
    ends: float = math.inf

    @property
    def left(self) -> float:
        """Seconds until then."""
        return self.ends - time.monotonic()
