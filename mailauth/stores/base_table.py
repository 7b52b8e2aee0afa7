"""The one table that holds the password, where a query names it by an alias or joins others to it.  Pure."""

import re
from collections.abc import Iterator
from dataclasses import replace

from mailauth.records import dataclass
from mailauth.stores import conditions
from mailauth.stores.query import PlainSelect, parts_of_tables, read, user_of

_NAME = r"(?:[A-Za-z_][\w$]*|\"[^\"]+\"|`[^`]+`)"
_PIECE = re.compile(
    rf"(?is)\s*(?P<table>{_NAME}(?:\.{_NAME})*)(?:\s+(?:AS\s+)?(?P<alias>(?!(?:ON|USING)\b){_NAME}))?"
    r"(?:\s+(?:ON|USING)\b.*)?\s*"
)
_QUOTED = re.compile(r"'(?:[^']|'')*'")


@dataclass(frozen=True, slots=True)
class Base:
    """``select``: of that table alone, names without qualifiers.  ``user``: "" where others make the name.

    ``alone``: whether the query reads no other table.  ``conditions``: those of this table's columns that are
    the same for every user.
    """

    select: PlainSelect
    user: str
    alone: bool
    conditions: tuple[str, ...] = ()


def base_of(query: str) -> Base | None:
    """None where it is not plain which table and column that is."""
    select = read(query)
    if select is None or not select.column:
        return None
    pieces = [_PIECE.fullmatch(piece) for piece in parts_of_tables(select.tables)]
    qualifier, _, column = select.column.rpartition(".")
    own = [one for one in pieces if one and (_called(one, qualifier) if qualifier else len(pieces) == 1)]
    if len(own) != 1:
        return None
    table, alias = own[0]["table"], own[0]["alias"]
    names = {one for one in (alias, table, table.rpartition(".")[2]) if one}
    alone = len(pieces) == 1
    return Base(
        replace(select, column=column, tables=table),
        _bare(user_of(query), names),
        alone,
        tuple(_conditions(query, names, alone)),
    )


def _conditions(query: str, names: set[str], alone: bool) -> Iterator[str]:
    plain = {_plain(one) for one in names}
    for part in (part for segment in conditions.read(query) for part in segment.parts):
        columns = conditions.columns(part.text)
        if not columns or part.joins or "%" in part.text or re.search(r"(?i)\bSELECT\b", part.text):
            continue
        own = (_plain(one.rpartition(".")[0]) in plain if "." in one else alone for one in columns)
        if all(own) and (bare := _bare(part.text, names)):
            yield bare


def _called(piece: re.Match[str], qualifier: str) -> bool:
    names = [piece["alias"]] if piece["alias"] else [piece["table"], piece["table"].rpartition(".")[2]]
    return _plain(qualifier) in map(_plain, names)


def _plain(name: str) -> str:
    return name.lower() if name[:1] not in '"`' else name.strip('"`')


def _bare(user: str, names: set[str]) -> str:
    """Without the table's own names before its columns; "" where another table's column is part of it."""
    for name in sorted(names, key=len, reverse=True):
        user = re.sub(rf"(?i)(?<![\w.\"`]){re.escape(name)}\.(?=[\w\"`])", "", user)
    return "" if re.search(rf"{_NAME}\.{_NAME}", _QUOTED.sub("", user)) else user
