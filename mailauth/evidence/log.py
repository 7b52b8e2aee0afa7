"""What the log says, and where it goes."""

from datetime import datetime

from mailauth.counted import counted, times
from mailauth.dovecot.logtally import Unserved
from mailauth.dovecot.messages import LogKind, Why
from mailauth.evidence.fact import Evidence
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class LogTrouble:
    """Something that Dovecot says of itself, or of a server that it asks.

    ``what`` is the limit, the signal or the reason; ``says``: what it comes to, where that is known;
    ``rate``, ``bytes_rate``: lines and bytes a second, of the last ones without a pause; ``floods``: these
    come now, as fast as nothing does that pauses; ``users``: whom the lines name, two at most.
    """

    kind: LogKind
    service: str
    what: str
    count: int
    text: str
    last: datetime | None
    says: str = ""
    rate: float = 0.0
    users: tuple[str, ...] = ()
    bytes_rate: float = 0.0
    floods: bool = False
    why: Why = Why.OTHER


@dataclass(frozen=True, slots=True)
class LogStream:
    """One user who fails again and again from one address.

    ``interval`` seconds between two; ``size`` bytes of log; ``ago`` seconds since the last.
    ``same_password`` is None where the log does not tell (auth_verbose_passwords = no).  ``proven`` is False
    where these are lines of one passdb of several, and a later one may have let the client in.
    ``why``: what kind of failure it mostly is.
    """

    user: str
    ip: str
    count: int
    seconds: float
    interval: float
    ago: float
    size: int
    steady: bool
    same_password: bool | None
    proven: bool = True
    why: Why = Why.MISMATCH


@dataclass(frozen=True, slots=True)
class LogStreams(Evidence):
    """Who fails again and again, since Dovecot last started or was reloaded."""

    streams: tuple[LogStream, ...]

    @property
    def seen(self) -> str:
        if not self.streams:
            return "nobody fails again and again"
        return "; ".join(f"{one.user!r} from {one.ip}: {times(one.count)}" for one in self.streams)


@dataclass(frozen=True, slots=True)
class LogWindow(Evidence):
    """The log since Dovecot last started or was reloaded, of the last day at most.

    ``whole`` is False where not all of that was read: it is far back, or has lines that are too long.
    """

    begins: str
    whole: bool
    lines: int
    failures: int
    logins: int
    verbose: bool
    database_lost: bool  # auth lost its database: what else it says may follow from that
    troubles: tuple[LogTrouble, ...]
    sessions: int = 0  # mail sessions that ended as they should
    served: tuple[str, ...] = ()  # the services of those
    unserved: tuple[Unserved, ...] = ()
    broken: tuple[Unserved, ...] = ()  # whose last mail session did not begin
    last_login: datetime | None = None

    def all(self, *kinds: LogKind) -> tuple[LogTrouble, ...]:
        """The troubles of these kinds, the most frequent first."""
        return tuple(sorted((one for one in self.troubles if one.kind in kinds), key=lambda one: -one.count))

    def of(self, kind: LogKind, what: str = "") -> LogTrouble | None:
        """The trouble of that kind, the most frequent one."""
        found = [one for one in self.troubles if one.kind is kind and what in one.what]
        return max(found, key=lambda one: one.count, default=None)

    @property
    def seen(self) -> str:
        told = f"since {self.begins}: {self.lines} lines, {self.failures} failed logins"
        if not self.whole:
            told += " (not all of it since Dovecot's start was read)"
        return "; ".join([told, *(f"{one.count} x {one.text!r}" for one in self.troubles)])


@dataclass(frozen=True, slots=True)
class UnseenFailures(Evidence):
    """Users whose last login by a mail client failed, by the words of passdbs that are not looked into.

    ``users``: the latest last; ``returned``: those of them who logged in before.
    """

    passdbs: tuple[str, ...]
    users: tuple[str, ...]
    reasons: tuple[str, ...]
    causes: tuple[str, ...]
    whys: frozenset[Why]
    last_login: datetime | None  # of anybody
    last: datetime | None
    first: datetime | None = None
    returned: tuple[str, ...] = ()

    @property
    def seen(self) -> str:
        if not self.users:
            return f"no login that failed by {' or '.join(self.passdbs)}"
        return f"{len(self.users)} users fail by {' and '.join(self.passdbs)}: {', '.join(self.reasons)}"


@dataclass(frozen=True, slots=True)
class AuthStart(Evidence):
    """Whether an auth process starts; where not, Dovecot's own words of it, and what they come to."""

    starts: bool
    words: str = ""
    says: str = ""

    @property
    def seen(self) -> str:
        return (
            "auth runs"
            if self.starts
            else f"no auth process runs; {self.words or 'the log does not say why'}"
        )


@dataclass(frozen=True, slots=True)
class LastWords(Evidence):
    """What a Dovecot that does not run logged last that was grave: the line, and what it comes to."""

    words: str
    says: str

    @property
    def seen(self) -> str:
        return self.words or "nothing grave"


@dataclass(frozen=True, slots=True)
class SentPassword:
    """One password that a client sends: ``as_given``: it is the one given to mailauth; None: not known."""

    ip: str
    count: int
    as_given: bool | None


