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
    first, *others = mask.split(b"*")
    if not others:
        return len(text) == len(first) and _found(text, first, 0, 0) == 0
    *others, last = others
    if _found(text, first, 0, 0) != 0 or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in others:
        at = _found(text, part, at, end - len(part))
        if at < 0:
            return False
        at += len(part)
    return at <= end and _found(text, last, end, end) == end


def _found(text: bytes, part: bytes, first: int, last: int) -> int:
    """Where a part without "*" is, from one place to another; -1 for nowhere."""
    for at in range(first, min(last, len(text) - len(part)) + 1):
        if all(want in (b"?"[0], has) for want, has in zip(part, text[at : at + len(part)], strict=True)):
            return at
    return -1


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
    if _has_many_ways(pattern):
        raise CannotObserve("a regular expression in a variable could take hours, and was not tried.")
    try:
        return re.compile(pattern)
    except re.error:
        raise CannotObserve("a regular expression in a variable cannot be read.") from None


_SIGN = re.compile(rb"\[\^?[\w@./%+-]+\]|\\.|[()|*+?]")
_MOST_REPEATS, _MOST_WAYS = 4, 1024


def _has_many_ways(pattern: bytes) -> bool:
    """Whether a text that does not match may be tried in too many ways; ``pattern`` is one of ``_PLAIN``."""
    repeats, ways, closed_at, closed = 0, 1, -1, (1, 0)
    inside = [[1, 0]]  # of each group that is open: its alternatives, and what in it may take several forms
    for found in _SIGN.finditer(pattern):
        match found[0]:
            case b"(":
                inside.append([1, 0])
            case b")" if len(inside) > 1:
                alternatives, forms = inside.pop()
                closed_at, closed = found.end(), (alternatives, forms)
                inside[-1][1] += forms + (alternatives > 1)
                ways *= alternatives
            case b"|":
                inside[-1][0] += 1
            case b"*" | b"+" | b"?" as sign:
                if sign != b"?" and found.start() == closed_at and closed != (1, 0):
                    return True
                inside[-1][1] += 1
                repeats, ways = (repeats, ways * 2) if sign == b"?" else (repeats + 1, ways)
    return repeats > _MOST_REPEATS or ways > _MOST_WAYS


_INTMAX = 2**63


def number(text: bytes) -> int | None:
    """str_to_intmax(): digits, perhaps after a minus, and no more than 64 bits; None for anything else."""
    found = int(text) if re.fullmatch(rb"-?0*[0-9]{1,19}", text) and len(text) < 64 else None
    return found if found is not None and -_INTMAX <= found < _INTMAX else None
