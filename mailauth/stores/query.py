"""Read a password query far enough to know its column, its tables and its condition.  Pure.

Only a plain ``SELECT ... FROM ... WHERE ...`` is read; anything else is None, and the reader of the
answer says what an administrator can do instead.
"""

import itertools
import re
from collections.abc import Iterable

from mailauth.records import dataclass

VARIABLE = re.compile(r"%(?:\{[^}]*\}|[-0-9.]*[A-Z]*[a-z])")


_COMMENT = re.compile(r"(?s)'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|(?P<comment>/\*(?!!).*?\*/|--(?=\s|\Z)[^\n]*)")


def blanked(query: str) -> str:
    """The query with blanks for its comments: every other character stays in its place."""
    return _COMMENT.sub(lambda found: " " * len(found[0]) if found["comment"] else found[0], query)


@dataclass(frozen=True, slots=True)
class PlainSelect:
    """The parts of a plain SELECT, as they are written, with Dovecot's variables in them.

    ``column`` is the expression that is the password ("" where it is not plain which), ``tables`` stands
    between FROM and WHERE, ``where`` is the condition ("" for none), and ``after`` are the words that
    follow it: ORDER, LIMIT, ...
    """

    column: str
    tables: str
    where: str
    after: tuple[str, ...]


def read(query: str) -> PlainSelect | None:
    """The parts of a password query; None when it is not a plain one."""
    clean = blanked(query).strip().rstrip("; ")
    words = list(_top_level(clean))
    order = [word for word, _ in words]
    if order[:2] != ["SELECT", "FROM"] or words[0][1] or "UNION" in order:
        return None  # before the SELECT there can be a WITH, which names tables of its own
    at = words[1][1]
    ends = [place for _, place in words[2:]] + [len(clean)]
    tables = clean[at + len("FROM") : ends[0]].strip()
    items = (_password(item) for item in _items(clean[len("SELECT") : at]))
    column = next((item for item in items if item and not VARIABLE.search(item)), "")
    where = ""
    if order[2:3] == ["WHERE"]:
        where = clean[words[2][1] + len("WHERE") : ends[1]].strip()
    return PlainSelect(column, tables, where, tuple(word for word in order[2:] if word != "WHERE"))


def branches(query: str) -> tuple[str, ...]:
    """The SELECTs that one or more UNIONs join, each with the password's column named; () for any other."""
    clean = blanked(query).strip().rstrip("; ")
    joints = [at for word, at in _top_level(clean) if word == "UNION"]
    edges = [0, *joints, len(clean)]
    found = [
        re.sub(r"(?i)^UNION(?:\s+(?:ALL|DISTINCT))?\s+", "", clean[a:b].strip())
        for a, b in itertools.pairwise(edges)
    ]
    if not joints or any(re.match(r"(?i)SELECT\b", one) is None for one in found):
        return ()
    items = [_selected(one) for one in found]
    at = next((number for number, item in enumerate(items[0]) if _password(item)), None)
    if at is None or any(len(one) != len(items[0]) for one in items):
        return ()
    return tuple(_named(one, own, at) for one, own in zip(found, items, strict=True))


def _selected(select: str) -> list[str]:
    words = list(_top_level(select))
    return _items(select[len("SELECT") : words[1][1]]) if len(words) > 1 and words[1][0] == "FROM" else []


def _named(select: str, items: list[str], at: int) -> str:
    """The SELECT with its column number ``at`` as the password: a UNION takes the names of its first."""
    rest = select[next(place for word, place in _top_level(select) if word == "FROM") :]
    item = items[at] if _password(items[at]) else f"{items[at]} AS password"
    return f"SELECT {', '.join((*items[:at], item, *items[at + 1 :]))} {rest}"


_NAME = r"(?:[A-Za-z_][\w$]*|\"[^\"]+\"|`[^`]+`)"
_NAMES = re.compile(rf"{_NAME}(?:\.{_NAME})*")


def is_name(expression: str) -> bool:
    """Whether it is a column as it is."""
    return _NAMES.fullmatch(expression) is not None


