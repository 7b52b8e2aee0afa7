"""Write one row of a database: lock it, compare it, write it, read it again; all in one transaction.

Both strings are compared here, not in SQL: servers log statements with their values.
"""

from mailauth.dovecot.authconfig import SqlSource
from mailauth.dovecot.variables import Fill
from mailauth.errors import Refused, RowChanged
from mailauth.stores import pasted
from mailauth.stores.database import NotChangedError, RunOne, ServerDownError, Updating
from mailauth.stores.databases import DATABASES
from mailauth.stores.query import PlainSelect
from mailauth.stores.store import as_bytes


def change(
    source: SqlSource,
    select: PlainSelect,
    fill: Fill,
    old: bytes | None,
    new: bytes | None,
) -> str:
    """Write ``new`` where ``old`` is; returns the place.  Raises Refused, with nothing changed."""
    down = "no server is named"
    database = DATABASES[source.driver]
    for host in source.hosts:
        place = database.place(host)
        try:
            with database.change(host) as (escape, run):
                _change(database.updating, select, fill(select.where, escape), run, (old, new))
        except ServerDownError as why:
            down = f"{place}: {why}"
            continue
        except NotChangedError as why:
            says = str(why)
            for secret in (old, new):
                says = says.replace(secret.decode("utf-8", "replace"), "...") if secret else says
            said = f"{place}: {says}; nothing was changed."
            if why.forbidden:
                statement = to_run(select.tables, select.column, pasted.of_the_user(select.where, fill))
                said += f" As the database's administrator run: {statement}"
            raise (RowChanged if why.changed else Refused)(said) from None
        return place
    raise Refused(f"{down}; nothing was changed.")


def settle(source: SqlSource) -> None:
    """Have a file put back what a killed writer left half written, which no reader may.  Raises Refused.

    SQLite does so as whoever may write begins: its documentation, "Hot Rollback Journals".
    """
    database = DATABASES[source.driver]
    for host in source.hosts if database.is_file else ():
        try:
            with database.change(host):
                pass
        except (ServerDownError, NotChangedError) as why:
            raise Refused(f"{database.place(host)}: {why}; nothing was changed.") from None


def forbidden(source: SqlSource, select: PlainSelect) -> str:
    """That the account may not write the column, and the right that it lacks; "" where it may, or none says.

    Nothing is changed: the statement is only explained.  A file is not asked: who begins to write there keeps
    others from it, and puts back what a killed writer left.
    """
    database = DATABASES[source.driver]
    if database.is_file:
        return ""
    column = select.column.rpartition(".")[2] if database.updating.bare else select.column
    for host in source.hosts:
        who = ""
        try:
            with database.change(host) as (_, run):
                if database.who:
                    rows, _count = run(database.who, ())
                    who = (as_bytes(rows[0][0]) or b"").decode("utf-8", "replace")
                run(f"EXPLAIN UPDATE {select.tables} SET {column} = '' WHERE 1 = 0", ())  # noqa: S608 - names of the password query
        except ServerDownError:
            continue
        except NotChangedError as why:
            return _lacks(database.place(host), select.tables, who, why) if why.forbidden else ""
        return ""
    return ""


def _lacks(place: str, table: str, who: str, why: NotChangedError) -> str:
    """One sentence; the GRANT only where that is what is missing, and of strict words."""
    of = f"the account {who}" if who and pasted.is_account(who) else "Dovecot's account"
    said = f"{place}: {of} may not write {table} ({why})"
    if not (why.lacks and pasted.is_table(table) and pasted.is_account(who)):
        return said
    return f"{said}; as the database's administrator run: GRANT SELECT, UPDATE ON {table} TO {who};"


def to_run(table: str, column: str, where: str) -> str:
    """What an administrator would run, with placeholders where the strings go."""
    return f"UPDATE {table} SET {column} = '<new string>' WHERE ({where}) AND {column} = '<old string>';"  # noqa: S608 - to be read


def _change(
    words: Updating,
    select: PlainSelect,
    where: str,
    run: RunOne,
    values: tuple[bytes | None, bytes | None],
) -> None:
    """In a transaction that the caller commits when we return, and rolls back when we raise."""
    old, new = values
    # A line of its own: the condition may end in a comment.
    those = f"{select.tables} WHERE (\n{where}\n)"
    rows, _ = run(f"SELECT {select.column} FROM {those}{words.lock}", ())  # noqa: S608 - the password query's own words
    if len(rows) != 1:
        many = "no row" if not rows else "several rows"
        raise NotChangedError(f"the password query's condition names {many} now", changed=not rows)
    if as_bytes(rows[0][0]) != old:
        raise NotChangedError("the row was changed by someone else since it was read", changed=True)
    if unfit := words.unfit(select.tables, run):
        raise NotChangedError(unfit)
    column = select.column.rpartition(".")[2] if words.bare else select.column
    text = None if new is None else new.decode()
    where = words.condition(where)
    _, count = run(f"UPDATE {select.tables} SET {column} = {words.mark} WHERE (\n{where}\n)", (text,))  # noqa: S608 - the same
    if count != 1:
        raise NotChangedError(f"{count} rows would have been changed instead of one")
    rows, _ = run(f"SELECT {select.column} FROM {those}", ())  # noqa: S608 - the same
    if len(rows) != 1 or as_bytes(rows[0][0]) != new:
        raise NotChangedError("the column does not keep the new string as it is (see its type and width)")
