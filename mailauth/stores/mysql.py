"""MariaDB and MySQL: the driver, with ``mysql_client.py``, ``mysql_errors.py`` and ``mysql_table.py``.

Source: Dovecot 2.3.19.1 and 2.4.1, src/lib-sql/driver-mysql.c; MariaDB's "SHOW PROCESSLIST", "Thread States".
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

from mailauth.dovecot.variables import Escape
from mailauth.errors import CannotObserve
from mailauth.stores import mysql_client, mysql_errors, mysql_table, pasted, refusal, silence, waiting
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
    Replacing,
    Rows,
    RunOne,
    SchemaQueries,
    ServerDownError,
    Session,
    Updating,
    Value,
    at_server,
    streamed,
)
from mailauth.stores.drivers import pymysql
from mailauth.stores.rows import Column
from mailauth.stores.schema import Place


@contextmanager
def _ask(host: Host, timeout: float, template: str) -> Iterator[tuple[Escape, Ask]]:
    problems = (pymysql.Error, OSError, ValueError, RuntimeError)
    # what the server sends as it is, which is what Dovecot gets
    raw = {kind: how for kind, how in pymysql.converters.conversions.items() if not isinstance(kind, int)}
    connection = mysql_client.connect(host, seconds=timeout, read=TIMEOUT, use_unicode=False, conv=raw)
    try:
        with mysql_errors.understood(host), closing(connection):
            connection.query("SET SESSION TRANSACTION READ ONLY")
            number = connection.thread_id()

            def again() -> Any:
                return mysql_client.connect(host, seconds=BRIEF, read=BRIEF)

            def run(query: str) -> Rows:
                # unbuffered, to tell what is refused from what breaks off while the rows are read
                cursor = connection.cursor(pymysql.cursors.SSCursor)
                waits: list[str] = []
                try:
                    watched = waiting.watched(lambda: _waits_for(number, again), TIMEOUT / 2)
                    with mysql_errors.understood(host), watched as waits:
                        cursor.execute(query.encode("utf-8", "surrogateescape"))
                except problems as why:
                    by_definer = why.args and why.args[0] in mysql_errors.BY_DEFINER
                    views = _views(connection, template) if by_definer else ()
                    refused = mysql_errors.of_query(why, template, views=views)
                    raise refusal.waiting(refused, lambda: "".join(waits)) from None
                names = [column[0] for column in cursor.description or ()]
                try:
                    with mysql_errors.understood(host), mysql_errors.unbuffered(cursor):
                        return names, cursor.fetchmany(2) if names else ()
                except problems as why:
                    # Then Dovecot takes it for a query without a row: driver_mysql_query_s() asks
                    # mysql_next_result() before it asks for the error, which that clears.  Measured.
                    raise mysql_errors.of_query(why, template, late=True) from None

            # escape() quotes, too; it honours the server's NO_BACKSLASH_ESCAPES
            yield lambda text: connection.escape(text)[1:-1], run
    except problems as why:
        raise mysql_errors.of_query(why, template) from None


def _views(connection: Any, template: str) -> tuple[str, ...]:
    """Those of the database's views that the query names."""
    words = set(re.findall(r"\w+", template))
    with suppress(Exception), connection.cursor() as cursor:  # it is no more than a help
        cursor.execute("SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE()")
        found = [waiting.text(row[0]) for row in cursor.fetchall()]
        return tuple(name for name in found if name in words)
    return ()


def _waits_for(number: int, connect: Callable[[], Any]) -> str:
    """``number``: the session that waits, which the server still has; ``connect`` makes another one."""
    with suppress(Exception), closing(connect()) as link, link.cursor() as cursor:
        cursor.execute("SHOW FULL PROCESSLIST")
        names = [column[0].lower() for column in cursor.description]
        rows = [dict(zip(names, map(waiting.text, row), strict=True)) for row in cursor.fetchall()]
        mine = next((row for row in rows if row["id"] == str(number)), None)
        if mine is None or not _WAITS.search(mine["state"]):
            return ""
        others = [row for row in rows if row["id"] not in (str(number), str(link.thread_id()))]
        free = [row for row in others if not _WAITS.search(row["state"]) and row["command"] != "Daemon"]
        free.sort(key=lambda row: -int(row["time"] or 0))
        holders = _holders(cursor)
        holding = [row for row in free if row["id"] in holders]
        told = (
            waiting.session(row["id"], row["user"], row["host"], row["command"], row["time"])
            for row in holding or free
        )
        what = f"it says of that query: {mine['state']}"
        if holding:
            return f"{what}; the lock is held by session {', '.join(list(told)[: waiting.SHOWN])}"
        alone = {row["user"] for row in rows} == {mine["user"]}
        return f"{waiting.said(what, told)}; {_ONLY_OWN if alone else _NOT_SHOWN}"
    return ""


