"""What a look at another software's hash finds."""

from dataclasses import field

from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Derived:
    """A key of PBKDF2 or scrypt as its software wrote it, for which Dovecot may have no form.

    ``digest``: PBKDF2's, "" for scrypt.  ``numbers``: its rounds; scrypt's N, r and p.
    """

    digest: str
    numbers: tuple[int, ...]
    salt: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """Whose hash it is, and Dovecot's form of it or why there is none."""

    source: str
    dovecot: bytes | None = field(repr=False)
    reason: str = ""
    derived: Derived | None = None
    ours: bool = False  # Dovecot's own form, as it stands
    is_hash: bool = True  # False: it only begins as one does, or locks an account


def yes(source: str, dovecot: bytes, reason: str = "") -> Found:
    return Found(source, dovecot, reason)


def no(source: str, reason: str, derived: Derived | None = None) -> Found:
    return Found(source, None, reason, derived)


def none(source: str, reason: str) -> Found:
    """What is no software's hash."""
    return Found(source, None, reason, is_hash=False)
