"""Which layer breaks: a pure function of what came of each way."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import Enum

from mailauth.clients.door import Answer, Step
from mailauth.clients.sasl import MECHANISMS
from mailauth.dovecot.sizes import show_size
from mailauth.login.way import LATE, NETS, NO_ENTRY, NOT_ASKED, PROXIED, Attempt, Layer
from mailauth.records import dataclass

_NO = (Answer.REFUSED, Answer.TEMPORARY)
_UNASKED = "auth cannot be asked"
_SENDING = frozenset(one.name for one in MECHANISMS if one.sends_password)


class Breaks(Enum):
    """The layers, in the order that a login passes them."""

    HASH = "hash"
    PASSDB = "passdb"
    AUTH = "auth service"
    PASSDB_OF_SERVICE = "passdb, for one service"
    MECHANISM = "mechanism"
    USERDB = "userdb"
    NAME = "name of the host"
    LISTENER = "listener"
    LOGIN_PROCESS = "login process"
    LOGIN_SOCKET = "login socket"
    TLS = "TLS"
    BACKEND = "server that the user is passed on to"
    MAIL = "mail process"
    RELAY = "relay of submission"
    POSTFIX = "Postfix's link to auth"


@dataclass(frozen=True, slots=True)
class Fault:
    """A layer that breaks: for which service ("": for all), what says so, and what tells more.

    ``log``: the line in which Dovecot says why, and ``cause`` what it comes to, where they were found.
    """

    breaks: Breaks
    service: str
    says: str
    diagnose: tuple[str, ...] = ()  # options of ``mailauth diagnose USER`` that look there
    cause: str = ""
    log: str = ""

    @property
    def process(self) -> str:
        """The process that fails, "imap-login"; "" where it is not one service's."""
        return _PROCESSES.get(self.breaks, {}).get(self.service, "")

    @property
    def name(self) -> str:
        """The layer in Dovecot's words: "login process (imap-login)"."""
        process = _PROCESSES.get(self.breaks, {}).get(self.service, self.service)
        return f"{self.breaks.value} ({process})" if process else self.breaks.value


@dataclass(frozen=True, slots=True)
class Judgement:
    """``faults`` in the order of the layers; ``unseen``: ways that could not be looked at."""

    faults: tuple[Fault, ...]
    unseen: tuple[Attempt, ...]

    @property
    def first(self) -> Fault | None:
        return self.faults[0] if self.faults else None


_LOGIN = {
    "imap": "imap-login",
    "pop3": "pop3-login",
    "submission": "submission-login",
    "sieve": "managesieve-login",
}
_MAIL = {"imap": "imap", "pop3": "pop3", "submission": "submission", "sieve": "managesieve"}
_PROCESSES = {Breaks.LOGIN_PROCESS: _LOGIN, Breaks.BACKEND: _LOGIN, Breaks.MAIL: _MAIL}


def judge(attempts: Iterable[Attempt]) -> Judgement:
    """Faults in the order of the layers; what only follows from one is not another."""
    done = _undecided([one for one in attempts if one.answer is not Answer.NOT_TRIED])
    faults = sorted(_faults(_Table(done)), key=lambda one: list(Breaks).index(one.breaks))
    return Judgement(tuple(faults), tuple(one for one in done if one.answer is Answer.UNSEEN))


def _undecided(done: list[Attempt]) -> list[Attempt]:
    """What a passdb refuses for a client that may be another than the one whose login fails is open."""
    depends = next((one.depends for one in done if one.way.layer is Layer.HASH), "")
    if not depends:
        return done
    return [
        replace(one, answer=Answer.UNSEEN, said=f"{one.said or 'refused'}; {depends}")
        if (one.answer is Answer.REFUSED or _NO_CERTIFICATE in one.said) and one.way.layer is not Layer.HASH
        else one
        for one in done
    ]


# Source: Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-request-handler.c.
_NO_CERTIFICATE = "Client didn't present valid SSL certificate"


class _Table:
    """The attempts by layer."""

    def __init__(self, done: list[Attempt]) -> None:
        def of(layer: Layer) -> list[Attempt]:
            return [one for one in done if one.way.layer is layer]

        self.hash = next(iter(of(Layer.HASH)), None)
        self.test = next(iter(of(Layer.TEST)), None)
        self.login = next(iter(of(Layer.LOGIN)), None)
        sockets = of(Layer.SOCKET)
        # doveadm sends the password itself; what does so too is to be told apart by the service only.
        first = sockets[0].way.mechanism if sockets and sockets[0].way.mechanism in _SENDING else ""
        self.plain = {one.way.service: one for one in sockets if one.way.mechanism == first}
        self.others = [one for one in sockets if one.way.mechanism != first]
        self.doors = of(Layer.DOOR)

    @property
    def auth(self) -> list[Attempt]:
        """What auth said of the password by the first mechanism, however it was asked."""
        return [one for one in (self.test, *self.plain.values()) if one is not None]

    @property
    def vouched(self) -> bool:
        """Whether auth said yes."""
        return any(one.ok for one in self.auth)

    @property
    def proxied(self) -> bool:
        """Whether auth passes the user on to another server (proxy=y)."""
        return any(one.ok and one.code == PROXIED for one in self.auth)


