"""A way in, and what came of it."""

from dataclasses import field
from enum import Enum

from mailauth.clients.door import Answer, Door, Step, Tls
from mailauth.records import dataclass


class Layer(Enum):
    """From the stored string outwards; each asks all that is before it, and one thing more."""

    HASH = "hash, offline"
    TEST = "doveadm auth test"
    LOGIN = "doveadm auth login"  # the userdb as well
    SOCKET = "auth socket"
    DOOR = "protocol"


@dataclass(frozen=True, slots=True)
class Way:
    """``service``: imap, pop3, submission, sieve, smtp; "" where none is given.  ``door``: a protocol's."""

    layer: Layer
    service: str = ""
    mechanism: str = ""
    door: Door | None = None
    absent: str = ""  # why there is no door, though it was asked for
    proxied: str = ""  # why there is no door for us: only a proxy may connect
    outside: bool = False  # the connection is made from our network, not from Dovecot's
    unasked: bool = False  # no login: whether the mechanism is offered there was told by another's session

    @property
    def tls(self) -> Tls | None:
        return self.door.tls if self.door else None

    @property
    def name(self) -> str:
        """As it is shown and watched: "imap 143 STARTTLS PLAIN"."""
        if self.layer is not Layer.DOOR:
            return " ".join(word for word in (self.layer.value, self.service, self.mechanism) if word)
        if self.door is None:
            return f"{self.service} {self.mechanism}".strip()
        secured = {"plain": "", "starttls": " STARTTLS", "tls": " TLS"}[self.door.tls]
        return f"{self.service} {self.door.port}{secured} {self.mechanism}"


NO_ENTRY = "no entry"
"""The code of an offline attempt that found no stored string, or an empty one."""

NOT_ASKED = "not asked"
"""The code of an offline attempt for which a database did not answer: there may be an entry, or none."""

NETS = "allow_"
"""What the code of an offline attempt begins with, whose entry asks where the client is: allow_nets."""

PROXIED = "proxy"
"""The code of an attempt that auth takes, for a user who is passed on to another server."""

HANGS = "hangs"
"""The code of an attempt for which auth took a connection and did not greet."""

LATE = "late"
"""The code of an attempt for which auth greeted, and did not answer whether the password is right."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login by one way: what came of it, in which step it ended, and what was said there.

    ``depends``, of the stored string's: why a login of our own that is refused says nothing of the client's.
    """

    way: Way
    answer: Answer
    step: Step | None = None  # of a protocol
    said: str = ""
    seconds: float = 0.0
    steps: tuple[tuple[Step, float], ...] = ()  # seconds of each step of a session
    code: str = ""  # Dovecot's own word for a refusal: "temp_fail", "nologin"
    offered: tuple[str, ...] = field(default=())  # the mechanisms
    depends: str = ""
    memory: int = 0  # of the stored hash: bytes to verify it
    ours: bool = False  # not seen for lack of a right or an option of ours

    @property
    def ok(self) -> bool:
        """Let in, all the way."""
        return self.answer is Answer.IN
