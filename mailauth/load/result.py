"""What a load came to: plain data, that ``mailauth load --json`` writes and others read back.

    msgspec.json.decode(text, type=LoadResult)

Times are seconds, sizes bytes, rates requests a second.
"""

from dataclasses import field

from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the requests; each is in one place: ``sent == ok + refused + failed + lost``.

    ``refused``: a wrong password, sent on purpose, was refused as it should be.  ``failed``: Dovecot said
    no to a right password, by its reason; or yes to a wrong one.  ``lost``: no answer came, and why.
    ``unsent``: was due, and could not be sent before the end; not part of ``sent``.
    """

    sent: int
    ok: int
    refused: int
    failed: dict[str, int]
    lost: dict[str, int]
    unsent: int

    @property
    def answered(self) -> int:
        """What Dovecot has counted as well."""
        return self.ok + self.refused + sum(self.failed.values())

    @property
    def bad(self) -> int:
        """What did not come as it should."""
        return sum(self.failed.values()) + sum(self.lost.values()) + self.unsent


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from when a request was due until its answer; all 0 where ``count`` is 0."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True)
class Sample:
    """About a second of the load; ``at``: its end, in seconds since the load began (warm-up included).

    ``workers`` and ``rss``: how many auth-worker processes there were, and what they took together;
    None where they are not seen.  ``queued``: warnings of a queue in the log until then.
    """

    at: float
    rate: float
    answered: float
    p50: float
    p95: float
    p99: float
    bad: int
    in_flight: int
    workers: int | None
    rss: int | None
    queued: int | None


@dataclass(frozen=True, slots=True)
class LoadStep:
    """One fixed rate that was tried while looking for the knee; ``why``: what was wrong, "" if it held."""

    rate: float
    seconds: float
    held: bool
    why: str
    answered: float
    counts: Counts
    latency: Latency


@dataclass(frozen=True, slots=True)
class Knee:
    """The highest rate with the p95 within ``limit`` and nothing failed, lost or unsent.

    ``rate`` is 0 where not even the lowest rate held.  ``above``: the lowest rate that did not hold; None
    where all held.  ``generator``: the share of one core that the generator took at ``rate``.
    """

    rate: float
    above: float | None
    limit: float
    generator: float
    steps: list[LoadStep]


@dataclass(frozen=True, slots=True)
class Defence:
    """A setting that bears on how many wrong passwords a server stands, and its value."""

    setting: str
    value: str


@dataclass(frozen=True, slots=True)
class AttackStep:
    """One fixed rate of wrong passwords, 0 for none, beside right logins; ``why``: what was wrong with these.

    ``sent``: wrong passwords a second that were really sent.  ``wrong`` and ``right``: what became of both.
    ``latency``: of right logins; ``latency_wrong``: of wrong passwords.
    """

    rate: float
    sent: float
    seconds: float
    held: bool
    why: str
    wrong: Counts
    right: Counts
    latency: Latency
    latency_wrong: Latency


@dataclass(frozen=True, slots=True)
class Attack:
    """How many wrong passwords a second a server stands: each right login was answered within ``limit``.

    ``rate``: the highest that it stood, 0 where it stood none; ``above``: the lowest at which a right login
    failed or waited for longer, None where there was none.  ``found``: whether the search was finished.
    ``bound``: why the attack could not grow further, "" where it could.  ``generator``: the share of one core
    that the generator took at ``rate``.  ``addresses``: how many the wrong passwords came from; 0: the
    system's choice; ``same_address``: whether right logins came from these as well.  The first step is one
    without an attack.
    """

    rate: float
    above: float | None
    limit: float
    found: bool
    bound: str
    generator: float
    addresses: int
    same_address: bool
    defences: list[Defence]
    steps: list[AttackStep]

    @property
    def alone(self) -> bool:
        """Whether right logins were answered in time without an attack."""
        return any(step.held for step in self.steps if not step.rate)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A load.  ``mode``: "rate", "ramp", "max", "knee" or "attack"; ``began``: UTC, as ISO 8601 has it.

    ``rate`` and ``rate_to``: requests a second that were wanted, at the beginning and at the end; None
    for "max" and "knee"; for "attack" these and ``counts`` are of right logins.  ``seconds``: how long the
    measured part took; what was due in the warm-up is in ``warm_up_counts`` only.  ``wrong``: the share of
    wrong passwords.  ``latency``: of right passwords; ``latency_wrong``: of wrong ones, which Dovecot holds
    back.  ``lag``: how late the generator itself sent.  ``generator``: CPU time the generator took, as a
    share of one core; ``cores``: of how many.  ``ended``: why.  ``rss_most`` and ``workers_most``: None where
    Dovecot's processes are not seen.
    """

    way: str
    target: str
    dovecot: str
    lab: str
    mode: str
    began: str
    rate: float | None
    rate_to: float | None
    seconds: float
    warm_up: float
    connections: int
    in_flight: int
    users: int
    wrong: float
    ended: str
    counts: Counts
    warm_up_counts: Counts
    answered: float
    latency: Latency
    latency_wrong: Latency
    lag: Latency
    generator: float
    cores: int
    workers_most: int | None
    rss_most: int | None
    queued: int | None
    samples: list[Sample]
    knee: Knee | None = None
    attack: Attack | None = None
    notes: list[str] = field(default_factory=list)
