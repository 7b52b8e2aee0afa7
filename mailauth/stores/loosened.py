"""A password query loosened: what it asks less of, to see whom it leaves out.  Pure.

Conditions that join tables always stay: without them every row meets every other.
"""

import re

from mailauth.stores import conditions
from mailauth.stores.conditions import Part

_COLUMN = r"(?<!\w)((?:[A-Za-z_]\w*\.)?[\"`]?[A-Za-z_]\w*[\"`]?)"
_NAME = r"'(%(?:[LU]?u|\{user(?:\s*\|\s*(?:lower|upper))?\}))'"
_EQUALS = re.compile(rf"{_COLUMN}\s*=\s*{_NAME}", re.IGNORECASE)
_PART = r"'(%(?:[LU]?[und]|\{(?:user|username|domain)(?:\s*\|\s*(?:username|domain|lower|upper))*\s*\}))'"
_EQUALS_PART = re.compile(rf"{_COLUMN}\s*=\s*{_PART}", re.IGNORECASE)

UNSEEN = "\u00a0\u200b\ufeff"  # a database with a narrow character set refuses to compare with them


def any_case(query: str) -> str:
    """The query that finds the name in any case; "" where that is not plain."""
    changed, count = _EQUALS_PART.subn(r"LOWER(\1) = LOWER('\2')", query)
    return changed if count else ""


def any_blanks(query: str, others: str = "") -> str:
    """The query that finds the name with blanks or ends of lines around it, as imports leave them."""
    column = r"\1"
    for one in "\r\n\t" + others:
        column = f"REPLACE({column}, '{one}', ' ')"
    return _instead(query, rf"TRIM({column}) = '\2'")


def any_domain(query: str, percent: str) -> str:
    """The query that finds the name with a domain after it; ``percent``: how the dialect writes one "%"."""
    return _instead(query, rf"\1 LIKE '\2@{percent}'")


def names_in_domains(query: str, percent: str) -> tuple[str, bool]:
    """The query for the first and the last of a user's names in any domain, as ``password`` and ``last``.

    And whether these are domains alone, which the table keeps in a column of their own.  "" where that is
    not plain.
    """
    if len(re.findall(r"\bSELECT\b", query, re.IGNORECASE)) != 1:
        return "", False
    if changed := any_domain(query, percent):
        found = _EQUALS.search(query)
        return (_first_and_last(changed, found[1]), False) if found else ("", False)
    of_domain = [part.text for part in parts(query) if part.of_user and conditions.of_domain(part.text)]
    found = _EQUALS_PART.search(of_domain[0]) if len(of_domain) == 1 else None
    changed = without_domain(query)
    return (_first_and_last(changed, found[1]), True) if found and changed else ("", False)


def names_found(changed: str, query: str) -> str:
    """What the table calls those whom ``changed`` finds, the first and the last of them, as for the domains.

    ``changed``: ``query`` loosened by one of the above.  "" where the column of the name is not plain.
    """
    found = _EQUALS_PART.findall(query)
    if len(found) != 1 or len(re.findall(r"\bSELECT\b", query, re.IGNORECASE)) != 1:
        return ""
    return _first_and_last(changed, found[0][0])


def _first_and_last(query: str, column: str) -> str:
    """NULL where there is none: no row is no name."""
    selected = re.compile(r"\A\s*SELECT\s.*?\sFROM\s", re.IGNORECASE | re.DOTALL)
    asking = f"SELECT MIN({column}) AS password, MAX({column}) AS last FROM "  # noqa: S608 - a name
    changed, count = selected.subn(lambda _: asking, query)
    return changed if count else ""


def without_domain(query: str) -> str:
    """The query without its conditions on the domain alone; "" where it has none beside one on the name."""
    of_user = [part for part in parts(query) if part.of_user]
    dropped = tuple(part for part in of_user if conditions.of_domain(part.text))
    return without(query, dropped) if dropped and len(dropped) < len(of_user) else ""


def _instead(query: str, condition: str) -> str:
    changed, count = _EQUALS.subn(condition, query)
    return changed if count == 1 else ""


def parts(query: str) -> tuple[Part, ...]:
    """All conditions of the query."""
    return tuple(part for segment in conditions.read(query) for part in segment.parts)


def beside_the_name(query: str) -> tuple[Part, ...]:
    """The conditions that neither pick the row by the user's name nor join tables: ``active = '1'``.

    One that compares the password stays as well.  None where no condition is about the name: then the query
    is not one of a user.
    """
    found = parts(query)
    if not any(part.of_user for part in found):
        return ()
    return tuple(part for part in found if not (part.of_user or part.joins or part.of_password))


def without(query: str, dropped: tuple[Part, ...]) -> str:
    """The query without some of its conditions."""
    return conditions.without(query, dropped)
