"""One session as a mail client has it, and how far it came."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from mailauth.clients.door import (
    Answer,
    Denied,
    Door,
    Off,
    Step,
    Told,
    connect,
    leaves,
    shown,
    unchecked,
    verified,
)
from mailauth.clients.listening import stranger
from mailauth.clients.sasl import CannotSayError, Exchange, Mechanism, load
from mailauth.oserrors import raised_in
from mailauth.overdue import overdue

if TYPE_CHECKING:
    import ssl


class Client(Protocol):
    """A session that was greeted."""

    def offered(self) -> tuple[str, ...]: ...
    def starttls(self, context: "ssl.SSLContext") -> None: ...
    def wait(self, seconds: float) -> None: ...
    def authenticate(self, mechanism: Mechanism, exchange: Exchange) -> None: ...
    def look(self) -> None: ...
    def close(self) -> None: ...


# protocol -> where its client is; imported when it is used: imaplib and its like take 5 ms each.
_CLIENTS = {
    "imap": ("mailauth.clients.imap", "Imap"),
    "pop3": ("mailauth.clients.pop3", "Pop3"),
    "submission": ("mailauth.clients.smtp", "Smtp"),
    "smtp": ("mailauth.clients.smtp", "Smtp"),
    "sieve": ("mailauth.clients.sieve", "Sieve"),
}
PROTOCOLS = tuple(_CLIENTS)


def client_of(protocol: str) -> Callable[..., Client]:
    """The client of a protocol, imported."""
    module, name = _CLIENTS[protocol]
    return cast(Callable[..., Client], getattr(import_module(module), name))


def prepare(door: Door, mechanism: Mechanism | None) -> None:
    """Before a fork: import what a session needs, and read the system's authorities, once."""
    client_of(door.protocol)
    if mechanism is not None:
        load(mechanism)
    if door.tls != "plain":
        unchecked()
        if door.guarded:
            verified()


_LIBRARIES = ("imaplib", "poplib", "smtplib", "scramp")  # an empty line is an IndexError to poplib
_INSECURE = "--insecure sends it anyway"
_GRACE = 0.2  # seconds more for a step than for each of its answers


class _Course:
    """The step that a session is in, and how long each took.

    ``most``: seconds for a step.  Each wait of one may be short and the step have no end, line after line:
    then the connection is cut.
    """

    def __init__(self, most: float) -> None:
        self.step = Step.CONNECT
        self.seconds: list[tuple[Step, float]] = []
        self.offered: tuple[str, ...] = ()
        self.most, self.cut = most, False
        self._link: socket.socket | None = None

    def holds(self, link: socket.socket) -> socket.socket:
        """The connection to cut, by a handle of its own: TLS takes the first one away."""
        self._link = link.dup()
        return self._link

    @contextmanager
    def into(self, step: Step) -> Iterator[None]:
        self.step = step
        began = time.monotonic()
        try:
            with self.limited():
                yield
        finally:
            self.seconds.append((step, time.monotonic() - began))

    @contextmanager
    def limited(self) -> Iterator[None]:
        with overdue(self.most + _GRACE, self._cut):
            yield

    def _cut(self) -> None:
        if self._link:
            self.cut = True
            with suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)

    def ended(self, answer: Answer, said: object = "", *, ours: bool = False) -> Told:
        said = f"the answer did not end within {self.most:g} s" if self.cut else said
        return Told(answer, self.step, shown(said), tuple(self.seconds), self.offered, ours)


def converse(door: Door, mechanism: Mechanism | None, user: str, password: bytes) -> Told:
    """Connect, begin TLS, authenticate, look at the mail, and go.  Without a mechanism: no login.

    Never raises: what went wrong is in the answer.  A password is sent once, and never without TLS where the
    server does not offer the mechanism.
    """
    course = _Course(door.timeout)
    try:
        return _session(course, door, mechanism, user, password)
    except Denied as why:
        return course.ended(why.answer, why.said)
    except (CannotSayError, Off) as why:
        return course.ended(Answer.BROKEN, why)
    except socket.gaierror as why:
        course.step = Step.NAME
        return course.ended(Answer.UNREACHABLE, f"{door.host}: {why.strerror}")
    except OSError as why:  # an ssl.SSLError is one, and so is a timeout
        if unverified := getattr(why, "verify_message", ""):
            return course.ended(Answer.UNSEEN, f"its certificate: {unverified}; {_INSECURE}", ours=True)
        answer = Answer.UNREACHABLE if course.step is Step.CONNECT else Answer.BROKEN
        return course.ended(answer, why.strerror or why)
    except ValueError as why:  # a number without end, or what else a library does not take
        return course.ended(Answer.BROKEN, f"the answer makes no sense ({why})")
    except Exception as why:
        if not raised_in(why, _LIBRARIES):
            raise
        return course.ended(Answer.BROKEN, f"the answer is not of the protocol {door.protocol}")


def _session(course: _Course, door: Door, mechanism: Mechanism | None, user: str, password: bytes) -> Told:
    with ExitStack() as afterwards:
        with course.into(Step.CONNECT):
            link = afterwards.enter_context(connect(door))
            afterwards.enter_context(course.holds(link))
            away = leaves(link)
            guarded = door.guarded and away
        if not away and (other := stranger(door.port, door.ours)) is not None:
            return course.ended(
                Answer.NOT_TRIED, f"a process of user {other} listens there, not Dovecot or Postfix"
            )
        context = verified if guarded else unchecked
        if door.tls == "tls":
            with course.into(Step.TLS):
                link = afterwards.enter_context(context().wrap_socket(link, server_hostname=door.host))
        with course.into(Step.GREETING):
            client = client_of(door.protocol)(link, door)
        afterwards.callback(_close, course, client)
        if door.tls == "starttls":
            with course.into(Step.TLS):
                client.starttls(context())
        with course.into(Step.OFFER):
            course.offered = client.offered()
        if mechanism is None:
            return course.ended(Answer.IN)
        if guarded and door.tls == "plain":
            return course.ended(
                Answer.NOT_TRIED, f"no password goes to another machine in the clear; {_INSECURE}"
            )
        if mechanism.name not in {name.upper() for name in course.offered}:
            return course.ended(Answer.NOT_OFFERED, f"offered: {', '.join(course.offered) or 'no mechanism'}")
        client.wait(door.patience)
        course.most = door.patience
        with course.into(Step.AUTH):
            client.authenticate(mechanism, mechanism.start(user, password))
        with course.into(Step.MAIL):
            client.look()
        return course.ended(Answer.IN)


def _close(course: _Course, client: Client) -> None:
    with course.limited():
        client.close()
