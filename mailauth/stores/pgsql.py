"""PostgreSQL: the driver, with ``pgsql_client.py``, ``pgsql_errors.py`` and ``pgsql_table.py``.

Source: Dovecot 2.3.19.1 and 2.4.1, src/lib-sql/driver-pgsql.c; PostgreSQL's manual, "pg_locks",
"pg_stat_activity", "Explicit Locking" (a SELECT waits for ACCESS EXCLUSIVE only), "Row Security Policies".
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from mailauth.dovecot.variables import Escape
from mailauth.errors import CannotObserve
from mailauth.stores import pasted, pgsql_client, pgsql_errors, pgsql_table, refusal, silence, waiting
from mailauth.stores.database import (
    BRIEF,
    IDLE,
    LONG,
    ONE_CHANGE,
    ONE_LOCK,
    TIMEOUT,
    Ask,
    Counting,
    Database,
    Host,
    NotChangedError,
    Rows,
    RunOne,
    SchemaQueries,
    ServerDownError,
    Session,
    Updating,
    Value,
    at_server,
)
from mailauth.stores.drivers import psycopg
from mailauth.stores.rows import Column
from mailauth.stores.schema import Place

# Our own limit, unless the server has a shorter one: that ends Dovecot's query, too.
_NO_LONGER = (
    f"SELECT set_config('statement_timeout', '{TIMEOUT}s', %s::boolean) WHERE NOT"
    f" current_setting('statement_timeout')::interval BETWEEN '1 ms'::interval AND '{TIMEOUT} s'::interval"
)


@contextmanager
def _ask(host: Host, timeout: float, template: str) -> Iterator[tuple[Escape, Ask]]:
    connection = pgsql_client.connect(host, seconds=timeout, autocommit=True, read_only=True)
    try:
        with connection:
            raw = connection.pgconn
            # a session behind pgbouncer is another's after this transaction
            connection.execute(_NO_LONGER, (pgsql_client.is_pooled(connection),))

            def escape(text: str) -> str:
                return (
                    psycopg.pq.Escaping(raw)
                    .escape_string(text.encode("utf-8", "surrogateescape"))
                    .decode("utf-8", "surrogateescape")
                )

            def run(query: str) -> Rows:
                try:
                    # no parameters: a % stays a %
                    cursor = connection.execute(query.encode("utf-8", "surrogateescape"))
                except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable) as why:
                    refused = pgsql_errors.of_query(why, template)
                    raise refusal.waiting(refused, lambda: _waits_for(connection, template)) from None
                names = [column.name for column in cursor.description or ()]
                result = cursor.pgresult
                found = result.ntuples if result else 0
                # The text of each value, as Dovecot gets it: that of bytea is "\\x" and hex.
                texts = [
                    [result.get_value(i, j) for j in range(len(names))]
                    for i in range(min(found, 2))
                    if result
                ]
                return names, texts

            yield escape, run
    except (psycopg.Error, UnicodeError) as why:
        raise pgsql_errors.of_query(why, template) from None


def _with_tls(host: Host) -> bool:
    if host.get("sslmode") not in ("disable", "allow"):
        return False
    with suppress(CannotObserve):
        pgsql_client.connect({**host, "sslmode": "require"}, seconds=BRIEF).close()
        return True
    return False


def _waits_for(connection: Any, template: str) -> str:
    """The same connection is free again: the server ended its query."""
    words = sorted(set(re.findall(r"\w+", template.lower())))
    with suppress(Exception):
        rows = connection.execute(_LOCKS, (words,)).fetchall()
        if not rows:
            return ""
        told = (
            waiting.session(pid, user, host, state, seconds) for _, pid, user, host, state, seconds in rows
        )
        return waiting.said(f"the table {rows[0][0]} is locked", told)
    return ""


_LOCKS = (
    "SELECT c.relname, l.pid, a.usename, coalesce(host(a.client_addr), 'local'), a.state,"
    " extract(epoch FROM now() - a.state_change)::int"
    " FROM pg_locks l JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.granted AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid()"
    " AND lower(c.relname) = ANY(%s)"
)

# JIT takes PostgreSQL longer than all it saves here: 0.8 s in each process (measured).  Before 13, groups
# made by hashing had no bound in memory.  A setting that a version lacks cannot be set.
_QUICKLY = (
    "SELECT set_config(name, 'off', TRUE) FROM pg_settings WHERE name = 'jit'"
    " OR (name = 'enable_hashagg' AND current_setting('server_version_num')::int < 130000)"
)
_COPIED = dict(zip(b"\\tnrbfv", b"\\\t\n\r\b\f\v", strict=True))
_ESCAPE = re.compile(rb"\\.")


def _copied(field: bytes) -> Value:
    """A field of COPY's text form."""
    if b"\\" not in field:
        return field
    if field == rb"\N":
        return None
    return _ESCAPE.sub(lambda found: bytes([_COPIED.get(found[0][1], found[0][1])]), field)


