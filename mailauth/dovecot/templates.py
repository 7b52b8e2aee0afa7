"""Variables of one dialect put into the words of the other, and where a text uses the wrong ones.

2.4 takes ``%u`` for two ordinary characters.  2.3 takes ``%{user | lower}`` for one long name, which it
does not know.  Measured on 2.3.19.1 and 2.4.1.
"""

import re

from mailauth.dovecot.version import Dialect

_NAMES = {
    "u": "user",
    "n": "user | username",
    "d": "user | domain",
    "s": "protocol",
    "h": "home",
    "l": "local_ip",
    "r": "remote_ip",
    "c": "secured",
    "a": "local_port",
    "b": "remote_port",
    "k": "cert",
    "m": "mechanism",
    "w": "password",
}
_FILTERS = {"L": "lower", "U": "upper", "R": "reverse"}
# A letter that no word goes on from: LIKE '%user%' has no variable.  Those of the client are rare, and taken
# for variables where they have a modifier, or are all that is quoted.
_OF_23 = re.compile(
    r"(?<!%)%(?:([LUR]*)([undsh])(?![A-Za-z0-9_{])|([LUR]+)([lrcabkmw])(?![A-Za-z0-9_{])|(?<='%)([lrcabkmw])(?='))"
)
_LIKE = re.compile(r"\bI?LIKE\s*['\"]$", re.IGNORECASE)
_MOST_BEFORE = 100  # characters
_OF_24 = re.compile(r"%\{\s*([a-z_]+)\s*((?:\|[^{}|]*)+)\}")


def _after_like(text: str, at: int) -> bool:
    return _LIKE.search(text[max(0, at - _MOST_BEFORE) : at]) is not None


def misread(text: str, dialect: Dialect) -> tuple[str, ...]:
    """The variables in ``text`` that a Dovecot of ``dialect`` does not take for what they are meant."""
    pattern = _OF_23 if dialect == "2.4" else _OF_24
    meant = (found for found in pattern.finditer(text) if not _after_like(text, found.start()))
    return tuple(dict.fromkeys(found[0] for found in meant))


def to_24(text: str) -> str:
    """2.3's variables in 2.4's words."""

    def put(found: re.Match[str]) -> str:
        if _after_like(text, found.start()):
            return found[0]
        filters = "".join(f" | {_FILTERS[letter]}" for letter in found[1] or found[3] or "")
        return f"%{{{_NAMES[found[2] or found[4] or found[5]]}{filters}}}"

    return _OF_23.sub(put, text)


def to_23(text: str) -> str:
    """2.4's filters in 2.3's words, as far as 2.3 has any; others stay as they are."""

    def put(found: re.Match[str]) -> str:
        name, modifiers = found[1], ""
        for step in (part.strip() for part in found[2].split("|")[1:]):
            letter = next((key for key, word in _FILTERS.items() if word == step), None)
            if letter:
                modifiers += letter
            elif step in ("username", "domain") and name == "user":
                name = step
            else:
                return found[0]
        return f"%{modifiers}{{{name}}}"

    return _OF_24.sub(put, text)


def rewritten(text: str, dialect: Dialect) -> str:
    """``text`` with its variables in the words of ``dialect``."""
    return to_24(text) if dialect == "2.4" else to_23(text)
