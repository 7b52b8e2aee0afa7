"""The conditions of a password query: which are about the user, which join tables, and which are neither.

Read are the WHERE, the HAVING and the ON of each SELECT, of a UNION and of a table that is itself a SELECT,
too.  Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import field

from mailauth.records import dataclass
from mailauth.stores.query import blanked

# Of the user's name; the other variables are of the service and the client
_OF_USER = (
    r"user|username|domain|domain_first|domain_last|owner_user"
    r"|(?:orig|original|auth|login)_(?:user|username|domain)"
)
USER_VARIABLE = re.compile(rf"%[-0-9.]*[A-Z]*(?:[und](?![A-Za-z])|\{{\s*(?:{_OF_USER})\b[^}}]*\}})")
_DOMAIN = re.compile(r"%[-0-9.]*[A-Z]*(?:d(?![A-Za-z])|\{[^}]*\bdomain\b[^}]*\})")
_PASSWORD = re.compile(r"%[-0-9.]*[A-Z]*(?:w(?![A-Za-z])|\{\s*password\b[^}]*\})")
_TOKEN = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|%[-0-9.]*[A-Z]*(?:\{[^}]*\}|[a-z])"
    r"|[A-Za-z_][\w$]*(?:\.(?:[A-Za-z_][\w$]*|\"[^\"]*\"|`[^`]*`))*|[(),;]|\S"
)
_ENDS_WHERE = frozenset(
    {"GROUP", "ORDER", "LIMIT", "HAVING", "UNION", "FOR", "EXCEPT", "INTERSECT", "OFFSET", "WINDOW", ";"}
)
JOINS = frozenset({"JOIN", "LEFT", "RIGHT", "INNER", "CROSS", "NATURAL", "FULL", "STRAIGHT_JOIN"})
ENDS_ON = _ENDS_WHERE | JOINS | {"WHERE", ","}


@dataclass(frozen=True, slots=True)
class Part:
    """One condition, and where it stands in the query."""

    text: str
    start: int
    end: int

    @property
    def of_user(self) -> bool:
        """It picks the row by the user's name: a variable of the user beside a column, not in a subquery."""
        alone = _without_subqueries(self.text)
        return USER_VARIABLE.search(alone) is not None and bool(columns(alone))

    @property
    def of_password(self) -> bool:
        """It compares the password that the client sent."""
        return _PASSWORD.search(self.text) is not None

    @property
    def joins(self) -> bool:
        """It compares columns of two tables."""
        if "%" in self.text:
            return False
        tables = {name.rpartition(".")[0] for name in columns(_without_subqueries(self.text))}
        return (
            len(tables - {""}) > 1
            or re.fullmatch(r"[\w.`\"]+\s*=\s*[A-Za-z_`\"][\w.`\"]*", self.text) is not None
        )


@dataclass(frozen=True, slots=True)
class Segment:
    """What stands after one WHERE, HAVING or ON: its conditions, which all must hold."""

    parts: tuple[Part, ...]


@dataclass(slots=True)
class _Scope:
    """One pair of parentheses, or the whole query."""

    select: bool = False
    derived: bool = True  # it is the query, or a table that is a SELECT
    first: bool = True
    begins: int = -1  # where an open WHERE or ON goes on from
    ends: frozenset[str] = frozenset()
    cuts: list[tuple[int, int]] = field(default_factory=list)  # the ANDs
    any_or: bool = False
    between: bool = False
    cases: int = 0


def of_domain(text: str) -> bool:
    """Whether all that it has of the user's name is the domain."""
    found = USER_VARIABLE.findall(text)
    return bool(found) and len(found) == len(_DOMAIN.findall(text))


def read(query: str) -> tuple[Segment, ...]:
    """The segments of the query, in its order; a comment is no part of one."""
    query = blanked(query)
    found: list[Segment] = []
    scopes = [_Scope()]
    before = ""
    for start, word in words(query):
        scope = scopes[-1]
        if word == "(":
            scopes.append(
                _Scope(derived=scope.derived and before in ("FROM", "JOIN", ",") and scope.begins < 0)
            )
        elif word == ")" and len(scopes) > 1:
            _close(query, scopes.pop(), start, found)
        else:
            _step(query, scope, start, word, found)
        if scope.first and word != "(":
            scope.select, scope.first = word == "SELECT", False
        before = word
    while scopes:
        _close(query, scopes.pop(), len(query), found)
    return tuple(sorted(found, key=lambda one: one.parts[0].start))


def words(text: str) -> Iterator[tuple[int, str]]:
    for token in _TOKEN.finditer(text):
        yield token.start(), token[0].upper() if token[0][0] not in "'\"`%" else token[0]


def _step(query: str, scope: _Scope, start: int, word: str, found: list[Segment]) -> None:
    if word in ("CASE", "END"):
        scope.cases += 1 if word == "CASE" else -1
    if scope.cases > 0:
        return
    if scope.begins >= 0 and word in scope.ends:
        _close(query, scope, start, found)
    if word in ("WHERE", "ON", "HAVING") and scope.select and scope.derived:
        scope.begins = start + len(word)
        scope.ends = ENDS_ON if word == "ON" else _ENDS_WHERE
        scope.cuts, scope.any_or, scope.between = [], False, False
    elif word == "BETWEEN":
        scope.between = True
    elif word == "OR":
        scope.any_or = True
    elif word == "AND":
        if not scope.between:
            scope.cuts.append((start, start + len(word)))
        scope.between = False


def _close(query: str, scope: _Scope, end: int, found: list[Segment]) -> None:
    if scope.begins < 0:
        return
    cuts = [] if scope.any_or else scope.cuts
    edges = [scope.begins, *(place for cut in cuts for place in cut), end]
    parts = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        text = query[start:stop]
        begins = start + len(text) - len(text.lstrip())
        if text.strip():
            parts.append(Part(text.strip(), begins, begins + len(text.strip())))
    if parts:
        found.append(Segment(tuple(parts)))
    scope.begins = -1


def without(query: str, dropped: tuple[Part, ...]) -> str:
    """The query without these conditions."""
    told, at = "", 0
    for part in sorted(dropped, key=lambda one: one.start):
        told += query[at : part.start] + "1 = 1"
        at = part.end
    return told + query[at:]


def _without_subqueries(text: str) -> str:
    found = re.search(r"\(\s*SELECT\b", text, re.IGNORECASE)
    if found is None:
        return text
    depth, at = 0, found.start()
    for token in _TOKEN.finditer(text, at):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if not depth:
            return text[:at] + " " + _without_subqueries(text[token.end() :])
    return text[:at]


_WORDS = frozenset(
    {"AND", "OR", "NOT", "IN", "LIKE", "ILIKE", "IS", "NULL", "BETWEEN", "TRUE", "FALSE", "EXISTS", "COLLATE"}
    | {"CASE", "WHEN", "THEN", "ELSE", "END", "BINARY", "AS", "CAST", "REGEXP", "XOR", "DIV"}
)
_NAME = r"(?:[A-Za-z_][\w$]*|\"[^\"]+\"|`[^`]+`)"
_COLUMN = re.compile(rf"'(?:[^']|'')*'|({_NAME}(?:\s*\.\s*{_NAME})*)(\s*\()?")


def columns(text: str) -> tuple[str, ...]:
    """The columns that stand in it, as they are written; no function, and no text in any quotes."""
    found = []
    for name, call in (match.groups() for match in _COLUMN.finditer(text)):
        if not name or call or name.upper() in _WORDS or USER_VARIABLE.search(name):
            continue
        found.append(name.replace('"', "").replace("`", "").replace(" ", ""))
    return tuple(found)