def simple(select: PlainSelect, *, any_column: bool = False, any_rows: bool = False) -> bool:
    """Whether it reads one column of one table's rows, so that an UPDATE of the same can be written.

    ``any_column``: the expression that is the password may be any.  ``any_rows``: it need have no condition.
    """
    rows = (any_rows or bool(select.where)) and not {"GROUP", "HAVING"} & set(select.after)
    table = _NAMES.fullmatch(select.tables) is not None
    return rows and table and (any_column or _is_column(select.column))


def _is_column(expression: str) -> bool:
    """Not a value that looks like a name: ``NULL AS password, 'Y' AS nopassword``."""
    return is_name(expression) and expression.upper() not in ("NULL", "TRUE", "FALSE")


_KEYWORD = re.compile(r"(SELECT|FROM|WHERE|GROUP|ORDER|LIMIT|HAVING|UNION|FOR)\b", re.IGNORECASE)
_ALIAS = re.compile(r"(?s)(.*?\S)\s+(?:AS\s+)?[\"`]?(?:password|password_noscheme)[\"`]?", re.IGNORECASE)
_NO_SCHEME = re.compile(r"(?i)(?:^|[\s.\"`'])password_noscheme[\"`']?$")
_COLUMN = re.compile(
    r"(?:[\w\"`]+\.)*[\"`]?password(?:_noscheme)?[\"`]?"
    r"|'password(?:_noscheme)?'",  # no column: MariaDB calls the result of a text by the text
    re.IGNORECASE,
)


def _password(item: str) -> str | None:
    """The expression of a selected item, if that is the password."""
    if _COLUMN.fullmatch(item):
        return item
    found = _ALIAS.fullmatch(item)
    return found[1] if found else None


def without_scheme(query: str) -> bool:
    """Whether the string is returned as password_noscheme, so that a {SCHEME} before it is part of it.

    Source: db_sql and auth_request_set_field(), Dovecot 2.3.19.1 src/auth/auth-request.c.
    """
    clean = blanked(query).strip().rstrip("; ")
    return any(_NO_SCHEME.search(item) for item in _selected(clean))


def other_fields(query: str) -> tuple[str, ...]:
    """Fields that a password query returns beside the user's name and the password: nologin ..."""
    name = user_of(query)  # it may be a column of any name
    items = (item.strip() for item in _selected(blanked(query).strip()))
    found = (re.split(r"[\s.]", item)[-1].strip('"`') for item in items if item != name)
    return tuple(one for one in found if one.lower() not in _OF_A_USER and not one.startswith("userdb_"))


_OF_A_USER = frozenset({"user", "username", "domain", "password"})


def _outside(text: str) -> Iterable[int]:
    """The places that are in no quotes and no parentheses."""
    depth, quote = 0, ""
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"`":
            quote = char
            if not depth:
                yield at
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif not depth:
            yield at


def _top_level(text: str) -> Iterable[tuple[str, int]]:
    """The keywords outside quotes and parentheses, and where."""
    for at in _outside(text):
        if (at == 0 or not (text[at - 1].isalnum() or text[at - 1] in "_.")) and (
            found := _KEYWORD.match(text, at)
        ):
            yield found[1].upper(), at


def _items(text: str) -> list[str]:
    """Split at the commas outside quotes and parentheses."""
    commas = [at for at in _outside(text) if text[at] == ","]
    edges = [-1, *commas, len(text)]
    return [text[a + 1 : b].strip() for a, b in itertools.pairwise(edges)]


_JOIN = re.compile(
    r"(?i)(?:\b(?:NATURAL|CROSS|INNER|STRAIGHT|(?:LEFT|RIGHT|FULL)(?:\s+OUTER)?)\s+)?\bJOIN\b|\bSTRAIGHT_JOIN\b|,"
)


def parts_of_tables(tables: str) -> list[str]:
    """What stands between FROM and WHERE, split at commas and JOINs outside quotes and parentheses."""
    outside, found, last = set(_outside(tables)), [], 0
    for joint in _JOIN.finditer(tables):
        if joint.start() in outside and joint.start() >= last:
            found.append(tables[last : joint.start()])
            last = joint.end()
    return [*found, tables[last:]]


_USER_AND_PASSWORD = 2  # columns of a query for every user


