"""A password that the query makes of columns: ``COALESCE(new, old)``, ``LEFT(password, 100)``.

What is wrong with the string can be the query's doing, so each of its columns is asked for by itself.  A few
more questions, read-only and bounded; asked where the string that comes is damaged, or NULL.
"""

import re
from collections.abc import Callable
from contextlib import suppress

from mailauth import digits
from mailauth.dovecot.authconfig import Passdb, SqlSource
from mailauth.errors import CannotObserve
from mailauth.evidence import Made
from mailauth.stores import conditions, query, schema
from mailauth.stores.store import Outcome, Record

_COLUMNS = 6  # of an expression
Sound = Callable[[Record], bool]


def of(passdb: Passdb, ask: Callable[[str], Record], sound: Sound) -> Made | None:
    """What the password is made of; None where it is a column as it is, or not plain."""
    source = passdb.source
    select = query.read(source.query) if isinstance(source, SqlSource) else None
    if not isinstance(source, SqlSource) or select is None or not select.column:
        return None
    expression = select.column
    if query.is_name(expression) or re.search(r"\bSELECT\b", expression, re.IGNORECASE):
        return None
    selected = re.compile(rf"{re.escape(expression)}(?=\s+(?:AS\s+)?[\"`]?password)", re.IGNORECASE)
    empty, whole = [], []
    for column in dict.fromkeys(conditions.columns(expression)[:_COLUMNS]):
        found = selected.search(source.query)
        if not found:
            return None
        changed = f"{source.query[: found.start()]}{column}{source.query[found.end() :]}"
        with suppress(CannotObserve):
            record = ask(changed)
            if record.outcome is Outcome.NO_PASSWORD:
                empty.append(column)
            elif record.outcome is Outcome.FOUND and sound(record):
                whole.append(column)
    return Made(_without_keys(expression), source.query_place or source.place, tuple(empty), tuple(whole))


_KEYED = re.compile(
    r"\b(?:(?:aes|des|pgp_\w+)_)?(?:en|de)(?:crypt|code)\w*\s*\(|\bpgp_\w+\s*\(|\bhmac\s*\(", re.IGNORECASE
)


def _without_keys(expression: str) -> str:
    """On one line; without the texts in it where a function takes one of them as the key."""
    text = " ".join(expression.split())
    return re.sub(r"'(?:[^'\\]|''|\\.)*'|\"[^\"]*\"", "'...'", text) if _KEYED.search(text) else text


_OF_PASSWORDS = re.compile(
    r"pass|pw|crypt|clear|plain|hash|digest|secret|cred|token|key|pin|code|sha|md5|nt|lm|auth|kenn|mdp|contra",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"[0-9]{4}-[0-9][0-9]-[0-9][0-9]([ T][0-9][0-9]:[0-9][0-9](:[0-9][0-9])?.*)?|[0-9]{10}(\.[0-9]+)?"
)


def column_of_something_else(source: SqlSource, stored: bytes, user: str) -> schema.Place | None:
    """The query's column, where its name is none of a password's, and it holds a number, a name or a date."""
    select = query.read(source.query)
    place = schema.column_of(select) if select else None
    if place is None or _OF_PASSWORDS.search(place.column) or not _is_something_else(stored, user):
        return None
    return place


def instead(source: SqlSource, listed: Record, ask: Callable[[str], Record], sound: Sound) -> Made | None:
    """Which column of passwords the table has beside it; ``listed``: the names of all, with commas."""
    select = query.read(source.query)
    if select is None:
        return None
    names = listed.stored.decode("utf-8", "replace").split(",")
    selected = re.compile(rf"{re.escape(select.column)}(?=\s+(?:AS\s+)?[\"`]?password)", re.IGNORECASE)
    whole = []
    for name in [one for one in names if one.isidentifier() and _OF_PASSWORDS.search(one)][:_COLUMNS]:
        text, changed = selected.subn(name, source.query, count=1)
        with suppress(CannotObserve):
            if changed and (record := ask(text)).outcome is Outcome.FOUND and sound(record):
                whole.append(name)
    where = source.query_place or source.place
    return Made(select.column, where, whole=tuple(whole), instead=True) if whole else None


def constant(source: SqlSource, stored: bytes, ask: Callable[[str], Record], sound: Sound) -> Made | None:
    """A text in quotes that the query returns as the password.

    Double quotes are around a text for MariaDB, and for SQLite where no column has that name; around a
    column's name else, which the same query with ` shows.
    """
    select = query.read(source.query)
    quoted = _TEXT.fullmatch(select.column) if select else None
    if select is None or quoted is None or quoted[2].encode() != stored:
        return None
    name = quoted[2]
    whole: tuple[str, ...] = ()
    if quoted[1] == '"' and source.driver == "pgsql":
        return None
    if name.isidentifier():
        alias = r"(?:\s+(?:AS\s+)?[\"`']?password(?:_noscheme)?\b[\"`']?)?"
        as_column = re.compile(rf"{re.escape(select.column)}{alias}", re.IGNORECASE)
        changed = as_column.sub(f"{name} AS password", source.query, count=1)
        with suppress(CannotObserve):
            record = ask(changed)
            if quoted[1] == '"' and record.outcome is Outcome.FOUND and record.stored == stored:
                return None
            whole = (name,) if record.outcome is Outcome.FOUND and sound(record) else ()
    return Made(select.column, source.query_place or source.place, whole=whole, constant=True)


_TEXT = re.compile(r"(['\"])([^'\"]*)\1")


def _is_something_else(stored: bytes, user: str) -> bool:
    """A number, a date, an address, or the user's own name."""
    text = stored.decode("utf-8", "replace").strip()
    own = text.casefold() in {user.casefold(), *user.casefold().partition("@")[::2]}
    address = re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text) is not None
    return digits.are(text) or own or address or _DATE.fullmatch(text) is not None
