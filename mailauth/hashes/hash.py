"""The words of this package: Password, Verdict, Judgement, Params, Hash, Scheme."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum


class Verdict(Enum):
    """What a verification said. Never a bool: Dovecot's own two values hide the cause."""

    MATCH = "match"
    MISMATCH = "mismatch"
    MALFORMED = "malformed"  # Dovecot reports an error: the stored string is not of its scheme
    UNSUPPORTED = "unsupported"  # no such scheme or algorithm here
    WEAK = "weak"  # Dovecot 2.4 refuses the scheme
    OUT_OF_MEMORY = "out_of_memory"


@dataclass(frozen=True, slots=True)
class Password:
    """A plaintext password, kept out of every repr, log and traceback."""

    raw: bytes = field(repr=False)

    @classmethod
    def of(cls, text: str) -> "Password":
        return cls(text.encode())

    def __repr__(self) -> str:
        return "Password(...)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and, where it is not MATCH, one sentence of why."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a stored string can never match, or is refused: one sentence, and where (0-based offset)."""

    verdict: Verdict
    reason: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What a verification takes on top of the idle process, in bytes (predicted, closed form).

    ``blocks`` is one mapping; ``index`` is the array of pseudo-random numbers, a mapping of its
    own when glibc maps it (>= 128 KiB), else taken from the heap.
    Source: libsodium 1.0.18 crypto_pwhash/argon2/argon2-core.c; measured.
    """

    blocks: int = 0
    index: int = 0

    @property
    def total(self) -> int:
        return self.blocks + self.index


@dataclass(frozen=True, slots=True)
class Hash:
    """A stored password, understood. The repr shows no salt and no digest."""

    scheme: "Scheme"
    encoding: str  # "", "HEX", "B64", "BASE64": as written after the dot
    params: tuple[tuple[str, int | str], ...]  # e.g. (("m", 65536), ("t", 3), ("p", 1))
    payload: bytes = field(repr=False)  # decoded: what the scheme's verify takes
    shown: str  # fit for a report: "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$..."

    def __str__(self) -> str:
        return self.shown


@dataclass(frozen=True, slots=True)
class Scheme:
    """One password scheme: a record of plain functions, as Dovecot's struct password_scheme is."""

    name: str
    aliases: tuple[str, ...]
    weak: bool  # refused by 2.4 unless auth_allow_weak_schemes=yes
    parse: Callable[[bytes], tuple[tuple[tuple[str, int | str], ...], Flaw | None]]
    verify: Callable[[bytes, Password, str], Judgement]  # payload, password, user
    memory: Callable[[bytes], Memory]
