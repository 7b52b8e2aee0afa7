"""The joins of a password query, and the query that keeps the user's row without them.  Pure."""

import re

from mailauth.records import dataclass
from mailauth.stores import conditions, query
from mailauth.stores.conditions import Part


@dataclass(frozen=True, slots=True)
class Join:
    """One inner join: as it is written, and where its keyword stands."""

    text: str
    start: int
    end: int


def inner(text: str) -> tuple[Join, ...]:
    """The joins that leave out a row to which none of the other table comes; outside parentheses."""
    clean = query.blanked(text)
    depth, told = 0, []
    for at, word in conditions.words(clean):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if not depth:
            told.append((at, word))
    found = []
    for number, (at, word) in enumerate(told):
        before = told[number - 1][1] if number else ""
        if word != "JOIN" or before in conditions.JOINS - {"INNER", "JOIN"} or before == "OUTER":
            continue
        begins = told[number - 1][0] if before == "INNER" else at
        end = next((place for place, one in told[number + 1 :] if one in conditions.ENDS_ON), len(clean))
        join = " ".join(clean[begins:end].split())
        if re.search(r"\b(?:ON|USING)\b", join, re.IGNORECASE):
            found.append(Join(join, begins, at + len("JOIN")))
    return tuple(found)


def outer(text: str, joins: tuple[Join, ...]) -> str:
    """The query that keeps the row where these joins find none."""
    for join in reversed(joins):
        text = f"{text[: join.start]}LEFT JOIN{text[join.end :]}"
    return text


_NAME = r"(?:[A-Za-z_][\w$]*|\"[^\"]+\"|`[^`]+`)"
_ITEM = re.compile(rf"((?:{_NAME}\.)*({_NAME}))(?:\s+(?:AS\s+)?({_NAME}))?", re.IGNORECASE)


def of_one_table(text: str, parts: tuple[Part, ...]) -> tuple[str, tuple[str, ...]]:
    """Of tables between commas: the query of the user's table alone, and the conditions that join others.

    ("", ()) where it is not plain which table has the user.
    """
    plain = query.read(text)
    items = [_ITEM.fullmatch(one.strip()) for one in plain.tables.split(",")] if plain else []
    of_user = [part.text for part in parts if part.of_user]
    joins = tuple(part.text for part in parts if part.joins)
    if len(items) > 1 and of_user and joins:
        for item in filter(None, items):
            own = re.compile(rf"(?<![\w.]){re.escape(item[3] or item[2])}\.")
            if all(own.search(one) for one in of_user):
                where = " AND ".join(of_user)
                return f"SELECT NULL AS password FROM {item[0]} WHERE {where}", joins  # noqa: S608 - as it was written
    return "", ()
