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
# The table and its partitions
_PARTS = (
    "(WITH RECURSIVE part(o) AS (SELECT %s::regclass::oid"
    " UNION ALL SELECT inhrelid FROM pg_inherits JOIN part ON inhparent = part.o) SELECT o FROM part)"
)
# The column in each of them, and the columns that the server makes of it
_MADE = (
    "SELECT g.attrelid, g.attnum, g.attname, g.atttypid, g.atttypmod"  # noqa: S608 - ours
    " FROM pg_attribute a"
    " JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid"
    " AND d.refobjsubid = a.attnum AND d.classid = 'pg_attrdef'::regclass"
    " JOIN pg_attrdef e ON e.oid = d.objid"
    " JOIN pg_attribute g ON g.attrelid = e.adrelid AND g.attnum = e.adnum"
    f" WHERE g.attgenerated <> '' AND a.attrelid IN {_PARTS} AND a.attname = %s"
)
_COLUMNS = (
    f"SELECT attrelid, attnum FROM pg_attribute WHERE attrelid IN {_PARTS} AND attname = %s"  # noqa: S608 - ours
    f" UNION SELECT attrelid, attnum FROM ({_MADE}) made"
)
_RULES = "SELECT rulename FROM pg_rewrite WHERE ev_class = %s::regclass AND ev_type = '2'"


def of_table(rows: Rows, names: Names) -> Iterator[Obstacle]:
    """``rows`` asks the server."""
    yield from _of_column(rows, names)
    yield from _of_encoding(rows, names)
    yield from _of_others(rows, (names.table, names.column.strip('"')))
    beside = obstacles.asked(
        rows,
        f"SELECT a.attname FROM pg_attribute a, {BASE} JOIN pg_type t ON t.oid = b.kind"  # noqa: S608 - ours
        " WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped"
        " AND (t.typcategory = 'S' OR t.typname = 'bytea') ORDER BY a.attnum",
        (names.table,),
    )
    yield from obstacles.beside(beside, names.column.strip('"'))
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
    here = (names.table, names.column.strip('"'))
    yield from obstacles.each(
        rows,
        obstacles.GENERATED,
        "SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a JOIN pg_attrdef d"
        " ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        " WHERE a.attgenerated <> '' AND a.attrelid = %s::regclass AND a.attname = %s",
        here,
        stops=True,
    )
    yield from obstacles.each(
        rows,
        "the column is {}, and Dovecot reads that type as another text than a string that is written there:"
        " make it text (ALTER TABLE ... TYPE text USING ...)",
        f"SELECT format_type(b.kind, b.modifier) FROM pg_type t, pg_attribute a, {BASE}"  # noqa: S608 - ours
        " WHERE t.oid = b.kind AND t.typcategory <> 'S' AND attrelid = %s::regclass AND attname = %s",
        here,
        stops=True,
    )
    yield from obstacles.each(
        rows,
        "the column is {}, which fills up with blanks: no rule removes those",
        f"SELECT format_type(b.kind, b.modifier) FROM pg_attribute a, {BASE}"  # noqa: S608 - ours
        " WHERE b.kind = 'bpchar'::regtype AND attrelid = %s::regclass AND attname = %s",
        here,
    )
    yield from obstacles.each(
        rows,
        obstacles.CHECKS,
        "SELECT DISTINCT pg_get_constraintdef(c.oid) FROM pg_constraint c JOIN pg_attribute a"  # noqa: S608 - ours
        f" ON ((a.attrelid, a.attnum) IN ({_COLUMNS}) AND a.attrelid = c.conrelid"
        " AND a.attnum = ANY(c.conkey)) OR (a.atttypid = c.contypid AND a.attrelid = %s::regclass"
        " AND a.attname = %s) WHERE c.contype = 'c'",
        (*here, *here, *here),
    )


def _of_encoding(rows: Rows, names: Names) -> Iterator[Obstacle]:
    """Dovecot gets text in the database's own encoding, which libpq takes over."""
    column = f"{names.column}::text"
    yield from obstacles.each(
        rows,
        "the server sends Dovecot text in another encoding than UTF-8 ({}): Dovecot compares those bytes with"
        " what clients send, and mailauth reads them as UTF-8; add client_encoding=UTF8 to Dovecot's"
        " connection, and see that these users can log in",
        "SELECT format('%s; strings that are not ASCII: %s',"  # noqa: S608 - names of the password query
        f" current_setting('client_encoding'), COUNT(*)) FROM {names.table}"
        " WHERE current_setting('client_encoding') NOT IN ('UTF8', 'SQL_ASCII')"
        f" AND octet_length(convert_to({column}, 'UTF8')) <> char_length({column}) HAVING COUNT(*) > 0",
        (),
        stops=True,
    )


def _of_others(rows: Rows, here: tuple[str, str]) -> Iterator[Obstacle]:
    """Indexes, columns, tables and servers that a new string concerns."""
    yield from obstacles.each(
        rows,
        obstacles.UNIQUE,
        "SELECT DISTINCT i.indexrelid::regclass::text FROM pg_index i"  # noqa: S608 - ours
        f" JOIN ({_COLUMNS}) a ON a.attrelid = i.indrelid WHERE (i.indisunique OR i.indisexclusion)"
        " AND NOT i.indisprimary AND (a.attnum = ANY(i.indkey) OR EXISTS (SELECT FROM pg_depend d"
        " WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid"
        " AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))",
        (*here, *here),
    )
    yield from obstacles.each(
        rows,
        obstacles.MADE_OF_IT,
        f"SELECT DISTINCT attname || ' ' || format_type(atttypid, atttypmod) FROM ({_MADE}) made",  # noqa: S608 - ours
        here,
    )
    yield from obstacles.each(
        rows,
        obstacles.REFERENCES,
        "SELECT DISTINCT c.conrelid::regclass || ': ' || c.conname FROM pg_constraint c"  # noqa: S608 - ours
        f" JOIN ({_COLUMNS}) a ON (a.attrelid = c.confrelid AND a.attnum = ANY(c.confkey))"
        " OR (a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey)) WHERE c.contype = 'f'",
        (*here, *here),
    )
    yield from obstacles.each(
        rows,
        "the table is published to other servers ({}): they get the new strings, too; do the Dovecots there"
        " accept them?",
        "SELECT DISTINCT p.pubname FROM pg_publication_tables p JOIN pg_class c ON c.relname = p.tablename"  # noqa: S608 - ours
        " JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = p.schemaname"
        f" WHERE c.oid IN {_PARTS}",
        here[:1],
    )


def _of_updates(rows: Rows, here: tuple[str]) -> Iterator[Obstacle]:
    yield from obstacles.each(
        rows,
        obstacles.TRIGGERS,
        f"SELECT DISTINCT tgname FROM pg_trigger WHERE tgrelid IN {_PARTS} AND NOT tgisinternal"  # noqa: S608 - ours
        " AND tgtype & 16 > 0 AND tgenabled <> 'D'",
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
