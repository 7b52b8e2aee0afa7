"""From limits, memory, cores and load to Argon2id's parameters and Dovecot's limits.  Pure.

Strength is what an attacker's memory must move for a guess, m * (3t - 1) KiB, against the least that is
recommended (93750 KiB * 0.95): https://tobtu.com/minimum-password-settings/.  OWASP's five rows of equal
strength all come to 1.1 by it.  One lane throughout: libsodium runs lanes one after another.
"""

from collections.abc import Mapping

from mailauth.dovecot.authconfig import ServiceName, who_verifies
from mailauth.dovecot.sizes import show_size
from mailauth.memory import fit
from mailauth.memory.footprint import argon2
from mailauth.memory.speed import Speed
from mailauth.records import dataclass

_MiB = 1024 * 1024
_FLOOR = 93750 * 0.95
# What a login takes of a core besides the verification: auth, the worker, the store, the client.
# Measured: bench/capacity_load.py, 2 cores.
_OVERHEAD: dict[ServiceName, float] = {"auth": 0.001, "auth-worker": 0.004}
_BUSY = 0.8  # of what the machine can do: beyond, logins queue
_SAME = 1.1  # strengths nearer than that are the same; then the row with more memory is better

ROWS: tuple[tuple[int, int, str], ...] = (
    # m in KiB, t, whose
    (7168, 5, "OWASP"),
    (9216, 4, "OWASP"),
    (12288, 3, "OWASP"),
    (19456, 2, "OWASP"),
    (47104, 1, "OWASP"),
    (19456, 4, ""),
    (32768, 3, ""),
    (47104, 3, ""),
    (65536, 1, ""),
    (65536, 2, "libsodium interactive"),
    (65536, 3, "doveadm pw's default"),
    (131072, 2, ""),
    (131072, 3, ""),
    (262144, 1, ""),
    (262144, 3, "libsodium moderate"),
    (524288, 3, ""),
    (1048576, 4, "libsodium sensitive"),
)


@dataclass(frozen=True, slots=True)
class RunningPassdb:
    """What a running Dovecot has for a passdb whose strings it verifies; sizes in bytes.

    ``pid``: the process that was looked at, None where none ran.  ``free``: the least that any limit over it
    leaves; ``limit``: vsz_limit as configured, None for none, set at ``place``.  ``users``: the store's rows,
    None where they could not be counted.  ``others``: passdbs that verify, too, and were not asked about.
    """

    dovecot: str
    dialect: str
    file: str
    passdb: str
    driver: str
    service: ServiceName
    pid: int | None
    idle: int
    workers: int
    cores: int
    free: int
    limit: int | None
    place: str
    users: int | None
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """What there is and what is wanted; sizes in bytes.

    ``verified_by``: the process that was seen to verify; None: by the driver.
    """

    driver: str
    memory: int  # that all verifications together may take
    cores: int
    peak: float  # logins a second
    latency: float  # seconds that one verification may take
    vsz_limit: int | None  # that must stay
    may_raise: bool  # vsz_limit may be chosen; ``vsz_limit`` is then without meaning
    idle: int  # the idle process
    most_workers: int = 30
    users: int = 0
    use_worker: bool = False
    verified_by: ServiceName | None = None

    @property
    def service(self) -> ServiceName:
        return (
            self.verified_by
            or who_verifies(
                self.driver, use_worker=self.use_worker, use_cache=False, cache_with_worker=False
            )[0]
        )

    @property
    def parallel(self) -> int:
        """How many verifications really run at the same time."""
        return min(self.cores, self.most_workers) if self.service == "auth-worker" else 1


@dataclass(frozen=True, slots=True)
class AdviceRow:
    """One choice of parameters, and why it is or is not one.  Sizes in bytes, times in seconds."""

    m: int
    t: int
    whose: str
    strength: float
    need: int  # of address space, beyond the idle process, for every login
    workers: int
    peak_memory: int
    limit: int | None  # vsz_limit to set
    speed: Speed | None
    per_second: float  # logins, at most; 0 where no speed was measured
    refused: str  # "" when it may be taken

    @property
    def name(self) -> str:
        return f"m={self.m},t={self.t},p=1"


