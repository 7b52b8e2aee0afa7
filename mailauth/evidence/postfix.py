"""The ports of a Postfix whose logins a Dovecot answers."""

from enum import Enum

from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Smtpd:
    """An smtpd service of master.cf that takes logins.

    ``name`` as it is there ("submission", "127.0.0.1:587");  ``wrapped``: TLS from the first byte on;
    ``starttls``: TLS is offered;  ``asks``: Dovecot's socket, as Postfix opens it.
    """

    name: str
    host: str
    port: int
    wrapped: bool
    starttls: bool
    asks: str


@dataclass(frozen=True, slots=True)
class PostfixPorts(Evidence):
    """``asking``: the services that ask this Dovecot.  ``notes``: those that take logins and do not."""

    asking: tuple[Smtpd, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def seen(self) -> str:
        told = [f"{one.name} (port {one.port}) asks {one.asks}" for one in self.asking]
        return "; ".join([*told, *self.notes]) or "no Postfix asks this Dovecot"


class SocketFault(Enum):
    """What is wrong with a socket that a client of auth's asks."""

    MISSING = "it is not there"
    NO_SOCKET = "it is another kind of file"
    NOT_FOR_CLIENTS = "it answers other requests"
    CLOSED = "the client may not write to it"


@dataclass(frozen=True, slots=True)
class PostfixLink(Evidence):
    """The socket at which a Postfix asks auth: what is wrong with it, "" and None where nothing is.

    ``mode`` and ``owner`` are None and "" where there is no socket; ``user``: whom smtpd runs as; ``logged``:
    Postfix's own last line of it, where it has one; ``listener``: the socket's setting in Dovecot, or "".
    """

    name: str
    path: str
    problem: str
    mode: int | None
    owner: str
    user: str
    logged: str
    listener: str
    fault: SocketFault | None

    @property
    def seen(self) -> str:
        what = f"mode {self.mode:04o}, {self.owner}" if self.mode is not None else "not there"
        wrong = f": {self.problem}" if self.problem else ""
        return f"Postfix's {self.name} asks {self.path} ({what}){wrong}"
