"""What stands between a column of PostgreSQL's and its new strings.

Source: PostgreSQL's manual, "System Catalogs"; of rules, "Rules on INSERT, UPDATE, and DELETE".
"""

from collections.abc import Iterator

from mailauth.stores import obstacles
from mailauth.stores.obstacles import Rows
from mailauth.stores.swaps import Names, Obstacle

# The type of a column, or what a domain is made of, also a domain of a domain
BASE = (
    "LATERAL (WITH RECURSIVE base(kind, modifier) AS (SELECT a.atttypid, a.atttypmod UNION ALL"
    " SELECT t.typbasetype, t.typtypmod FROM base JOIN pg_type t ON t.oid = kind WHERE t.typtype = 'd')"
    " SELECT kind, modifier FROM base JOIN pg_type t ON t.oid = kind WHERE t.typtype <> 'd') b"
)
_RULES = "SELECT rulename FROM pg_rewrite WHERE ev_class = %s::regclass AND ev_type = '2'"


def of_table(rows: Rows, names: Names) -> Iterator[Obstacle]:
    """``rows`` asks the server."""
    yield from _of_column(rows, names)
    yield from _of_updates(rows, (names.table,))
    if obstacles.asked(rows, "SELECT 1 WHERE row_security_active(%s::regclass)", (names.table,)):
        yield Obstacle(
            "row-level security holds for this account: rows that it hides are neither counted nor changed,"
            " and rows that it may only read keep their old strings"
        )
    if obstacles.asked(rows, "SELECT 1 WHERE current_setting('transaction_read_only')::bool", ()):
        yield Obstacle(
            "this account's transactions are read-only there (a standby, or default_transaction_read_only)",
            stops=True,
        )


def _of_column(rows: Rows, names: Names) -> Iterator[Obstacle]:
    yield from obstacles.each(
        rows,
        obstacles.GENERATED,
        "SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a JOIN pg_attrdef d"
        " ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        " WHERE a.attgenerated <> '' AND a.attrelid = %s::regclass AND a.attname = %s",
        (names.table, names.column.strip('"')),
        stops=True,
    )
    yield from obstacles.each(
        rows,
        "the column is {}, and Dovecot reads that type as another text than a string that is written there:"
        " make it text (ALTER TABLE ... TYPE text USING ...)",
        f"SELECT format_type(b.kind, b.modifier) FROM pg_type t, pg_attribute a, {BASE}"  # noqa: S608 - ours
        " WHERE t.oid = b.kind AND t.typcategory <> 'S' AND attrelid = %s::regclass AND attname = %s",
        (names.table, names.column.strip('"')),
        stops=True,
    )
    yield from obstacles.each(
        rows,
        "the column is {}, which fills up with blanks: no rule removes those",
        f"SELECT format_type(b.kind, b.modifier) FROM pg_attribute a, {BASE}"  # noqa: S608 - ours
        " WHERE b.kind = 'bpchar'::regtype AND attrelid = %s::regclass AND attname = %s",
        (names.table, names.column.strip('"')),
    )
    yield from obstacles.each(
        rows,
        obstacles.CHECKS,
        "SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c JOIN pg_attribute a"
        " ON (a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey)) OR a.atttypid = c.contypid"
        " WHERE c.contype = 'c' AND a.attrelid = %s::regclass AND a.attname = %s",
        (names.table, names.column.strip('"')),
    )


def _of_updates(rows: Rows, here: tuple[str]) -> Iterator[Obstacle]:
    yield from obstacles.each(
        rows,
        obstacles.TRIGGERS,
        "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal AND tgtype & 16 > 0"
        " AND tgenabled <> 'D'",
        here,
    )
    yield from obstacles.each(
        rows,
        "rules do something else in place of an UPDATE ({}), and PostgreSQL then does not say which rows it"
        " changed: name the table that they write, or drop them meanwhile",
        f"{_RULES} AND is_instead",
        here,
        stops=True,
    )
    yield from obstacles.each(
        rows,
        "rules do more on each UPDATE ({}): a row whose new string they change back keeps its old one",
        f"{_RULES} AND NOT is_instead",
        here,
    )
    yield from obstacles.each(
        rows,
        obstacles.VIEWS,
        "SELECT DISTINCT v.relname FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid"
        " JOIN pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')"
        " WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = %s::regclass",
        here,
    )
