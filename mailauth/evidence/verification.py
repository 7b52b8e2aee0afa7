"""The stored hash, the process that verifies it, and the trials."""

from mailauth.dovecot.authconfig import Service, ServiceName
from mailauth.dovecot.sizes import show_limit, show_size
from mailauth.evidence.fact import Evidence
from mailauth.evidence.lookup import End, Made
from mailauth.hashes import Memory, Verdict
from mailauth.hashes.damaged import Damage
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class StoredHash(Evidence):
    """The stored string of this passdb.  ``flaw``: why it can never match there, or "".

    ``damage``: what damaged it; None where a password can match it, and it is no hash taken for a password.
    ``seconds``: about what one verification takes on one core.  ``passdb``: its number.
    """

    shown: str
    scheme: str
    length: int
    memory: Memory
    flaw: str
    refused_as: Verdict | None
    damage: Damage | None = None
    seconds: float = 0.0
    passdb: int = 0
    made: Made | None = None  # of what the query makes it, where it is damaged
    goes_on: int = 0  # the line of the passwd-file that has the rest of it
    behind: int = 0  # bytes of the column behind a NUL, at which Dovecot ends
    of_system: bool = False  # it is an account's of the system, whose tools set it
    only_blanks: bool = False  # without its blanks and line ends it is a sound hash

    @property
    def seen(self) -> str:
        return self.shown


@dataclass(frozen=True, slots=True)
class VerifyingProcess:
    """A process of the service that verifies, at the time we looked.  Sizes in bytes.

    ``pid`` is None when none runs: a worker that verifies cache hits is started by the first hit.  Then
    the limit is the configured one and the sizes are those of auth, which is the same program.
    """

    service: ServiceName
    pid: int | None
    limit: int | None  # live RLIMIT_AS, soft
    size: int  # VmSize
    peak: int  # VmPeak
    configured: int | None  # what a reload would give it
    place: str  # where that is set
    libsodium: str | None  # the library it has mapped, as we can open it

    @property
    def stale(self) -> bool:
        """The running limit is not the configured one: not reloaded."""
        return self.limit != self.configured


@dataclass(frozen=True, slots=True)
class Verifiers(Evidence):
    """Who verifies: on a lookup, and on a hit of the auth cache (None: there is none, or no harm).

    ``hit`` is None where nothing is cached, or the same service verifies both.  ``falls_back``: when
    auth has no memory to verify a hit, or since 2.4.5 a worker, Dovecot quietly looks the user up again
    (measured), so that only ``miss`` can make a login fail.
    """

    driver: str
    miss: VerifyingProcess
    hit: VerifyingProcess | None
    falls_back: bool
    other: Service | None  # the service that does not count
    helper: str = ""  # a program that ``miss`` starts, with its own limit, and that verifies

    @property
    def processes(self) -> tuple[VerifyingProcess, ...]:
        return (self.miss,) if self.hit is None else (self.miss, self.hit)

    @property
    def seen(self) -> str:
        return "; ".join(
            f"{p.service} {'is' if p.pid else '(not running yet) will be about'} {show_size(p.size)}"
            f" and may grow to {show_limit(p.limit)}"
            for p in self.processes
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """A verification tried with the room that one process has (None: no limit).

    ``first`` is the verdict in a new process, ``later`` in one that has verified before: its heap has
    grown, so the two can differ when the room is very tight.
    """

    process: VerifyingProcess
    room: int | None
    first: Verdict
    later: Verdict
    seconds: float


@dataclass(frozen=True, slots=True)
class Trials(Evidence):
    """The trials for the verifying processes; ``unlimited`` is the verdict without a limit.

    ``with_password``: the verdicts concern the password that was given; else one that stands in for it,
    and only tell whether the memory suffices.
    """

    with_password: bool
    miss: Trial
    hit: Trial | None
    falls_back: bool
    unlimited: Verdict | None

    @property
    def all(self) -> tuple[Trial, ...]:
        return (self.miss,) if self.hit is None else (self.miss, self.hit)

    @property
    def seen(self) -> str:
        parts = []
        for trial in self.all:
            room = "no limit" if trial.room is None else f"{show_size(trial.room)} free"
            first = f" (new process: {self._said(trial.first)})" if trial.first is not trial.later else ""
            parts.append(f"{trial.process.service}, {room}: {self._said(trial.later)}{first}")
        if self.unlimited is not None:
            parts.append(f"with no limit: {self._said(self.unlimited)}")
        return "; ".join(parts)

    def _said(self, verdict: Verdict) -> str:
        if self.with_password or verdict not in (Verdict.MATCH, Verdict.MISMATCH):
            return words(verdict)
        return "the memory suffices"


@dataclass(frozen=True, slots=True)
class PasswordCheck(Evidence):
    """The given password against every stored hash, with as much memory as it takes.

    ``lets_in``: one matches, and fits into the process that verifies it.  ``bound``: what a directory said to
    the one bind with it; the last verdict is what that comes to.
    """

    verdicts: tuple[Verdict, ...]
    lets_in: bool
    end: End | None = None  # where the way through the passdbs ends with it
    bound: str = ""

    @property
    def lets_in_by(self) -> int:
        """The number of the passdb that takes the password; 0: none does."""
        return self.end.decided_by if self.lets_in and self.end else 0

    @property
    def several(self) -> bool:
        """More than one passdb is on the way, or more than one string was compared."""
        return self.end is not None and (len(self.end.steps) > 1 or len(self.verdicts) > 1)

    @property
    def seen(self) -> str:
        compared = self.verdicts[:-1] if self.bound else self.verdicts
        told = "; ".join([*(words(verdict) for verdict in compared), *([self.bound] if self.bound else [])])
        way = self.end.way if self.end and self.several else ""
        return f"{told}; in Dovecot's order: {way}" if way else told


def words(verdict: Verdict) -> str:
    """A verdict as people read it: "out of memory"."""
    return verdict.value.replace("_", " ")