_WAITS = re.compile(r"wait|lock", re.IGNORECASE)
_NOT_SHOWN = (
    "which of them holds the lock, the server does not show this account (the plugin METADATA_LOCK_INFO, or"
    " performance_schema, would)"
)
_ONLY_OWN = "this account is shown its own sessions only: who holds the lock, SHOW PROCESSLIST as root shows"
# Who keeps readers out of a table.  Source: MariaDB's "Metadata Lock Info Plugin", "performance_schema".
_HOLDERS = (
    (
        "SELECT thread_id FROM information_schema.metadata_lock_info"
        " WHERE lock_mode IN ('MDL_SHARED_NO_READ_WRITE', 'MDL_EXCLUSIVE') AND table_schema = DATABASE()"
    ),
    (
        "SELECT t.processlist_id FROM performance_schema.metadata_locks l JOIN performance_schema.threads t"
        " ON t.thread_id = l.owner_thread_id WHERE l.lock_status = 'GRANTED' AND l.object_type = 'TABLE'"
        " AND l.lock_type IN ('SHARED_NO_READ_WRITE', 'EXCLUSIVE') AND l.object_schema = DATABASE()"
    ),
)


def _holders(cursor: Any) -> set[str]:
    """The numbers of the sessions that lock a table of this database; none where they are not shown."""
    found: set[str] = set()
    for query in _HOLDERS:
        with suppress(Exception):  # the plugin is not there, or the account has not the right
            cursor.execute(query)
            found |= {waiting.text(row[0]) for row in cursor.fetchall()}
    return found


_HAS_PCRE = re.compile(r"\b1[0-9]+[.][0-9.]+-MariaDB")  # 10.0 and later: "5.5.5-10.11.6-MariaDB", too
_TEXTS = {252: "TEXT", 253: "VARCHAR", 254: "CHAR"}
_UTF8MB4 = 4  # bytes a character