def _faults(table: _Table) -> Iterator[Fault]:
    no = [one for one in table.auth if one.answer in _NO]
    yes = [one for one in table.auth if one.ok]
    if no and not yes:
        yield _of_the_password(table, no[0])
        return
    if not yes and any(one.answer is Answer.UNREACHABLE for one in table.auth):
        told = next(one for one in table.auth if one.answer is Answer.UNREACHABLE)
        what = "auth does not answer whether the password is right" if told.code == LATE else _UNASKED
        yield Fault(Breaks.AUTH, "", f"{what}: {told.said}")
        return
    if refused := _by_none(table):
        yield _of_the_password(table, refused)
        return
    if table.hash and table.hash.answer is Answer.REFUSED and yes:
        says = f"auth takes a password that the stored string does not match ({table.hash.said})"
        yield Fault(Breaks.HASH, "", says, ("--login",))
    for one in no:
        if one is not table.test:
            service = one.way.service
            says = f"auth lets in for {yes[0].way.service or 'imap'}, and not for {service}{_why(one)}"
            yield Fault(Breaks.PASSDB_OF_SERVICE, service, says, ("--login", "--service", service))
    yield from _mechanisms(table)
    userdb = (
        table.login is not None and table.login.answer in _NO and table.test is not None and table.test.ok
    )
    if userdb and table.login:
        yield Fault(
            Breaks.USERDB, "", f"doveadm auth test says yes, doveadm auth login no{_why(table.login)}"
        )
    yield from _of_doors(table, userdb=userdb)


def _by_none(table: _Table) -> Attempt | None:
    """The first no, where no mechanism lets in and PLAIN is not offered, or was not tried.

    Where the stored string matches and is refused all the same, the mechanism is at fault.
    """
    refused = [one for one in table.others if one.answer in _NO]
    if not refused or table.vouched or any(one.ok for one in table.others):
        return None
    matches = table.hash is not None and table.hash.ok
    return None if matches and refused[0].answer is Answer.REFUSED else refused[0]


def _of_doors(table: _Table, *, userdb: bool) -> Iterator[Fault]:
    """Each layer and service once, in the order that they were tried."""
    refused = [one for one in table.doors if one.answer is Answer.REFUSED]
    if refused and not table.vouched and not any(one.ok or one.step is Step.MAIL for one in table.doors):
        says = f"{_shown(refused[0])}{_why(refused[0])}; auth itself could not be asked"
        yield Fault(Breaks.PASSDB, "", says, ("--login",))
        return
    found = [_of_a_door(one, table, userdb=userdb) for one in table.doors]
    first: dict[tuple[Breaks, str], Fault] = {}
    for fault in found:
        if fault:
            first.setdefault((fault.breaks, fault.service), fault)
    if any(breaks is Breaks.RELAY for breaks, _ in first):
        first.pop((Breaks.MAIL, "submission"), None)  # it may be closed before the reason is read
    yield from first.values()


def _of_the_password(table: _Table, no: Attempt) -> Fault:
    if table.hash and table.hash.code == NOT_ASKED:
        return Fault(Breaks.PASSDB, "", f"auth says no{_why(no)}: {table.hash.said}")
    if table.hash and table.hash.code == NO_ENTRY:
        return Fault(Breaks.PASSDB, "", table.hash.said)
    if table.hash and table.hash.answer is Answer.REFUSED:
        return Fault(Breaks.HASH, "", f"auth says no, and by the stored string it must: {table.hash.said}")
    matches = table.hash is not None and table.hash.ok
    says = "the stored string matches, and auth says no" if matches else "auth says no"
    says += f" by {no.way.mechanism}" if no in table.others else ""
    nets = table.hash.code if table.hash and table.hash.code.startswith(NETS) else ""
    where = f"; the entry has {nets}: --from-address gives auth the client's address" if nets else ""
    memory = table.hash.memory if table.hash and matches else 0
    takes = f"; verifying it takes {show_size(memory)}, for which vsz_limit must leave room" if memory else ""
    return Fault(Breaks.PASSDB, "", says + _why(no) + where + takes, ("--login",))


