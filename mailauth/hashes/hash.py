"""The words of this package: Password, Verdict, Judgement, Flaw, Memory, Limits, Hash, Scheme."""

from collections.abc import Callable
from dataclasses import field
from enum import Enum
from typing import Literal

import msgspec

from mailauth.hashes.strength import Level, Strength
from mailauth.records import dataclass

Params = tuple[tuple[str, int | str], ...]
"""What a stored string says of itself, in its own order: (("m", 65536), ("t", 3), ("p", 1))."""

Library = Literal["", "libsodium", "libcrypt"]
"""Which library Dovecot has a scheme computed by; "": it does so itself."""

MiB = 1024 * 1024


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

    @property
    def text(self) -> bytes:
        """As a C program sees it: up to the first NUL."""
        return self.raw.partition(b"\0")[0]

    def __repr__(self) -> str:
        return "Password(...)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and, where it is not MATCH, one sentence of why."""

    verdict: Verdict
    reason: str = ""


MATCH = Judgement(Verdict.MATCH)
MISMATCH = Judgement(Verdict.MISMATCH, "the password is not the one that was hashed")


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a stored string can never match, or is refused: one sentence, and where.

    ``verdict`` is the answer that Dovecot gives for it, which is often MISMATCH: libsodium and
    crypt(3) say no more than that. ``position`` is a 0-based offset: in the payload as a scheme's
    ``parse`` returns it, in the whole stored string as ``parse()`` does.  ``cut``: it ends too soon, or may.
    ``surplus``: what follows a hash that is whole up to there ("one character too many").
    """

    verdict: Verdict
    reason: str
    position: int | None = None
    cut: bool = False
    surplus: str = ""


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


NO_MEMORY = Memory()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a verification may take before it is refused uncomputed: a stored string is input.

    Dovecot itself has no such bound but its vsz_limit, and gives a login up after 60 seconds.
    """

    memory: int = 1280 * MiB  # libsodium's MEMLIMIT_SENSITIVE is 1 GiB
    seconds: float = 20.0


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Scheme:
    """One password scheme: a record of plain functions, as Dovecot's struct password_scheme is.

    A *payload* is what follows ``{SCHEME}``, decoded from hex or base64 where the scheme asks.
    """

    name: str
    parse: Callable[[bytes], Params | Flaw]
    verify: Callable[[bytes, Password, str], Judgement]  # payload that parses, password, user
    generate: Callable[[Password, str, dict[str, int | str]], bytes]  # -> payload
    seconds: Callable[[Params], float]  # about what one verification takes, on one core
    shape: Callable[[Params], str]  # the payload as a report may show it
    aliases: tuple[str, ...] = ()  # other names of it; one that differs in more is a Scheme beside it
    weak: bool = False  # refused by 2.4 unless auth_allow_weak_schemes=yes
    memory: Callable[[bytes], Memory] = lambda _payload: NO_MEMORY
    default_encoding: str = ""  # "", "HEX" or "BASE64": how the payload is written without a suffix
    raw_length: int = 0  # of the payload, where it is fixed: then hex and base64 are told apart
    digest_length: int = 0  # bytes of the digest, of which a salt may follow in the payload
    kind: str = ""  # what other software calls the payload (passport_parts.KINDS), where that is always one
    since: tuple[int, ...] = ()  # first Dovecot that has it, where that matters
    gone: tuple[int, ...] = ()  # first Dovecot without it
    options: tuple[str, ...] = ()  # what generate understands
    about: str = ""  # one line for people
    called: Callable[[Params], str] | None = None  # its hashes ("a bcrypt hash"); None: "a NAME hash"
    library: Library = ""
    stores_password: bool = False  # the payload is the password
    partly: bool = False  # or its beginning only
    of_user: bool = False  # the user's name is hashed, too, so that another name matches no password
    reads: Callable[[Params], int | None] = lambda _params: None  # bytes of a password that count; None: all
    strength: Callable[[Params], Strength] | None = None  # None: no current recommendation has it
    mechanisms: tuple[str, ...] = ()  # that it serves besides those that send the password
    families: tuple[str, ...] = ()  # with another one of a family, the same payload takes the same passwords

    @property
    def itself(self) -> bool:
        """The payload is compared with the password, letter by letter."""
        return self.stores_password and not self.partly


class Hash(msgspec.Struct, frozen=True, gc=False):
    """A stored password, understood. The repr shows no salt and no digest.

    A Struct, as a frozen dataclass takes ten times as long to make, and longer than all the rest
    of parsing (docs/decisions/101).
    """

    scheme: Scheme
    encoding: str  # "", "HEX", "B64", "BASE64": as written after the dot, in capitals
    params: Params
    payload: bytes  # decoded: what the scheme's verify takes
    prefixed: bool = True  # False: the scheme was the default one, or guessed from "$1$"

    @property
    def shown(self) -> str:
        """Fit for a report: "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$..."."""
        dot = f".{self.encoding}" if self.encoding else ""
        prefix = f"{{{self.scheme.name}{dot}}}" if self.prefixed else ""
        return prefix + self.scheme.shape(self.params)

    @property
    def strength(self) -> Strength:
        """How it stands against today's recommendations."""
        if self.scheme.strength:
            return self.scheme.strength(self.params)
        return Strength(Level.POOR, f"{self.scheme.about}; no current recommendation has it")

    @property
    def reads(self) -> int | None:
        """How many bytes of a password count; None: all of them."""
        return self.scheme.reads(self.params)

    def __repr__(self) -> str:
        return f"Hash({self.shown})"

    def __str__(self) -> str:
        return self.shown
