"""What a database's schema says of the column that the password comes from.  Pure."""

import re

from mailauth.records import dataclass
from mailauth.stores.query import PlainSelect

_NAME = r"(?:[A-Za-z_][\w$]*|\"[^\"]+\"|`[^`]+`)"
_TABLE = re.compile(rf"(?:({_NAME})\.)?({_NAME})(?:\s+(?:AS\s+)?{_NAME})?", re.IGNORECASE)
_COLUMN = re.compile(rf"(?:{_NAME}\.)*({_NAME})")


@dataclass(frozen=True, slots=True)
class Place:
    """A column by its names, without quotes; ``space`` is the schema or database, "" for the usual one."""

    space: str
    table: str
    column: str


def column_of(select: PlainSelect) -> Place | None:
    """The one column of one table that is the password; None where it is an expression, or a join."""
    column, table = _COLUMN.fullmatch(select.column), _TABLE.fullmatch(select.tables)
    if column is None or table is None:
        return None
    return Place(_bare(table[1] or ""), _bare(table[2]), _bare(column[1]))


def _bare(name: str) -> str:
    return name[1:-1] if name[:1] in ('"', "`") else name


_NUMERIC = re.compile(r"(?i).*(?:int|decimal|numeric|float|double|real|number|serial)")


def numeric(declared: str) -> bool:
    """Whether a declared type is of numbers: it keeps no zeros before them."""
    return _NUMERIC.match(declared) is not None


def width(declared: str) -> int | None:
    """How many characters a declared type takes; None where it sets no limit."""
    found = re.match(r"([A-Za-z_ ]*)\(([0-9]{1,9})\)", declared)
    if found and any(kind in found[1].lower() for kind in ("char", "binary", "text", "varying")):
        return int(found[2])
    return 255 if re.fullmatch(r"tiny(?:text|blob)", declared.strip(), re.IGNORECASE) else None
