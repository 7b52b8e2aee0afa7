"""What stands between a column and its new strings, as each store says it before anything is written.

Source: MariaDB's and PostgreSQL's manuals, "Information Schema", "System Catalogs"; https://sqlite.org/schematab.html.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mailauth.errors import CannotObserve, Refused
from mailauth.stores.swaps import Names, Obstacle

Rows = Callable[[str, Sequence[Any]], Sequence[Sequence[Any]]]

_TRIGGERS = "triggers run on each UPDATE ({}): a row whose new string they refuse or change keeps its old one"
_CHECKS = "CHECK constraints hold for the column ({}): a row whose new string they refuse keeps its old one"
_VIEWS = "views read the table ({}): does whoever reads them understand the new strings?"
_GENERATED = "the column is generated ({}): name the column that it is made of, with --url and --rows-query"
_NAMED = 5


def of_file(path: Path) -> Iterator[Obstacle]:
    """Of a passwd-file, which is replaced whole.  To be called where Dovecot lives."""
    real = path.resolve()
    with suppress(OSError):
        if links := real.stat().st_nlink - 1:
            names = "link: under that name" if links == 1 else "links: under those names"
            yield Obstacle(f"{path} has {links} more hard {names} the old content stays")
    if not os.access(real.parent, os.W_OK):
        yield Obstacle(f"{real.parent} cannot be written, and the file is replaced whole", stops=True)
    with suppress(OSError):
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
        if any(line.split()[4] == str(real) for line in mounts):
            yield Obstacle(
                f"{real} is mounted by itself, so it cannot be replaced whole: mount its folder", stops=True
            )


def of_mysql(rows: Rows, names: Names, schema: str | None, table: str) -> Iterator[Obstacle]:
    """``rows`` asks the server; what it does not let this account see is not said."""
    here = (table, schema)
    yield from _each(
        rows,
        _GENERATED,
        "SELECT generation_expression FROM information_schema.columns WHERE generation_expression <> ''"
        " AND table_name = %s AND table_schema = COALESCE(%s, DATABASE()) AND column_name = %s",
        (*here, names.column.strip('`"')),
        stops=True,
    )
    yield from _each(
        rows,
        _TRIGGERS,
        "SELECT trigger_name FROM information_schema.triggers WHERE event_manipulation = 'UPDATE'"
        " AND event_object_table = %s AND event_object_schema = COALESCE(%s, DATABASE())",
        here,
    )
    found = _asked(
        rows,
        "SELECT check_clause FROM information_schema.check_constraints"
        " WHERE table_name = %s AND constraint_schema = COALESCE(%s, DATABASE())",
        here,
    )
    yield from _said(_CHECKS, [one for one in found if names.column.strip('`"') in one])
    yield from _each(
        rows,
        _VIEWS,
        "SELECT table_name FROM information_schema.views"
        " WHERE INSTR(view_definition, CONCAT('`', %s, '`')) AND table_schema = COALESCE(%s, DATABASE())",
        here,
    )
    if _asked(rows, "SELECT 1 FROM DUAL WHERE @@global.read_only", ()):
        yield Obstacle("the server is set to read_only: is it a replica? Only some accounts may write there")


def of_pgsql(rows: Rows, names: Names) -> Iterator[Obstacle]:
    """``rows`` asks the server."""
    here = (names.table,)
    yield from _each(
        rows,
        _GENERATED,
        "SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a JOIN pg_attrdef d"
        " ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        " WHERE a.attgenerated <> '' AND a.attrelid = %s::regclass AND a.attname = %s",
        (names.table, names.column.strip('"')),
        stops=True,
    )
    yield from _each(
        rows,
        "the column is {}, which fills up with blanks: no rule takes those away",
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE atttypid = 'bpchar'::regtype AND attrelid = %s::regclass AND attname = %s",
        (names.table, names.column.strip('"')),
    )
    yield from _each(
        rows,
        _TRIGGERS,
        "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal AND tgtype & 16 > 0"
        " AND tgenabled <> 'D'",
        here,
    )
    yield from _each(
        rows,
        "rules rewrite each UPDATE ({}): what they leave keeps its old string",
        "SELECT rulename FROM pg_rewrite WHERE ev_class = %s::regclass AND ev_type = '2'",
        here,
    )
    yield from _each(
        rows,
        _CHECKS,
        "SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c JOIN pg_attribute a"
        " ON a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey)"
        " WHERE c.contype = 'c' AND c.conrelid = %s::regclass AND a.attname = %s",
        (names.table, names.column.strip('"')),
    )
    yield from _each(
        rows,
        _VIEWS,
        "SELECT DISTINCT v.relname FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid"
        " JOIN pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')"
        " WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = %s::regclass",
        here,
    )
    if _asked(rows, "SELECT 1 WHERE row_security_active(%s::regclass)", here):
        yield Obstacle(
            "row-level security holds for this account: rows that it hides are neither counted nor changed,"
            " and rows that it may only read keep their old strings"
        )
    if _asked(rows, "SELECT 1 WHERE current_setting('transaction_read_only')::bool", ()):
        yield Obstacle(
            "this account's transactions are read-only there (a standby, or default_transaction_read_only)",
            stops=True,
        )


def of_sqlite(rows: Rows, names: Names, path: Path) -> Iterator[Obstacle]:
    """``rows`` asks the file."""
    table = names.table.strip('"`')
    yield from _each(
        rows,
        _TRIGGERS,
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"
        " AND sql LIKE '%update%'",
        (table,),
    )
    yield from _each(
        rows,
        _CHECKS,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE"
        " AND sql LIKE '%check%(%' || ? || '%'",
        (table, names.column.strip('"`')),
    )
    yield from _each(
        rows,
        _VIEWS,
        "SELECT name FROM sqlite_master WHERE type = 'view' AND sql LIKE '%' || ? || '%'",
        (table,),
    )
    if not (os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK)):
        yield Obstacle(f"{path} or its folder cannot be written", stops=True)


def refusal_of(ask: Callable[[], object], needs: str = "") -> Iterator[Obstacle]:
    """Why the server refuses a statement that is only explained, or changes nothing of the table's.

    ``needs``: what it takes.
    """
    try:
        ask()
    except Refused as why:
        yield Obstacle(f"{needs}{str(why).partition('; this batch')[0].rstrip('.')}", stops=True)
    except CannotObserve as why:
        yield Obstacle(f"whether the column can be written is not known: {why}".rstrip("."))


def _asked(rows: Rows, statement: str, values: Sequence[Any]) -> list[str]:
    """The first column, as text; [] where this server does not know, or does not say."""
    try:
        found = rows(statement, values)
    except (CannotObserve, Refused):
        return []
    return [one[0].decode("utf-8", "replace") if isinstance(one[0], bytes) else str(one[0]) for one in found]


def _each(
    rows: Rows, text: str, statement: str, values: Sequence[Any], *, stops: bool = False
) -> Iterator[Obstacle]:
    """What the statement finds, as ``text`` with it."""
    yield from _said(text, _asked(rows, statement, values), stops=stops)


def _said(text: str, found: Sequence[str], *, stops: bool = False) -> Iterator[Obstacle]:
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        yield Obstacle(text.format(", ".join(found[:_NAMED]) + more), stops)
