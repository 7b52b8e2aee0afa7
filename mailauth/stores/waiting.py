"""What a query waited for that got no answer in time, by the server's own word, as far as the account sees.

Source: MariaDB's "SHOW PROCESSLIST" and "Thread States"; PostgreSQL's "pg_locks", "pg_stat_activity" and
"Explicit Locking": a SELECT waits for ACCESS EXCLUSIVE only.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Timer
from typing import Any

_SHOWN = 3  # other sessions
_WAITS = re.compile(r"wait|lock", re.IGNORECASE)


@contextmanager
def watched(ask: Callable[[], str], after: float) -> Iterator[list[str]]:
    """What ``ask`` says, put into the list if all that is done inside takes longer than ``after`` seconds.

    MariaDB soon ends a query that waits for a lock when its client is gone: who asks later sees nothing.
    """
    found: list[str] = []
    timer = Timer(after, lambda: found.append(ask()))
    timer.daemon = True
    timer.start()
    try:
        yield found
    finally:
        timer.cancel()


def in_mysql(number: int, connect: Callable[[], Any]) -> str:
    """``number``: the session that waits, which the server still has; ``connect`` makes another one."""
    with suppress(Exception), closing(connect()) as link, link.cursor() as cursor:
        cursor.execute("SHOW FULL PROCESSLIST")
        names = [column[0].lower() for column in cursor.description]
        rows = [dict(zip(names, map(_text, row), strict=True)) for row in cursor.fetchall()]
        mine = next((row for row in rows if row["id"] == str(number)), None)
        if mine is None or not _WAITS.search(mine["state"]):
            return ""
        others = [row for row in rows if row["id"] not in (str(number), str(link.thread_id()))]
        free = [row for row in others if not _WAITS.search(row["state"]) and row["command"] != "Daemon"]
        free.sort(key=lambda row: -int(row["time"] or 0))
        holders = _holders(cursor)
        holding = [row for row in free if row["id"] in holders]
        told = (
            _session(row["id"], row["user"], row["host"], row["command"], row["time"])
            for row in holding or free
        )
        what = f"it says of that query: {mine['state']}"
        if holding:
            return f"{what}; the lock is held by session {', '.join(list(told)[:_SHOWN])}"
        alone = {row["user"] for row in rows} == {mine["user"]}
        return f"{_said(what, told)}; {_ONLY_OWN if alone else _NOT_SHOWN}"
    return ""


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
            found |= {_text(row[0]) for row in cursor.fetchall()}
    return found


def in_pgsql(connection: Any, template: str) -> str:
    """The same connection is free again: the server ended its query."""
    words = sorted(set(re.findall(r"\w+", template.lower())))
    with suppress(Exception):
        rows = connection.execute(_LOCKS, (words,)).fetchall()
        if not rows:
            return ""
        told = (_session(pid, user, host, state, seconds) for _, pid, user, host, state, seconds in rows)
        return _said(f"the table {rows[0][0]} is locked", told)
    return ""


_LOCKS = (
    "SELECT c.relname, l.pid, a.usename, coalesce(host(a.client_addr), 'local'), a.state,"
    " extract(epoch FROM now() - a.state_change)::int"
    " FROM pg_locks l JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.granted AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid()"
    " AND lower(c.relname) = ANY(%s)"
)


def _said(what: str, sessions: Iterable[str]) -> str:
    told = list(sessions)[:_SHOWN]
    return f"{what}; other sessions: {', '.join(told)}" if told else what


def _session(number: object, user: object, host: object, state: object, seconds: object) -> str:
    since = f" for {seconds} s" if seconds not in (None, "") else ""
    return f"{number} of {user or 'another user'} at {host or 'another host'} ({state or 'not shown'}{since})"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
