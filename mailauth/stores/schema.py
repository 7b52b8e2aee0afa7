"""What a database's schema says of the column that the password comes from.  Pure: makes the question."""

import re
from dataclasses import dataclass

from mailauth.dovecot.authconfig import SqlDriver
from mailauth.dovecot.variables import Escape
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


def asking(driver: SqlDriver, place: Place, escape: Escape) -> str:
    """The query for the declared type, as a field named password."""
    space, table, column = (f"'{escape(name)}'" for name in (place.space, place.table, place.column))
    if driver == "sqlite":
        return f"SELECT type AS password FROM pragma_table_info({table}) WHERE name = {column} COLLATE NOCASE"  # noqa: S608 - escaped
    if driver == "mysql":
        where = space if place.space else "DATABASE()"
        return (
            "SELECT column_type AS password FROM information_schema.columns"  # noqa: S608 - escaped
            f" WHERE table_schema = {where} AND table_name = {table} AND column_name = {column}"
        )
    where = f"{space}" if place.space else "ANY (current_schemas(false))"
    return (
        "SELECT data_type || COALESCE('(' || character_maximum_length || ')', '') AS password"  # noqa: S608 - escaped
        f" FROM information_schema.columns WHERE table_schema = {where}"
        f" AND lower(table_name) = lower({table}) AND lower(column_name) = lower({column}) LIMIT 1"
    )


def columns(driver: SqlDriver, place: Place, escape: Escape) -> str:
    """The query for the names of all columns of the table, with commas between, as a field named password."""
    space, table = f"'{escape(place.space)}'", f"'{escape(place.table)}'"
    if driver == "sqlite":
        return f"SELECT group_concat(name) AS password FROM pragma_table_info({table})"  # noqa: S608 - escaped
    if driver == "mysql":
        where = space if place.space else "DATABASE()"
        return (
            "SELECT GROUP_CONCAT(column_name) AS password FROM information_schema.columns"  # noqa: S608 - escaped
            f" WHERE table_schema = {where} AND table_name = {table}"
        )
    where = space if place.space else "ANY (current_schemas(false))"
    return (
        "SELECT string_agg(column_name, ',') AS password FROM information_schema.columns"  # noqa: S608 - escaped
        f" WHERE table_schema = {where} AND lower(table_name) = lower({table})"
    )


def width(declared: str) -> int | None:
    """How many characters a declared type takes; None where it sets no limit."""
    found = re.match(
        r"[A-Za-z_ ]*(?:char|binary|text|character|varying)[A-Za-z_ ]*\((\d+)\)", declared, re.IGNORECASE
    )
    if found:
        return int(found[1])
    return 255 if re.fullmatch(r"tiny(?:text|blob)", declared.strip(), re.IGNORECASE) else None


def widen(driver: SqlDriver, place: Place) -> str:
    """The statement that gives the column 255 characters; SQLite sets no limit, whatever is declared."""
    if driver == "sqlite":
        return ""
    table = f"{place.space}.{place.table}" if place.space else place.table
    if driver == "mysql":
        return f"ALTER TABLE {table} MODIFY {place.column} VARCHAR(255)"
    return f"ALTER TABLE {table} ALTER COLUMN {place.column} TYPE VARCHAR(255)"