def of_everybody(query: str) -> str:
    """A query that somebody gave for all rows (--rows-query), with its two columns named by their places.

    As it is where it names its password, or where that is not plain.
    """
    clean = blanked(query).strip().rstrip("; ")
    items = _selected(clean) if re.match(r"(?i)SELECT\b", clean) else []
    two = len(items) == _USER_AND_PASSWORD and all(map(is_name, items))
    if not two or any(map(_password, items)) or VARIABLE.search(clean):
        return query
    at = next(place for word, place in _top_level(clean) if word == "FROM")
    return f"SELECT {items[0]} AS user, {items[1]} AS password {clean[at:]}"


_USER_ALIAS = re.compile(r"(?s)(.*?\S)\s+AS\s+[\"`]?(user|username)[\"`]?", re.IGNORECASE)
_KEEPS = r"(?:\s*\|\s*(?:lower|upper|text))*\s*"  # 2.4's filters that leave the name whole
_USER_VARIABLE = rf"%(?:[LUT]*u|[LUT]*\{{user{_KEEPS}\}})"
_NAME_VARIABLE = rf"%(?:[LUT]*n|[LUT]*\{{username\}}|\{{user\s*\|\s*username{_KEEPS}\}})"
DOMAIN_VARIABLE = rf"%(?:[LUT]*d|[LUT]*\{{domain\}}|\{{user\s*\|\s*domain{_KEEPS}\}})"


def user_of(query: str) -> str:
    """The expression that is the user's name in every row; "" where it is not plain."""
    clean = blanked(query).strip().rstrip("; ")
    words = list(_top_level(clean))
    if [word for word, _ in words][:2] != ["SELECT", "FROM"] or words[0][1]:
        return ""
    items = [item for item in _items(clean[len("SELECT") : words[1][1]]) if not VARIABLE.search(item)]
    bare = {item.strip('"`').rpartition(".")[2].lower(): item for item in items}
    aliased, alias = next(
        ((found[1], found[2].lower()) for item in items if (found := _USER_ALIAS.fullmatch(item))), ("", "")
    )
    name = bare.get("username") or (aliased if alias == "username" else "")
    if name and "domain" in bare:
        return f"CONCAT({name}, '@', {bare['domain']})"
    if aliased or "user" in bare or "username" in bare:
        return aliased or bare.get("user") or bare["username"]
    if "WHERE" not in [word for word, _ in words] and len(items) == _USER_AND_PASSWORD:
        return items[0] if _NAMES.fullmatch(items[0]) else ""
    return compared(query)


def columns_of_the_user(query: str) -> tuple[str, ...]:
    """The columns that the condition compares with the user's name, or with its two parts."""
    plain = read(query)
    where = plain.where if plain else ""
    whole, name, domain = (
        re.search(rf"(?<![\w.\"`])({_NAMES.pattern})\s*=\s*'{variable}'", where)
        for variable in (_USER_VARIABLE, _NAME_VARIABLE, DOMAIN_VARIABLE)
    )
    if whole is None and name and domain:
        return name[1], domain[1]
    found = whole or name
    return (found[1],) if found else ()


def compared(query: str) -> str:
    """The expression that the condition compares with the user's name; "" where it is not plain."""
    match columns_of_the_user(query):
        case name, domain:
            return f"CONCAT({name}, '@', {domain})"
        case (name,):
            return name
    return ""


# What stands before a value; behind anything else the word is the name of a column or of a result's field
_BARE_USER = re.compile(
    r"(?:^|[,(=<>|+]|\b(?:SELECT|DISTINCT|WHERE|AND|OR|NOT|LIKE|ILIKE|IN|BY|ON))\s*\buser\b(?!\s*[.(])",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")


def bare_user(query: str) -> tuple[bool, bool]:
    """Whether the word user, as PostgreSQL's role, is selected; and whether a condition has it."""
    text = VARIABLE.sub(lambda found: "x" * len(found[0]), blanked(query))
    text = _QUOTED.sub(lambda found: "x" * len(found[0]), text).strip()
    start = next((at for word, at in _top_level(text) if word in ("FROM", "WHERE")), len(text))
    condition = re.search(r"\bWHERE\b", text[start:], re.IGNORECASE)
    rest = text[start + condition.start() :] if condition else ""
    return _BARE_USER.search(text[:start]) is not None, _BARE_USER.search(rest) is not None