@dataclass(frozen=True, slots=True)
class SentPasswords(Evidence):
    """Which passwords clients sent for this user, as far as Dovecot logs that."""

    sent: tuple[SentPassword, ...]

    @property
    def seen(self) -> str:
        if not self.sent:
            return "Dovecot does not log which password was sent"
        return ", ".join(f"from {one.ip or 'this machine'}: one {times(one.count)}" for one in self.sent)


@dataclass(frozen=True, slots=True)
class ClientFailures:
    """Failed logins of mail clients, and none of lookups.  ``failing``: after the last that worked."""

    failing: int = 0
    reasons: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    whys: frozenset[Why] = frozenset()


@dataclass(frozen=True, slots=True)
class UserInLog(Evidence):
    """What the log says of this user since Dovecot last started or was reloaded.

    ``unexplained``: failures of which it gives no reason; ``of_ours``: those of mailauth's own logins, which
    are no others'; ``of_our_address``: the last of these was
    refused for the address that it came from, which was not named as the client's.
    """

    failures: int
    logins: int
    reasons: tuple[str, ...]
    addresses: tuple[str, ...]
    sent: tuple[SentPassword, ...]
    verbose: bool
    causes: tuple[str, ...] = ()
    unexplained: int = 0
    of_clients: ClientFailures = ClientFailures()
    of_ours: ClientFailures = ClientFailures()
    whys: frozenset[Why] = frozenset()
    of_our_address: bool = False

    @property
    def seen(self) -> str:
        ours = (
            f"; of mailauth's own logins: {', '.join(self.of_ours.reasons)}" if self.of_ours.reasons else ""
        )
        if not self.failures:
            quiet = "" if self.verbose else " (auth_verbose = no: Dovecot logs no reason of a failure)"
            return f"no failed login of this user{quiet}{ours}"
        why_not = "" if self.verbose or not self.unexplained else "; with auth_verbose = yes it would"
        many = counted(self.failures, "failed login")
        return f"{many} of this user: {', '.join(self.reasons)}{why_not}{ours}"


@dataclass(frozen=True, slots=True)
class OpenSessions(Evidence):
    """The sessions that a user has now: service, address, how many, and how many may be (0: any number).

    Looked for where the log says that one more was turned away.
    """

    user: str
    sessions: tuple[tuple[str, str, int, int], ...]

    @property
    def full(self) -> tuple[tuple[str, str, int, int], ...]:
        """Those that are as many as may be."""
        return tuple(one for one in self.sessions if 0 < one[3] <= one[2])

    @property
    def seen(self) -> str:
        shown = [f"{count} x {service} from {ip}" for service, ip, count, _ in self.sessions]
        return f"{self.user!r} has {', '.join(shown) or 'no session'}"


@dataclass(frozen=True, slots=True)
class LogDestination(Evidence):
    """Where the log goes: the file as it is now, and the one that the log process has open.

    ``problem`` is why the file cannot be written by a new log process, or ""; ``writes_to``: the file that
    is written instead of it, or "".
    """

    path: str
    problem: str
    no_folder: bool
    writes_to: str

    @property
    def seen(self) -> str:
        if self.writes_to:
            return f"{self.path}, but the log process writes to {self.writes_to}"
        return f"{self.path}: {self.problem}" if self.problem else f"{self.path} is written"


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A filesystem that Dovecot writes to.  Sizes in bytes; ``inodes`` free, None where it has no limit."""

    use: str  # "log", "journal", "state", "run", "mail"
    path: str
    size: int
    free: int
    inodes: int | None
    inodes_free: int


@dataclass(frozen=True, slots=True)
class Filesystems(Evidence):
    """How full the filesystems of the log, the state and the mail are."""

    filesystems: tuple[Filesystem, ...]

    @property
    def seen(self) -> str:
        return "; ".join(
            f"{one.use} ({one.path}): {one.free // 2**20} MiB of {one.size // 2**20} MiB free"
            for one in self.filesystems
        )


@dataclass(frozen=True, slots=True)
class ContainerLog(Evidence):
    """How the container's runtime keeps what Dovecot writes to its standard error.

    ``free``: bytes that the filesystem of ``path`` has left.
    """

    driver: str
    max_size: str
    path: str
    size: int
    free: int = 0

    @property
    def seen(self) -> str:
        limit = f"max-size {self.max_size}" if self.max_size else "no max-size"
        return f"log driver {self.driver}, {limit}, {self.size // 2**20} MiB now"


@dataclass(frozen=True, slots=True)
class Penalty:
    """An address that waits ``seconds`` before each attempt."""

    ip: str
    level: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Penalties(Evidence):
    """The addresses that anvil holds back now."""

    addresses: tuple[Penalty, ...]

    @property
    def seen(self) -> str:
        if not self.addresses:
            return "no address is held back"
        return "; ".join(f"{one.ip} waits {one.seconds} s" for one in self.addresses[:10])


NO_AUTH = "no auth process runs"  # why there is no AuthAnswer


@dataclass(frozen=True, slots=True)
class AuthAnswer(Evidence):
    """How long auth took to greet, how much of that it was computing; the drivers that it verifies for.

    ``hangs``: it did not greet, and what its process does; "" where it greeted, or refused at once.
    """

    seconds: float
    computing: float
    drivers: tuple[str, ...]
    hangs: str = ""

    @property
    def seen(self) -> str:
        if self.hangs:
            return f"auth did not greet for {self.seconds:.2f} s: {self.hangs}"
        return f"auth greeted after {self.seconds:.2f} s, of which it computed for {self.computing:.2f} s"
