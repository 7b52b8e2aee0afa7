"""How a hash stands against today's recommendations, and the profiles to make new ones by.

Numbers: OWASP Password Storage Cheat Sheet (of August 2026), RFC 9106 section 4, libsodium's
crypto_pwhash_argon2id.h, Dovecot's password-scheme-sodium.c.
"""

from collections.abc import Callable
from enum import Enum

from mailauth.records import dataclass

OWASP_ARGON2 = ((47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5))
"""(m in KiB, t), all with p=1 and all equally strong; the first two not for Argon2i."""
OWASP_SCRYPT = ((2**17, 8, 1), (2**16, 8, 2), (2**15, 8, 3), (2**14, 8, 5), (2**13, 8, 10))
OWASP_BCRYPT_COST = 10
OWASP_PBKDF2_SHA1, OWASP_PBKDF2_SHA256 = 1_300_000, 600_000

Argon2 = dict[str, int]

PROFILES: dict[str, tuple[str, Argon2]] = {
    "owasp": ("OWASP's first row for 19 MiB: the default", {"memory": 19456, "time": 2, "lanes": 1}),
    "owasp-46": ("OWASP's row for 46 MiB", {"memory": 47104, "time": 1, "lanes": 1}),
    "owasp-12": ("OWASP's row for 12 MiB", {"memory": 12288, "time": 3, "lanes": 1}),
    "owasp-9": ("OWASP's row for 9 MiB", {"memory": 9216, "time": 4, "lanes": 1}),
    "owasp-7": ("OWASP's row for 7 MiB", {"memory": 7168, "time": 5, "lanes": 1}),
    "rfc9106-first": ("RFC 9106, first choice: 2 GiB", {"memory": 2**21, "time": 1, "lanes": 4}),
    "rfc9106-second": ("RFC 9106, second choice: 64 MiB", {"memory": 2**16, "time": 3, "lanes": 4}),
    "interactive": ("libsodium's INTERACTIVE: 64 MiB", {"memory": 2**16, "time": 2, "lanes": 1}),
    "moderate": ("libsodium's MODERATE: 256 MiB", {"memory": 2**18, "time": 3, "lanes": 1}),
    "sensitive": ("libsodium's SENSITIVE: 1 GiB", {"memory": 2**20, "time": 4, "lanes": 1}),
    "dovecot": ("what doveadm pw -s ARGON2ID makes: 64 MiB", {"memory": 2**16, "time": 3, "lanes": 1}),
}


class Level(Enum):
    """Where a hash stands; ordered by what to do about it."""

    GOOD = "good"  # at or above OWASP's minimum
    BELOW = "below"  # the right algorithm, parameters below the minimum
    POOR = "poor"  # an algorithm that resists guessing little
    NONE = "none"  # the password itself, or as good as that


@dataclass(frozen=True, slots=True)
class Strength:
    """A level and one sentence of why."""

    level: Level
    says: str


Parameters = tuple[tuple[str, int | str], ...]


def password(_params: Parameters) -> Strength:
    return Strength(Level.NONE, "the password itself is stored")


def bcrypt(params: Parameters) -> Strength:
    cost = int(dict(params)["cost"])
    enough = Level.GOOD if cost >= OWASP_BCRYPT_COST else Level.BELOW
    return Strength(enough, f"bcrypt of cost {cost}; OWASP wants {OWASP_BCRYPT_COST} or more")


def pbkdf2(want: int) -> Callable[[Parameters], Strength]:
    """Of a scheme of which OWASP wants so many rounds."""

    def strength(params: Parameters) -> Strength:
        values = dict(params)
        rounds = int(values.get("rounds", values.get("iterations", 0)))
        enough = Level.GOOD if rounds >= want else Level.BELOW
        return Strength(enough, f"{rounds:,} rounds; OWASP wants {want:,} or more")

    return strength


def argon2(params: Parameters) -> Strength:
    values = dict(params)
    return _argon2(str(values["type"]), int(values["m"]), int(values["t"]), int(values["p"]))


def crypt(params: Parameters) -> Strength:
    """What the system's library takes, bcrypt among it."""
    values = dict(params)
    return bcrypt(params) if "cost" in values else _crypt(str(values["kind"]), values)


def _argon2(kind: str, m: int, t: int, p: int) -> Strength:
    rows = OWASP_ARGON2[2:] if kind == "argon2i" else OWASP_ARGON2
    enough = any(m >= row_m and t >= row_t for row_m, row_t in rows)
    least = next((row_m for row_m, row_t in reversed(rows) if t >= row_t), None)
    want = f"m={least} with t={t}" if least else f"t={rows[0][1]} or more"
    says = f"{kind} with m={m} ({m / 1024:.0f} MiB), t={t}, p={p}; OWASP wants {want}"
    return Strength(Level.GOOD if enough else Level.BELOW, says)


def _crypt(kind: str, values: dict[str, int | str]) -> Strength:
    if "N" in values:
        n, r, p = (int(values[name]) for name in ("N", "r", "p"))
        says = f"{kind} with N={n}, r={r}, p={p} ({128 * n * r / 2**20:.0f} MiB)"
        if kind == "$7$":
            enough = any(n >= row[0] and r >= row[1] and p >= row[2] for row in OWASP_SCRYPT)
            return Strength(Level.GOOD if enough else Level.BELOW, f"{says}; OWASP wants N=131072, r=8, p=1")
        return Strength(
            Level.GOOD if 128 * n * r >= 2**23 else Level.BELOW, f"{says}; yescrypt is not in OWASP's list"
        )
    if kind in ("$5$", "$6$"):
        return Strength(
            Level.BELOW,  # it has a cost, which slows guessing; every Linux of its time made it
            f"SHA-crypt with {int(values['rounds']):,} rounds: no memory, and OWASP has no row for it",
        )
    return Strength(Level.POOR, f"{kind} of crypt(3): guessed quickly today")
