"""What a look at another software's hash finds."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Found:
    """Whose hash it is, and Dovecot's form of it or why there is none."""

    source: str
    dovecot: bytes | None = field(repr=False)
    reason: str = ""


def yes(source: str, dovecot: bytes, reason: str = "") -> Found:
    return Found(source, dovecot, reason)


def no(source: str, reason: str) -> Found:
    return Found(source, None, reason)
