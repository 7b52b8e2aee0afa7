"""A password query loosened: what it asks less of, to see whom it leaves out.  Pure.

Only plain queries are; of any other there is nothing to ask.
"""

import re

from mailauth.stores.query import VARIABLE, read

_COLUMN = r"((?:[A-Za-z_]\w*\.)?[\"`]?[A-Za-z_]\w*[\"`]?)"
_NAME = r"'(%(?:[LU]?u|\{user(?:\s*\|\s*(?:lower|upper))?\}))'"
_EQUALS = re.compile(rf"{_COLUMN}\s*=\s*{_NAME}", re.IGNORECASE)
_AND = re.compile(r"\bAND\b", re.IGNORECASE)
_ODD = re.compile(r"\b(?:BETWEEN|OR)\b", re.IGNORECASE)


def any_case(query: str) -> str:
    """The query that finds the name in any case; "" where that is not plain."""
    return _instead(query, r"LOWER(\1) = LOWER('\2')")


def any_domain(query: str, percent: str) -> str:
    """The query that finds the name with a domain after it; ``percent``: how the dialect writes one "%"."""
    return _instead(query, rf"\1 LIKE '\2@{percent}'")


def _instead(query: str, condition: str) -> str:
    changed, count = _EQUALS.subn(condition, query)
    return changed if count == 1 else ""


def conditions(query: str) -> tuple[str, ...]:
    """The conditions of the query that have nothing to do with the name: ``active = '1'``."""
    return tuple(part for part in parts(query) if not VARIABLE.search(part))


def without(query: str, dropped: tuple[str, ...]) -> str:
    """The query without some of its conditions; those of the name stay, or it is no query of one user."""
    plain = read(query)
    kept = [part for part in parts(query) if part not in dropped]
    if plain is None or not kept or not any(VARIABLE.search(part) for part in kept):
        return ""
    return query.replace(plain.where, " AND ".join(kept), 1)


def parts(query: str) -> tuple[str, ...]:
    """The conditions: what stands between the ANDs outside quotes and parentheses."""
    plain = read(query)
    if plain is None or query.count(plain.where) != 1 or not plain.where:
        return ()
    text, depth, quote, start, parts = plain.where, 0, "", 0, []
    hidden = ""  # the condition with all that is quoted or in parentheses blanked
    for char in text:
        inside = bool(quote or depth)
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"`":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
        hidden += " " if inside or quote or depth else char
    if _ODD.search(hidden):
        return ()
    for found in _AND.finditer(hidden):
        parts.append(text[start : found.start()].strip())
        start = found.end()
    return (*parts, text[start:].strip())