def _stream(host: Host) -> Session:
    options = f"-c statement_timeout={LONG * 1000}"
    link = pgsql_client.connect(host, options, seconds=TIMEOUT, read_only=True)
    try:
        link.execute(_QUICKLY)
    except psycopg.Error as why:
        link.close()
        raise pgsql_errors.of_query(why) from None

    def rows(query: str) -> Iterator[tuple[Value, ...]]:
        try:
            # COPY, as a cursor of the server's would keep it from counting with several processes
            asked = f"COPY ({query}) TO STDOUT".encode()
            with link.cursor() as cursor, cursor.copy(asked) as copy:
                for line in copy:
                    yield tuple(map(_copied, bytes(line).removesuffix(b"\n").split(b"\t")))
        except (psycopg.Error, UnicodeError) as why:
            raise pgsql_errors.of_query(why) from None

    def column(query: str) -> Column | None:
        try:
            with link.cursor() as cursor:
                cursor.execute(query.encode())
                found = (cursor.description or [])[0]
        except (psycopg.Error, UnicodeError) as why:
            raise pgsql_errors.of_query(why) from None
        return Column(found.type_display, found.display_size)

    return Session(rows, column, link.close)


@contextmanager
def _change(host: Host) -> Iterator[tuple[Escape, RunOne]]:
    wait = TIMEOUT * 1000
    options = f"-c statement_timeout={wait} -c lock_timeout={ONE_LOCK * 1000}"
    try:
        link = pgsql_client.connect(host, options, seconds=TIMEOUT)
    except CannotObserve as why:
        raise ServerDownError(str(why).rstrip(".")) from None
    try:
        # commits, or rolls back when anything is raised
        with silence.ending(ONE_CHANGE, link.fileno), link:
            link.execute(pgsql_client.AT_ONCE)
            link.execute(f"SET LOCAL idle_in_transaction_session_timeout = {IDLE * 1000}")
            raw = link.pgconn

            def run(statement: str, values: Sequence[str | None]) -> tuple[Sequence[Sequence[Any]], int]:
                cursor = psycopg.RawCursor(link)  # $1; a % stays a %
                cursor.execute(statement.encode(), values)
                return cursor.fetchmany(2) if cursor.description else (), cursor.rowcount

            yield lambda text: psycopg.pq.Escaping(raw).escape_string(text.encode()).decode(), run
    except (psycopg.Error, UnicodeError) as why:
        code = getattr(why, "sqlstate", "")
        # insufficient_privilege, read_only_sql_transaction
        raise NotChangedError(
            f"PostgreSQL: {refusal.first_line(why)}", forbidden=code == "25006", lacks=code == "42501"
        ) from None


def _declared(place: Place, escape: Escape) -> str:
    table, column = f"'{escape(place.table)}'", f"'{escape(place.column)}'"
    return (
        "SELECT data_type || COALESCE('(' || character_maximum_length || ')', '') AS password"  # noqa: S608 - escaped
        f" FROM information_schema.columns WHERE table_schema = {_schema(place, escape)}"
        f" AND lower(table_name) = lower({table}) AND lower(column_name) = lower({column}) LIMIT 1"
    )


def _columns(place: Place, escape: Escape) -> str:
    return (
        "SELECT string_agg(column_name, ',') AS password FROM information_schema.columns"  # noqa: S608 - escaped
        f" WHERE table_schema = {_schema(place, escape)}"
        f" AND lower(table_name) = lower('{escape(place.table)}')"
    )


