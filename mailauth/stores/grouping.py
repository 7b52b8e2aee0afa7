"""SQL that counts stored strings by what they say of themselves, without their salts and digests.

A string of an ordinary form is grouped under a stand-in: its own scheme and parameters, with nobody's
salt and digest.  Everything else, whatever is odd about it, comes back as it is, to be judged exactly.
Both are read by the same parser afterwards.  Only LIKE, lengths and one look for foreign characters are
used: a whole form as a regular expression takes PostgreSQL ten times as long (measured).  What stands
between the first two "$" says which forms a string may have, so that the others need not be tried.
"""

import re
from functools import partial

from mailauth.errors import CannotObserve
from mailauth.hashes import notation
from mailauth.hashes.bare import SURE_HEX
from mailauth.hashes.schemes import ITSELF
from mailauth.records import dataclass
from mailauth.stores import conditions
from mailauth.stores.database import Counting, Replacing
from mailauth.stores.forms import (
    B64,
    CASE,
    DIGESTS,
    FORMS,
    HEX,
    LONG,
    MARKS,
    NO_SIGN,
    PASSWORD,
    SHORT,
    STAND_IN,
    Form,
    alike,
    strings,
)
from mailauth.stores.query import VARIABLE, branches, compared, is_name, of_everybody, read, user_of

GIVEN = "--rows-query"  # the place of a query that the command line names
_ADVICE = "give a query that selects the password of every user: --rows-query 'SELECT password FROM ...'"


@dataclass(frozen=True, slots=True)
class Rows:
    """The parts of a passdb's rows: the password, the user ("" where it is not plain), and the tables.

    ``single``: each user has one row, as far as the query goes.  ``key``: what the query looks for, which is
    not the name that it returns where it renames its users.  ``chosen``: the conditions on each row.
    """

    column: str
    user: str
    tables: str
    single: bool = True
    key: str = ""
    chosen: str = ""


def _not_plain(place: str, says: str) -> CannotObserve:
    which = "the query" if place == GIVEN else "the password query"
    return CannotObserve(f"{place}: {says.format(which)}; {_ADVICE}.", needs_option=True)


def rows_of(query: str, place: str) -> Rows:
    """Read a password query.  Raises CannotObserve for one that is not plain."""
    if selects := branches(query):
        found = [rows_of(one, place) for one in selects]
        each_of = [f"SELECT {one.column} AS p, {one.user or 'NULL'} AS n FROM {one.tables}" for one in found]  # noqa: S608 - of Dovecot's own query
        return Rows("p", "n", f"({' UNION ALL '.join(each_of)}) AS united", single=False)
    query = of_everybody(query) if place == GIVEN else query
    plain = read(query)
    if plain is None:
        raise _not_plain(place, "{} is not a plain one")
    if not plain.column or VARIABLE.search(plain.tables):
        raise _not_plain(place, "which column of {} has the passwords of all users is not plain")
    parts = [
        part for segment in conditions.read(f"SELECT FROM WHERE {plain.where}") for part in segment.parts
    ]
    kept = [part for part in parts if not VARIABLE.search(part.text)]
    asked = [part for part in parts if part not in kept]
    # Without what picks one of a user's rows by the service, a user may have one for each; so without a LIMIT
    single = all(part.of_user for part in asked) and not set(plain.after) - {"ORDER"}
    user, key = user_of(query), _key_of(query, any(conditions.of_domain(part.text) for part in asked))
    chosen = " AND ".join(part.text for part in kept)
    if not _several(plain.tables):
        return Rows(plain.column, user, plain.tables, single, key, chosen)
    if plain.tables.count(",") > sum(part.joins for part in kept):
        raise _not_plain(place, "how the tables of {} are joined is not plain")
    tables = f"{plain.tables} WHERE {chosen}" if kept else plain.tables
    return Rows(plain.column, user, tables, single, key)


def _key_of(query: str, by_domain: bool) -> str:
    """What the condition compares with the name; else the name that is returned, where it is a column.

    A value that is returned as the name is the same in every row.
    """
    found, user = compared(query), user_of(query)
    if found and (found.startswith("CONCAT(") or not by_domain):
        return found
    return user if is_name(user) or user.startswith("CONCAT(") else ""


