"""The comparisons of ``if`` in variables: numbers, strings, wildcards and regular expressions.  Pure.

Source: Dovecot 2.3.19.1 src/lib/var-expand-if.c, 2.4.1 src/lib-var-expand/expansion-filter-if.c (2.4.2 has
PCRE2 there, the others POSIX).  An expression that these and Python's could take otherwise is not tried.
"""

import operator
import re
from collections.abc import Callable

from mailauth.errors import CannotObserve

NUMBERS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "!=": operator.ne,
}


def wild(text: bytes, mask: bytes) -> bool:
    """wildcard_match() of src/lib/wildcard-match.c: "*" and "?"."""
    parts = {b"*": b".*", b"?": b"."}
    letters = (mask[at : at + 1] for at in range(len(mask)))
    pattern = b"".join(parts.get(letter, re.escape(letter)) for letter in letters)
    return re.fullmatch(pattern, text, re.DOTALL) is not None


_TEXTS: dict[str, Callable[[bytes, bytes], bool]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "ne": operator.ne,
    "*": wild,
    "!*": lambda text, mask: not wild(text, mask),
    "~": lambda text, pattern: expression(pattern).search(text) is not None,
    "!~": lambda text, pattern: expression(pattern).search(text) is None,
}
OPERATORS = frozenset({*NUMBERS, *_TEXTS})
_PLAIN = re.compile(rb"(?:[\w@%/,:;~ !#&=<>'\"-]|\[\^?[\w@./%+-]+\]|\\[.\\/@+*?$^|()-]|[.^$|()*+?])*")


def texts(name: str, left: bytes, right: bytes) -> bool:
    """What the operator says of two strings."""
    return _TEXTS[name](left, right)


def expression(pattern: bytes) -> re.Pattern[bytes]:
    """Raises CannotObserve for one whose meaning is not the same in every language."""
    if _PLAIN.fullmatch(pattern) is None:
        raise CannotObserve("mailauth does not read this regular expression as Dovecot does.")
    try:
        return re.compile(pattern)
    except re.error:
        raise CannotObserve("a regular expression in a variable cannot be read.") from None


def number(text: bytes) -> int | None:
    """str_to_intmax(): digits, perhaps after a minus; None for anything else."""
    return int(text) if re.fullmatch(rb"-?[0-9]+", text) else None
