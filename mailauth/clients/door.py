"""A place where a mail client comes in, how far it came, and what it was answered."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import field
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Literal

from mailauth import loopback
from mailauth.clients.listening import passed_on, us
from mailauth.connecting import places
from mailauth.later import later
from mailauth.overdue import overdue
from mailauth.records import dataclass

if TYPE_CHECKING:
    import ssl
else:
    ssl = later("ssl")  # 4 ms

Tls = Literal["plain", "starttls", "tls"]
TLS: tuple[Tls, ...] = ("plain", "starttls", "tls")
TIMEOUT = 12.0  # seconds for each answer before the password is sent
# Seconds for the answer to it: a penalty holds it back for 15, a failure for two or three more.
# Source: Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-penalty.h, AUTH_PENALTY_MAX_SECS.
PATIENCE = 30.0
_MOST = 200  # characters of an answer
_MANY = 8  # addresses of a name
_SHORTEST = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Door:
    """Where a session begins.  ``protocol``: imap, pop3, submission, sieve, or smtp (a Postfix).

    ``guarded``: to another machine the password goes over TLS with a certificate that is verified, or not.
    ``ours``: the users whose processes may be told it on this machine.
    """

    protocol: str
    host: str
    port: int
    tls: Tls
    timeout: float = TIMEOUT
    patience: float = PATIENCE
    guarded: bool = False
    ours: frozenset[int] = field(default_factory=us)

    def __str__(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol} {shown}:{self.port}"


class Step(Enum):
    """The steps of a session, in order."""

    NAME = "the host's name"
    CONNECT = "connect"
    GREETING = "greeting"
    TLS = "TLS"
    OFFER = "capabilities"
    AUTH = "authentication"
    MAIL = "mail"


class Answer(Enum):
    """What came of a login."""

    IN = "yes"
    REFUSED = "no"  # these credentials are not taken
    TEMPORARY = "fails"  # the server says that it could not find out, or not go on
    BROKEN = "breaks off"  # no answer, or none that belongs there
    UNREACHABLE = "not there"
    NOT_OFFERED = "not offered"
    UNSEEN = "not seen"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Told:
    """How a session went: the step that it ended in, what the server said there, and each step's seconds."""

    answer: Answer
    step: Step
    said: str = ""
    seconds: tuple[tuple[Step, float], ...] = ()
    offered: tuple[str, ...] = ()  # the mechanisms, after STARTTLS where that was asked for
    ours: bool = False  # an option of ours would have gone on

    @property
    def total(self) -> float:
        """Seconds of all steps."""
        return sum(took for _, took in self.seconds)


class Denied(Exception):  # noqa: N818 - an answer, not a fault
    """The server says no to a step; ``answer`` is what kind of no."""

    def __init__(self, answer: Answer, said: object) -> None:
        super().__init__(said)
        self.answer, self.said = answer, shown(said)


class Off(Exception):  # noqa: N818 - an answer, not a fault
    """The conversation ended or makes no sense: no line, or one that does not belong there."""


def shown(said: object) -> str:
    """What a server said, fit to be printed."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return "".join(char if char.isprintable() else " " for char in text).strip()[:_MOST]


def connect(door: Door) -> socket.socket:
    """Connect to the first address that takes it: all of them have the time of one.  Raises OSError.

    Who answers for a name can give it thousands.
    """
    until, why = time.monotonic() + door.timeout, OSError("the name has no address")
    found = places(door.host, door.port)[:_MANY]
    for at, (family, kind, protocol, place) in enumerate(found):
        link = socket.socket(family, kind, protocol)
        try:
            link.settimeout(max(until - time.monotonic(), _SHORTEST) / (len(found) - at))
            link.connect(place)
            link.settimeout(door.timeout)
        except OSError as failed:
            link.close()
            why = failed
        else:
            return link
    raise why


@contextmanager
def cut_after(seconds: float, link: socket.socket) -> Iterator[None]:
    """The connection is cut after so many seconds: each wait may be short, and all of them have no end."""
    with link.dup() as handle, overdue(seconds, lambda: _cut(handle)):  # TLS takes the first handle away
        yield


def _cut(handle: socket.socket) -> None:
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


def leaves(link: socket.socket) -> bool:
    """Whether the connection goes to another machine, as the kernel has it, or is sent on to one."""
    here, there = link.getsockname()[0], link.getpeername()[0]
    return (bool(here != there) and not loopback.is_here(there)) or passed_on(link)


@cache
def verified() -> "ssl.SSLContext":
    """TLS with the system's list of authorities, and the name that was connected to."""
    return ssl.create_default_context()


@cache
def unchecked() -> "ssl.SSLContext":
    """TLS without a look at the certificate: ``mailauth diagnose --host`` looks at it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