def _several(tables: str) -> bool:
    """Several tables: a cross product, where nothing joins them.  One that is a SELECT is one."""
    while (outside := re.sub(r"\([^()]*\)", "", tables)) != tables:
        tables = outside
    return "," in tables or re.search(r"\bJOIN\b", tables, re.IGNORECASE) is not None


def each(rows: Rows) -> str:
    """Every row's stored string and user: for an engine that runs in this process anyway."""
    return f"SELECT {rows.column}, {rows.user or 'NULL'} FROM {rows.tables}"  # noqa: S608 - of Dovecot's own query


def counting(engine: Counting, rows: Rows, *, text: bool) -> str:
    """Stand-in or odd string, how many rows, and two of their users.

    ``text``: what has no scheme is a password as it is.
    """
    value, user = engine.value.format(rows.column), engine.user.format(rows.user or "NULL")
    fence = engine.fence
    stored = f"SELECT {value} AS e, {user} AS u FROM {rows.tables}{fence}"  # noqa: S608 - of Dovecot's own query
    parted = f"SELECT e, u, {engine.method} AS m FROM ({stored}) AS stored{fence}"  # noqa: S608 - the same
    keyed = f"SELECT {_key(engine, text=text)} AS k, u FROM ({parted}) AS parted{fence}"  # noqa: S608 - the same
    return f"SELECT k, COUNT(*), MIN(u), MAX(u) FROM ({keyed}) AS keyed GROUP BY {engine.alike}"  # noqa: S608 - the same


def parted(engine: Replacing, rows: Rows, *, text: bool) -> str:
    """Kind, length, how many rows, and two of their users: for a server that is quick at expressions.

    The kind is what stands before salt and digest, a newline, the padding, a newline; or else, behind two
    newlines, the string as it is.
    """
    expression = rf"^(?:{strings(text=text, end=_AT_END)}{_AT_END}|(?s:(.*)))\z"
    marks = [engine.text(expression), engine.text("\\1\n\\3\n\\4")]
    kind = engine.replace.format(engine.value.format(rows.column), *marks)
    user = engine.user.format(rows.user or "NULL")
    return (
        f"SELECT {kind}, {engine.length.format(rows.column)}, COUNT(*), MIN({user}), MAX({user})"  # noqa: S608 - of Dovecot's own query
        f" FROM {rows.tables} GROUP BY 1, 2"
    )


def string_of(kind: bytes, length: int) -> bytes:
    """A string of a kind that ``parted`` tells."""
    if not kind:  # nothing is replaced in nothing
        return b""
    head, padding, as_it_is = kind.split(b"\n", 2)
    if as_it_is or not length:
        return as_it_is
    return head + alike(head, min(length, _LONGEST) - len(head) - len(padding)) + padding


_AT_END = r"(?=\z)"
_LONGEST = 65536  # characters that are made: a server may say any number


def twice(rows: Rows, most: int) -> str:
    """The users that have several rows, as the database compares names."""
    tables = f"{rows.tables} WHERE {rows.chosen}" if rows.chosen else rows.tables
    return (
        f"SELECT u, COUNT(*) AS n FROM (SELECT {rows.key} AS u FROM {tables}) AS users"  # noqa: S608 - the same
        f" WHERE u IS NOT NULL GROUP BY u HAVING COUNT(*) > 1 ORDER BY u LIMIT {most}"
    )


def one_column(rows: Rows) -> str:
    """An empty answer that tells the column's type."""
    return f"SELECT {rows.column} FROM {rows.tables} LIMIT 0"  # noqa: S608 - the same


def _clean(engine: Counting, value: str, chars: str) -> str:
    """Nothing but ``chars`` is in it."""
    return f"({value}) {engine.differs} '[^{chars}]'"


def _of_form(engine: Counting, one: Form) -> str:
    """What a hash of this form becomes: its fields filled, the rest as it is."""
    tail = f"RIGHT(e, {one.tail})"
    tests = [f"e LIKE '{one.before}{'$'.join('_' * size for size in one.fields)}'"]
    tests += [engine.whole.format(tail, _ended(one))] if engine.whole else _ends(engine, one, tail)
    tests += [f"{engine.find}('{ends}', SUBSTR({tail}, {place}, 1)) > 0" for place, ends in one.at]
    tests.append(f"RIGHT(e, {CASE}) <> LOWER(RIGHT(e, {CASE}))")
    fill = "$".join(one.fill * size for size in one.fields)
    return f"WHEN {' AND '.join(tests)} THEN {engine.filled.format(one.tail, fill)}"