def _mechanisms(table: _Table) -> Iterator[Fault]:
    told: set[str] = set()
    for one in (*table.others, *table.plain.values()):
        name = one.way.mechanism
        not_offered = one.answer is Answer.NOT_OFFERED
        if name in told or not (not_offered or (one in table.others and one.answer in _NO)):
            continue
        told.add(name)
        taken = table.vouched or any(other.ok for other in table.others)
        says = "auth takes the password, and not" if taken else "the stored string matches, and auth says no"
        says = f"auth does not offer {name}" if not_offered else f"{says} by {name}"
        by_the_hash = table.hash is not None and one.answer is Answer.REFUSED
        stored = f" (the stored string: {table.hash.said})" if table.hash and by_the_hash else _why(one)
        yield Fault(Breaks.MECHANISM, name, says + stored, ("--mechanism", name))


def _of_a_door(one: Attempt, table: _Table, *, userdb: bool) -> Fault | None:
    """What a session shows that auth alone does not."""
    service = one.way.service
    at_auth = table.plain.get(service)
    if one.ok or one.answer is Answer.UNSEEN or (at_auth and at_auth.answer in _NO and one.step is Step.AUTH):
        return None
    if userdb and one.step in (Step.AUTH, Step.MAIL):
        return None
    if any(other.way.mechanism == one.way.mechanism and not other.ok for other in table.others):
        return None
    if one.answer is Answer.NOT_OFFERED and one.step is not Step.TLS:
        return _not_offered(one, table)
    breaks = _breaks(one)
    if table.proxied and breaks in (Breaks.MAIL, Breaks.RELAY, Breaks.PASSDB_OF_SERVICE):
        breaks = Breaks.BACKEND
    options: tuple[str, ...] = ("--service", service) if service != "smtp" else ()
    if breaks in (Breaks.MAIL, Breaks.BACKEND, Breaks.LOGIN_PROCESS, Breaks.RELAY):
        options = ("--login", *options)
    if breaks in (Breaks.RELAY, Breaks.POSTFIX) or service == "smtp":
        options = ()
    says = f"{'auth says yes, ' if table.vouched else ''}{_shown(one)}{_why(one)}"
    return Fault(breaks, service, says, options)


# smtplib's words for a greeting that has no code, and for a line without an end.
_NO_SMTP = ("-1 ", "(500, ")


def _breaks(one: Attempt) -> Breaks:
    """The layer, by the step that a session ended in."""
    # What Dovecot's submission says of its relay.  Source: 2.3.19.1 and 2.4.1 src/submission/main.c ("451
    # 4.3.5"), submission-backend-relay.c ("relay server"); measured.
    waited = "timed out" in one.said
    match one.step:
        case Step.NAME:
            return Breaks.NAME
        case Step.CONNECT:
            return Breaks.LISTENER
        case Step.TLS if not waited:
            return Breaks.TLS
        case Step.GREETING if one.way.service == "smtp" and one.said.startswith(_NO_SMTP):
            return Breaks.LISTENER
        case _ if one.way.service == "smtp":
            return Breaks.POSTFIX
        case Step.GREETING | Step.TLS | Step.OFFER:
            return Breaks.LOGIN_SOCKET if waited else Breaks.LOGIN_PROCESS
        case Step.AUTH if one.answer is Answer.REFUSED:
            return Breaks.PASSDB_OF_SERVICE
        case _ if one.way.service == "submission" and ("relay" in one.said or "4.3.5" in one.said):
            return Breaks.RELAY
        case _:
            return Breaks.MAIL


def _not_offered(one: Attempt, table: _Table) -> Fault | None:
    """Only over TLS is as it should be; nowhere is not."""
    service, mechanism = one.way.service, one.way.mechanism
    over_tls = [
        other
        for other in table.doors
        if other.way.service == service and other.way.mechanism == mechanism and other.way.tls != "plain"
    ]
    if one.way.tls == "plain" and any(other.answer is not Answer.NOT_OFFERED for other in over_tls):
        return None
    at_auth = any(
        other.ok for other in (*table.plain.values(), *table.others) if other.way.mechanism in ("", mechanism)
    )
    if not at_auth:
        return None
    says = f"auth takes {mechanism}, {_shown(one)} does not offer it{_why(one)}"
    breaks = Breaks.POSTFIX if service == "smtp" else Breaks.MECHANISM
    return Fault(breaks, service if service == "smtp" else mechanism, says)


def _shown(one: Attempt) -> str:
    """The way as a sentence has it, and how it answers."""
    name = one.way.name.removesuffix(f" {one.way.mechanism}")
    if one.answer is Answer.NOT_OFFERED:
        return name
    return f"{name} {one.answer.value}{f' at {one.step.value}' if one.step else ''}"


def _why(one: Attempt) -> str:
    return f" ({one.said})" if one.said else ""
