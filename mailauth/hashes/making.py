"""New hashes: profiles, the strongest that fits a limit, and a refusal of what could not be verified."""

import secrets

from mailauth.errors import MailauthError, Refused, UsageError
from mailauth.hashes import accepts, judge
from mailauth.hashes.argon2 import footprint
from mailauth.hashes.csv_rows import UNSEEN_NAME, CsvRow
from mailauth.hashes.hash import Flaw, Judgement, MiB, Password, Verdict
from mailauth.hashes.schemes import lookup, named
from mailauth.hashes.strength import OWASP_ARGON2, PROFILES
from mailauth.records import dataclass
from mailauth.visible import is_visible

IDLE = 24 * MiB
"""What an idle auth process takes, assumed: 6 to 26 MiB were measured, by version and drivers."""
LARGEST_IDLE = 26 * MiB
"""The largest of those: taken where no process can be seen."""
DEFAULT_LIMIT = 256 * MiB
"""default_vsz_limit, unless someone changed it."""
SPARE = 16 * MiB
"""Left free by ``fit``: heap growth, an update, another driver."""
_WELL_SPARED = 24 * MiB
MOST = 256 * 1024
"""KiB that ``fit`` will take at most (libsodium's MODERATE): a login should stay below a second."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to make, and for whom."""

    scheme: str
    options: tuple[tuple[str, int | str], ...] = ()
    dovecot: tuple[int, ...] | None = None
    allow_weak: bool = False
    limit: int | None = DEFAULT_LIMIT  # bytes; None is no limit
    idle: int = IDLE


def has_profile(scheme: str) -> bool:
    """Whether the profiles belong to this scheme: they say how much memory and how many passes."""
    known = named(scheme)
    return known is not None and "memory" in known.options


def profile(name: str) -> dict[str, int]:
    """Argon2's parameters of that name. Raises UsageError."""
    if name not in PROFILES:
        raise UsageError(f"There is no profile {name!r}; there are {', '.join(PROFILES)}.")
    return dict(PROFILES[name][1])


def options_of(scheme: str, profile_name: str, cost: int | None, rounds: int | None) -> dict[str, int | str]:
    """The parameters of new hashes: of the named profile, or those that are given.  Raises UsageError."""
    if has_profile(scheme):
        return dict(profile(profile_name))
    given = {"cost": cost, "rounds": rounds}
    return {name: value for name, value in given.items() if value is not None}


def fit(limit: int | None, idle: int = IDLE) -> dict[str, int]:
    """The strongest Argon2id that a process of ``idle`` bytes can verify under ``limit``.

    Raises UsageError where not even OWASP's smallest row fits.
    """
    room = MOST * 1024 if limit is None else limit - idle - SPARE
    if room >= 64 * MiB:
        m = min(MOST, room // MiB * 1024)
        while footprint(m, 1).total > room and limit is not None:
            m -= 1024
        return {"memory": m, "time": 3, "lanes": 1}
    for m, t in OWASP_ARGON2:
        if footprint(m, 1).total <= room:
            return {"memory": m, "time": t, "lanes": 1}
    raise UsageError(
        f"No Argon2 that OWASP recommends fits into {max(room, 0) // MiB} MiB;"
        " raise vsz_limit or take BLF-CRYPT."
    )


def moderate(limit: int | None, idle: int = IDLE) -> dict[str, int]:
    """The first of OWASP's rows that fits, with more room left than ``mailauth check`` warns of.

    They are equally strong, and take a tenth of a second: one auth process verifies for all with some
    drivers.  Raises UsageError where none fits.
    """
    for m, t in OWASP_ARGON2:
        if limit is None or footprint(m, 1).total <= limit - idle - _WELL_SPARED:
            return {"memory": m, "time": t, "lanes": 1}
    return fit(limit, idle)


def make(order: Order, password: Password, user: str = "") -> str | Judgement:
    """The new string, or why the target Dovecot could not verify it."""
    stored = judge.generate(order.scheme, password, user=user, **dict(order.options))
    parsed = judge.parse(stored, default_scheme=None, dovecot=order.dovecot, allow_weak=order.allow_weak)
    if isinstance(parsed, Flaw):
        return Judgement(parsed.verdict, parsed.reason)
    need = parsed.scheme.memory(parsed.payload).total
    if need and order.limit is not None and need + order.idle > order.limit:
        return Judgement(
            Verdict.OUT_OF_MEMORY,
            f"verifying takes {need / MiB:.0f} MiB on top of an auth process of about"
            f" {order.idle / MiB:.0f} MiB, and vsz_limit is {order.limit / MiB:.0f} MiB; Dovecot would log a"
            " password mismatch",
        )
    return stored


def length_of(order: Order | None) -> int:
    """Characters of each hash that is made so; 0 where none is."""
    made = make(order, Password(b"any"), "u") if order else None
    return len(made) if isinstance(made, str) else 0


def refused_before(order: Order) -> Judgement | None:
    """The same refusal before anyone has to type a password twice."""
    scheme = lookup(order.scheme.encode("utf-8", "surrogateescape"))
    if scheme is None:
        flaw = accepts.unknown(order.scheme)
        return Judgement(flaw.verdict, flaw.reason)
    if order.dovecot is None:
        return None
    missing = accepts.missing(scheme[0], order.dovecot)
    if missing is None and scheme[0].weak and order.dovecot >= (2, 4) and not order.allow_weak:
        missing = accepts.refused_as_weak(scheme[0], b"")
    return Judgement(missing.verdict, missing.reason) if missing else None


def must_fit(order: Order) -> None:
    """Before the first write: make such a hash, and have it judged.  Raises Refused, with the reason."""
    refused = refused_before(order)
    if refused is None:
        made = make(order, Password.of(secrets.token_hex(8)), "mailauth-nobody")
        refused = None if isinstance(made, str) else made
    if refused is not None:
        raise Refused(
            f"{order.scheme}: Dovecot could not verify such a hash: {refused.reason}; nothing was changed."
        )


COLUMNS = ("user", "stored", "error")


@dataclass(frozen=True, slots=True)
class Maker:
    """``make`` for rows, to be sent to other processes."""

    order: Order

    def __call__(self, rows: list[CsvRow]) -> list[tuple[str, str, str]]:
        return [self.one(row) for row in rows]

    def one(self, row: CsvRow) -> tuple[str, str, str]:
        """User, stored string and error, of which one is empty."""
        if row.password is None:
            return row.user, "", row.error
        if not is_visible(row.user):
            return row.user, "", f"line {row.line}: {UNSEEN_NAME}"
        try:
            made = make(self.order, row.password, row.user)
        except MailauthError as why:
            return row.user, "", str(why)
        except MemoryError:
            return row.user, "", "out of memory"
        return (row.user, made, "") if isinstance(made, str) else (row.user, "", made.reason)

    @staticmethod
    def lost(rows: list[CsvRow]) -> list[tuple[str, str, str]]:
        """For rows whose process was ended."""
        return [(row.user, "", "the process that worked on this row was ended") for row in rows]