def _stream(host: Host) -> Session:
    link = mysql_client.connect(host, seconds=TIMEOUT, read=LONG)
    try:
        with mysql_errors.understood(host), link.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
    except (pymysql.Error, OSError, ValueError, RuntimeError) as why:
        raise mysql_errors.of_query(why) from None

    def rows(query: str) -> Iterator[tuple[Value, ...]]:
        try:
            asked = mysql_errors.unbuffered(link.cursor(pymysql.cursors.SSCursor))
            with mysql_errors.understood(host), asked as cursor:
                cursor.execute(query)
                yield from streamed(cursor)
        except (pymysql.Error, OSError, ValueError, RuntimeError) as why:
            raise mysql_errors.of_query(why) from None

    def column(query: str) -> Column | None:
        try:
            with mysql_errors.understood(host), link.cursor() as cursor:
                cursor.execute(query)
                found = (cursor.description or [(None, None)])[0]
        except (pymysql.Error, OSError, ValueError, RuntimeError) as why:
            raise mysql_errors.of_query(why) from None
        kind = _TEXTS.get(found[1])
        return Column(kind, None if kind == "TEXT" else found[3] // _UTF8MB4) if kind else None

    return Session(rows, column, link.close, replaces=_HAS_PCRE.search(link.get_server_info()) is not None)


@contextmanager
def _change(host: Host) -> Iterator[tuple[Escape, RunOne]]:
    problems = (pymysql.Error, OSError, ValueError, RuntimeError)
    try:
        link = mysql_client.connect(
            host,
            seconds=TIMEOUT,
            read=2 * TIMEOUT,
            write_timeout=TIMEOUT,
            autocommit=False,
            client_flag=pymysql.constants.CLIENT.FOUND_ROWS,
        )
    except CannotObserve as why:
        raise ServerDownError(str(why).rstrip(".")) from None
    with closing(link), link.cursor() as cursor:  # closing rolls back what was not committed

        def run(statement: str, values: Sequence[str | None]) -> tuple[Sequence[Sequence[Any]], int]:
            cursor.execute(statement, values or None)
            return cursor.fetchmany(2) if cursor.description else (), cursor.rowcount

        try:
            late = silence.ending(ONE_CHANGE, lambda: mysql_client.descriptor(link))
            with mysql_errors.understood(host), late:
                cursor.execute(
                    f"SET SESSION innodb_lock_wait_timeout = {ONE_LOCK}, SESSION wait_timeout = {IDLE}"
                )
                # escape() quotes, too; it honours the server's NO_BACKSLASH_ESCAPES
                yield lambda text: link.escape(text)[1:-1], run
                link.commit()
        except problems as why:
            code = why.args[0] if why.args else 0
            # table and column access denied; --read-only; a read-only transaction
            raise NotChangedError(
                f"MariaDB/MySQL: {_last(why)}", forbidden=code in (1290, 1792), lacks=code in (1142, 1143)
            ) from None


def _last(why: Exception) -> str:
    return str(why.args[-1] if why.args else why).rstrip(".")


def _unfit(table: str, run: RunOne) -> str:
    """MyISAM, for one, takes nothing back."""
    if mysql_client.without_transactions(table, lambda query, values: run(query, values)[0]):
        return "the table's engine has no transactions, so a change could not be taken back"
    return ""


def _declared(place: Place, escape: Escape) -> str:
    table, column = f"'{escape(place.table)}'", f"'{escape(place.column)}'"
    return (
        "SELECT column_type AS password FROM information_schema.columns"  # noqa: S608 - escaped
        f" WHERE table_schema = {_schema(place, escape)} AND table_name = {table} AND column_name = {column}"
    )


def _columns(place: Place, escape: Escape) -> str:
    return (
        "SELECT GROUP_CONCAT(column_name) AS password FROM information_schema.columns"  # noqa: S608 - escaped
        f" WHERE table_schema = {_schema(place, escape)} AND table_name = '{escape(place.table)}'"
    )


def _schema(place: Place, escape: Escape) -> str:
    return f"'{escape(place.space)}'" if place.space else "DATABASE()"


def _widen(place: Place) -> str:
    table = f"{place.space}.{place.table}" if place.space else place.table
    return f"ALTER TABLE {table} MODIFY {place.column} VARCHAR(255)"


_LONGEST = 512  # characters of a string that are counted
_OTHER_LETTERS = (
    "SELECT 'x' AS password, table_name AS user FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND LOWER(table_name) IN ({lower})"
    " AND BINARY table_name NOT IN ({exact}) ORDER BY 2 LIMIT 1"
)


def _client(host: Host) -> tuple[str, ...]:
    found, database = pasted.server(host, "3306"), host.get("dbname", "")
    if found is None or not pasted.is_word(database):
        return ()
    name, port = found
    if not name:
        return ("sudo", "mysql", database)
    return ("mysql", "-h", name, *(("-P", port) if port else ()), "-u", "root", "-p", database)


DATABASE = Database(
    name="mysql",
    urls=("mysql", "mariadb"),
    modules=("pymysql.cursors", *refusal.ENCODINGS),
    place=lambda host: at_server("mysql", host, host.get("option_file", "")),
    ask=_ask,
    stream=_stream,
    change=_change,
    # pymysql takes a % for a mark of its own
    updating=Updating(mark="%s", condition=lambda text: text.replace("%", "%%"), unfit=_unfit),
    table=mysql_table.Mysql,
    schema=SchemaQueries(
        declared=_declared,
        columns=_columns,
        widen=_widen,
        quote="`",
        named_columns="SELECT GROUP_CONCAT(CONCAT(table_name, ' ', column_name)) AS password"
        " FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name IN ({names})",
        views="SELECT 'x' AS password, table_name AS user FROM information_schema.views"
        " WHERE table_schema = DATABASE() AND table_name IN ({words}) ORDER BY 2 LIMIT 1",
        tables=(_OTHER_LETTERS,),
    ),
    client=_client,
    who="SELECT CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@',"
    " QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))",
    without_blanks="REGEXP_REPLACE({0}, '[[:space:]]', '')",
    counting=Counting(
        value=f"CAST({{0}} AS CHAR({_LONGEST})) COLLATE utf8mb4_bin",
        user="CAST({0} AS CHAR(255))",
        method="SUBSTRING_INDEX(SUBSTRING_INDEX(e, '$', 2), '$', -1)",
        find="INSTR",
        length="CHAR_LENGTH",
        differs="NOT REGEXP",
        filled="CONCAT(LEFT(e, CHAR_LENGTH(e) - {0}), '{1}')",
        alike="k, CHAR_LENGTH(k)",  # utf8mb4_bin takes a string with blanks at its end for the same
    ),
    # MySQL's own takes other expressions
    replacing=Replacing(
        value="CAST(CONVERT({0} USING utf8mb4) AS BINARY)",
        user="LEFT({0}, 255)",
        length="CHAR_LENGTH({0})",
        replace=f"LEFT(COALESCE(REGEXP_REPLACE({{0}}, {{1}}, {{2}}), CONCAT(0x0a0a, {{0}})), {_LONGEST + 2})",
        text=lambda text: f"0x{text.encode().hex()}",  # whatever a backslash is to this server
    ),
    with_tls=lambda host: mysql_client.with_tls(host, BRIEF),
    account=mysql_client.account_from,
)
