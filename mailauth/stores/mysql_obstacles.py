"""What stands between a column of MariaDB's or MySQL's and its new strings.

Source: MariaDB's manual, "Information Schema", "System-Versioned Tables", "Galera Cluster System Variables".
"""

from collections.abc import Iterator

from mailauth.stores import mysql_client, obstacles
from mailauth.stores.obstacles import Rows
from mailauth.stores.swaps import Names, Obstacle

_HERE = "table_name = %s AND table_schema = COALESCE(%s, DATABASE())"
# Columns that the server makes of this one
_MADE = (
    f"SELECT column_name FROM information_schema.columns WHERE {_HERE}"  # noqa: S608 - ours
    " AND INSTR(generation_expression, CONCAT('`', %s, '`'))"
)


def of_table(rows: Rows, names: Names) -> Iterator[Obstacle]:
    """``rows`` asks the server; what it does not let this account see is not said."""
    schema, table = mysql_client.names_of(names.table)
    here, column = (table, schema), names.column.strip('`"')
    yield from _of_column(rows, here, column)
    yield from _of_others(rows, here, column)
    yield from obstacles.each(
        rows,
        obstacles.TRIGGERS,
        "SELECT trigger_name FROM information_schema.triggers WHERE event_manipulation = 'UPDATE'"
        " AND event_object_table = %s AND event_object_schema = COALESCE(%s, DATABASE())",
        here,
    )
    found = obstacles.asked(
        rows,
        "SELECT check_clause FROM information_schema.check_constraints"
        " WHERE table_name = %s AND constraint_schema = COALESCE(%s, DATABASE())",
        here,
    )
    yield from obstacles.said(obstacles.CHECKS, [one for one in found if column in one])
    yield from obstacles.each(
        rows,
        obstacles.VIEWS,
        "SELECT table_name FROM information_schema.views"
        " WHERE INSTR(view_definition, CONCAT('`', %s, '`')) AND table_schema = COALESCE(%s, DATABASE())",
        here,
    )
    beside = obstacles.asked(
        rows,
        f"SELECT column_name FROM information_schema.columns WHERE {_HERE}"  # noqa: S608 - ours
        " AND (data_type LIKE '%%char' OR data_type LIKE '%%text' OR data_type LIKE '%%blob'"
        " OR data_type LIKE '%%binary')"
        " ORDER BY ordinal_position",
        here,
    )
    yield from obstacles.beside(beside, column)
    yield from _of_server(rows, names)


def _of_column(rows: Rows, here: tuple[str, str | None], column: str) -> Iterator[Obstacle]:
    yield from obstacles.each(
        rows,
        obstacles.GENERATED,
        "SELECT generation_expression FROM information_schema.columns"  # noqa: S608 - ours
        " WHERE generation_expression <> ''"
        f" AND {_HERE} AND column_name = %s",
        (*here, column),
        stops=True,
    )
    yield from obstacles.each(
        rows,
        "the column is of the type {}, which holds only the strings of its list: make it VARCHAR(255)",
        f"SELECT data_type FROM information_schema.columns WHERE data_type IN ('enum', 'set') AND {_HERE}"  # noqa: S608 - ours
        " AND column_name = %s",
        (*here, column),
        stops=True,
    )
    yield from obstacles.each(
        rows,
        "the table keeps its history ({} WITH SYSTEM VERSIONING): old strings, plaintexts too, stay readable"
        " there (FOR SYSTEM_TIME ALL) until you delete them, once you need no undo any more: DELETE HISTORY"
        " FROM the table",
        f"SELECT table_name FROM information_schema.tables WHERE table_type = 'SYSTEM VERSIONED' AND {_HERE}"  # noqa: S608 - ours
        " AND NOT EXISTS (SELECT 1 FROM information_schema.columns c WHERE c.table_name = tables.table_name"
        " AND c.table_schema = tables.table_schema AND c.column_name = %s"
        " AND c.extra LIKE '%%WITHOUT SYSTEM VERSIONING%%')",
        (*here, column),
    )


def _of_others(rows: Rows, here: tuple[str, str | None], column: str) -> Iterator[Obstacle]:
    """Indexes, columns and tables that must agree with a new string."""
    yield from obstacles.each(
        rows,
        obstacles.UNIQUE,
        "SELECT DISTINCT index_name FROM information_schema.statistics WHERE non_unique = 0"  # noqa: S608 - ours
        f" AND index_name <> 'PRIMARY' AND {_HERE} AND (column_name = %s OR column_name IN ({_MADE}))",
        (*here, column, *here, column),
    )
    yield from obstacles.each(rows, obstacles.MADE_OF_IT, _MADE, (*here, column))
    yield from obstacles.each(
        rows,
        obstacles.REFERENCES,
        "SELECT DISTINCT CONCAT(table_name, ': ', constraint_name)"  # noqa: S608 - ours
        " FROM information_schema.key_column_usage WHERE (referenced_table_name = %s"
        " AND referenced_table_schema = COALESCE(%s, DATABASE()) AND referenced_column_name = %s)"
        f" OR (referenced_table_name <> '' AND {_HERE} AND column_name = %s)",
        (*here, column, *here, column),
    )


def _of_server(rows: Rows, names: Names) -> Iterator[Obstacle]:
    if obstacles.asked(rows, "SELECT 1 FROM DUAL WHERE @@global.read_only", ()):
        yield Obstacle("the server is set to read_only: is it a replica? Only some accounts may write there")
        # EXPLAIN is not refused there; this changes no row, and is.
        nothing = f"UPDATE {names.table} SET {names.column} = '' WHERE 1 = 0"  # noqa: S608 - names of the password query
        yield from obstacles.refusal_of(lambda: rows(nothing, ()))
    if obstacles.asked(rows, "SELECT 1 FROM DUAL WHERE @@global.wsrep_on", ()):
        yield Obstacle(
            "the server is a node of a Galera cluster: if another node changes a row of a batch at the same"
            " time, the batch is refused and tried again in halves; a row that is refused alone counts as"
            " locked"
        )