def _schema(place: Place, escape: Escape) -> str:
    return f"'{escape(place.space)}'" if place.space else "ANY (current_schemas(false))"


def _widen(place: Place) -> str:
    table = f"{place.space}.{place.table}" if place.space else place.table
    return f"ALTER TABLE {table} ALTER COLUMN {place.column} TYPE VARCHAR(255)"


_OTHER_LETTERS = (
    "SELECT 'x' AS password, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS user"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE lower(c.relname) IN ({lower})"
    " AND c.relname <> lower(c.relname) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 2 LIMIT 1"
)
_OTHER_SCHEMA = (
    "SELECT 'x' AS password, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS user"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE lower(c.relname) IN ({lower})"
    " AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT pg_table_is_visible(c.oid)"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 2 LIMIT 1"
)


def _client(host: Host) -> tuple[str, ...]:
    found, database = pasted.server(host, "5432"), host.get("dbname", "")
    if found is None or not pasted.is_word(database):
        return ()
    name, port = found
    program = ("psql", "-v", "ON_ERROR_STOP=1")
    if not name:
        return ("sudo", "-u", "postgres", *program, database)
    return (*program, "-h", name, *(("-p", port) if port else ()), "-U", "postgres", database)


DATABASE = Database(
    name="pgsql",
    urls=("postgresql", "postgres", "pgsql"),
    modules=("psycopg", "psycopg.conninfo", "select", *refusal.ENCODINGS),
    place=lambda host: at_server("pgsql", host),
    ask=_ask,
    stream=_stream,
    change=_change,
    updating=Updating(mark="$1", bare=True),
    table=pgsql_table.Pgsql,
    schema=SchemaQueries(
        declared=_declared,
        columns=_columns,
        widen=_widen,
        named_columns="SELECT string_agg(table_name || ' ' || column_name, ',') AS password FROM"
        " information_schema.columns WHERE table_schema = ANY (current_schemas(false))"
        " AND column_name IN ({names})",
        secured="SELECT 'x' AS password, c.relname || ' for ' || current_user AS user FROM pg_class c"
        " WHERE c.relname IN ({words}) AND pg_table_is_visible(c.oid) AND c.relkind IN ('r', 'p')"
        " AND row_security_active(c.oid) ORDER BY 2 LIMIT 1",
        views="SELECT 'x' AS password, c.relname AS user FROM pg_class c WHERE c.relname IN ({words})"
        " AND pg_table_is_visible(c.oid) AND c.relkind IN ('v', 'm')"
        " AND pg_get_viewdef(c.oid) ~* 'where|join' ORDER BY 2 LIMIT 1",
        tables=(_OTHER_LETTERS, _OTHER_SCHEMA),
        letters="SELECT 'x' AS password, quote_ident(a.attname) AS user FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid WHERE c.relname IN ({words}) AND pg_table_is_visible(c.oid)"
        " AND a.attnum > 0 AND NOT a.attisdropped AND lower(a.attname) = lower('{name}')"
        " AND a.attname <> lower(a.attname) ORDER BY 2 LIMIT 1",
    ),
    client=_client,
    who="SELECT quote_ident(current_user)",
    without_blanks="regexp_replace({0}, '[[:space:]]', '', 'g')",
    counting=Counting(
        # CONCAT, not CAST: that would take the blanks off that Dovecot sees in a CHAR column
        value='CASE WHEN ({0}) IS NULL THEN NULL ELSE CONCAT({0}) END COLLATE "C"',
        user='CAST({0} AS TEXT) COLLATE "C"',
        method="SPLIT_PART(e, '$', 2)",
        find="STRPOS",
        length="LENGTH",
        differs="!~",
        filled="LEFT(e, -{0}) || '{1}'",
        whole="{0} ~ '^{1}$'",
        # What is before it is evaluated once a row, and groups are made by hashing, in each of several
        # processes; a BIGINT, since for any other constant it does not work in parallel
        fence=" OFFSET BIGINT '0'",
    ),
    with_tls=_with_tls,
)
