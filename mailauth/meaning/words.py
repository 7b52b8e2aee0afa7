"""A row of what clients, Postfix and login processes say, and what it comes to.  Pure."""

from typing import NamedTuple

from mailauth.dovecot.messages import LogKind


class SaidWords(NamedTuple):
    """Any of ``words``, "=" before those that are the whole; what it comes to; the findings it can stand for.

    ``kind``: what the next command depends on.
    """

    words: tuple[str, ...]
    says: str
    codes: tuple[str, ...]
    source: str
    kind: LogKind = LogKind.FAILED

    def found_in(self, folded: str) -> str:
        """Which of its words a text in small letters has, or ""."""
        return next((one.lstrip("=") for one in self.words if _has(folded, one.casefold())), "")


def _has(folded: str, words: str) -> bool:
    return folded.strip(" .*") == words[1:].strip(" .*") if words.startswith("=") else words in folded