def _ended(one: Form) -> str:
    """An expression of the fields, whatever their lengths: a server takes long to count characters in one."""
    ends = dict(one.ends)
    several = range(len(one.fields))
    return "[$]".join(f"[{one.chars}]*" + (f"[{ends[field]}]" if field in ends else "") for field in several)


def _ends(engine: Counting, one: Form, tail: str) -> list[str]:
    """The same, character by character."""
    several = len(one.fields) > 1
    tests = [f"{tail} NOT LIKE '%$%$%'"] if several else []
    tests.append(_clean(engine, tail, f"{one.chars}$" if several else one.chars))
    done = 0
    for number, size in enumerate(one.fields):
        done += size
        tests += [
            f"{engine.find}('{ends}', SUBSTR({tail}, {done + number}, 1)) > 0"
            for field, ends in one.ends
            if field == number
        ]
    return tests


def _key(engine: Counting, *, text: bool) -> str:
    find, length, clean = engine.find, engine.length, partial(_clean, engine)
    kinds: dict[tuple[str, ...], list[str]] = {}
    for one in FORMS:
        kinds.setdefault(one.ids, []).append(_of_form(engine, one))
    forms = [
        f"WHEN m IN ({', '.join(map(repr, ids))}) THEN CASE {' '.join(inner)} ELSE e END"
        for ids, inner in kinds.items()
    ]
    brace = f"{find}(e, '}}')"
    head = f"CASE WHEN e LIKE '{{%}}%' THEN LEFT(e, {brace}) ELSE '' END"
    rest = f"CASE WHEN e LIKE '{{%}}%' THEN SUBSTR(e, {brace} + 1) ELSE e END"
    body = f"TRIM(TRAILING '=' FROM {rest})"
    padding = f"REPEAT('=', {length}({rest}) - {length}({body}))"
    beginnings = ", ".join(f"'{one.decode()}'" for one in sorted(notation.BEGINNINGS))
    as_text = " OR ".join(f"UPPER(e) LIKE '{{{name}}}%'" for name in sorted(ITSELF))
    digests = f"UPPER({head}) IN ({', '.join(DIGESTS)})"
    long = f"{length}({rest}) BETWEEN {LONG[0]} AND {LONG[1]} AND NOT ({clean(rest, NO_SIGN)})"
    password = " AND ".join(
        [
            f"({length}({rest}) BETWEEN {SHORT[0]} AND {SHORT[1]} OR {long})",
            clean(rest, PASSWORD),
            clean(f"LEFT({rest}, 1)", "A-Za-z0-9"),
            *(f"{rest} NOT LIKE '{mark}'" for mark in MARKS),
        ]
    )
    cases = [
        "WHEN e IS NULL THEN NULL",
        *forms,
        f"WHEN LEFT({rest}, 4) IN ({beginnings}) THEN e",
        f"WHEN {as_text} THEN CASE WHEN {password} THEN CONCAT({head}, '{STAND_IN}') ELSE e END",
    ]
    if text:
        as_it_is = f"CASE WHEN {password} THEN '{STAND_IN}' ELSE e END"
        cases.append(f"WHEN e NOT LIKE '{{%}}%' AND e NOT LIKE '$%' THEN {as_it_is}")
    cases += [
        f"WHEN NOT {digests} OR {length}({rest}) = 1 THEN e",
        f"WHEN {head} = '' AND {length}({rest}) < {SURE_HEX} THEN e",
        f"WHEN {clean(rest, HEX)} THEN CONCAT({head}, REPEAT('0', {length}({rest})))",
        f"WHEN {head} = '' THEN e",
        # Z, which is no hex digit: what could be either is read as hex
        f"WHEN {clean(body, B64)} THEN CONCAT({head}, REPEAT('Z', {length}({body})), {padding})",
    ]
    return f"CASE {' '.join(cases)} ELSE e END"