@dataclass(frozen=True, slots=True)
class Advice:
    """``chosen`` is None when no row fits."""

    wish: Wish
    service: ServiceName
    chosen: AdviceRow | None
    busy: float  # part of the machine's capacity that the peak takes
    everyone: float  # seconds until all users have logged in, one after another, as after an outage
    config: dict[str, str]  # by dialect
    rows: tuple[AdviceRow, ...]


def fitting(wish: Wish) -> tuple[AdviceRow, ...]:
    """Every row, with what memory says of it; still without its speed."""
    return tuple(_row(wish, m, t, whose) for m, t, whose in ROWS)


def _row(wish: Wish, m: int, t: int, whose: str) -> AdviceRow:
    takes = argon2(m, 1)
    each = takes.always + wish.idle
    can = wish.memory // each
    wanted = 1 if wish.service == "auth" else min(wish.most_workers, max(2 * wish.cores, 4))
    workers = max(min(wanted, can), 1)
    limit = fit.safe_limit(wish.idle, takes.memory) if wish.may_raise else wish.vsz_limit
    refused = ""
    if not wish.may_raise and limit is not None and each + fit.THIN > limit:
        refused = f"takes {show_size(each + fit.THIN)} of a vsz_limit of {show_size(limit)}"
    elif can < min(wanted, wish.parallel):
        refused = f"{min(wanted, wish.parallel)} at once take more than {show_size(wish.memory)}"
    strength = m * (3 * t - 1) / _FLOOR
    return AdviceRow(m, t, whose, strength, takes.always, workers, workers * each, limit, None, 0.0, refused)


def advise(wish: Wish, speeds: Mapping[tuple[int, int], Speed]) -> Advice:
    """Choose among the rows whose speed was measured; a row without is taken for too slow."""
    rows = tuple(_timed(wish, row, speeds.get((row.m, row.t))) for row in fitting(wish))
    good = [row for row in rows if not row.refused]
    chosen = None
    if good:
        best = max(row.strength for row in good)
        chosen = max((row for row in good if row.strength * _SAME >= best), key=lambda row: row.m)
    rate = chosen.per_second if chosen else 0.0
    return Advice(
        wish,
        wish.service,
        chosen,
        wish.peak / rate if rate else 0.0,
        wish.users / rate if rate else 0.0,
        {dialect: _config(wish, chosen, dialect) for dialect in ("2.3", "2.4")} if chosen else {},
        rows,
    )


def logins_per_second(wish: Wish, speed: Speed) -> float:
    """What Dovecot can do with verifications of that speed."""
    return speed.parallel / (speed.time.median + _OVERHEAD[wish.service])


def _timed(wish: Wish, row: AdviceRow, speed: Speed | None) -> AdviceRow:
    refused = row.refused
    rate = logins_per_second(wish, speed) if speed else 0.0
    if not refused and speed is None:
        refused = "too slow: not measured"
    elif not refused and speed is not None and speed.time.median > wish.latency:
        refused = f"takes longer than {wish.latency * 1000:.0f} ms"
    elif not refused and rate * _BUSY < wish.peak:
        refused = f"{rate:.1f} a second at most: too slow for a peak of {wish.peak:g}"
    return AdviceRow(
        row.m,
        row.t,
        row.whose,
        row.strength,
        row.need,
        row.workers,
        row.peak_memory,
        row.limit,
        speed,
        rate,
        refused,
    )


def _config(wish: Wish, row: AdviceRow, dialect: str) -> str:
    """What to add to the configuration."""
    inside, before = [], ""
    if wish.may_raise and row.limit is not None:
        inside.append(f"  vsz_limit = {row.limit // _MiB}M")
    if wish.service == "auth-worker":
        if dialect == "2.3":
            before = f"auth_worker_max_count = {row.workers}\n"
        else:
            inside.append(f"  process_limit = {row.workers}")
    block = f"service {wish.service} {{\n" + "\n".join(inside) + "\n}\n" if inside else ""
    return before + block
