"""Dovecot's versions, ordered, and the two dialects of its configuration."""

import re
from dataclasses import dataclass
from typing import Literal

from mailauth.errors import UsageError

Dialect = Literal["2.3", "2.4"]
DIALECTS: tuple[Dialect, ...] = ("2.3", "2.4")
_FIRST, _LAST = (2, 3), (2, 4)

_NUMBERS = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})(?:\.([0-9]{1,9}))?(?:\.([0-9]{1,9}))?")
_MOST = 200  # characters: a container's doveconf can say 8 MiB of digits


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A Dovecot version such as 2.3.19.1; a missing number counts as 0."""

    major: int
    minor: int
    patch: int = 0
    build: int = 0

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read the first version number in ``text`` ("2.4.1-4 (7d8c0e5759)", "2.3").

        Raises UsageError when there is none.
        """
        text = text[:_MOST]
        found = _NUMBERS.search(text)
        if not found:
            raise UsageError(f"{text!r} is not a Dovecot version; write it as in 2.3.19.1 or 2.4.")
        return cls(*(int(part) if part else 0 for part in found.groups()))

    @classmethod
    def known(cls, text: str) -> "Version":
        """The same, of a version whose dialect mailauth knows.  Raises UsageError."""
        version = cls.parse(text)
        if not _FIRST <= (version.major, version.minor) <= _LAST:
            raise UsageError(f"Dovecot {version}: mailauth knows the versions 2.3 and 2.4.")
        return version

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        """As the hashes, which know nothing of Dovecot's releases, compare them."""
        return (self.major, self.minor, self.patch, self.build)

    @property
    def dialect(self) -> Dialect:
        """The configuration language: 2.4 changed it."""
        return "2.4" if (self.major, self.minor) >= (2, 4) else "2.3"

    def __str__(self) -> str:
        shown = f"{self.major}.{self.minor}.{self.patch}"
        return f"{shown}.{self.build}" if self.build else shown
