"""The rows of some users, found by the name that the store has for them."""

from collections.abc import Sequence
from itertools import chain

from mailauth.errors import Refused
from mailauth.stores.file_table import FileTable
from mailauth.stores.swaps import Row, Table, key_of
from mailauth.stores.table import SqlTable

_AT_ONCE = 500  # names in a statement


def rows_of(table: Table, users: Sequence[str]) -> list[Row]:
    """The rows as they are now; there may be none for a user, and several.

    In a database, what its own comparison takes for the same name is found: it may be in other case.
    Raises Refused, CannotObserve.
    """
    if isinstance(table, FileTable):
        return list(table.now([(0, user) for user in users]))
    if not isinstance(table, SqlTable):
        raise Refused(f"{table.place}: mailauth cannot look users up there.")
    chunks = (users[at : at + _AT_ONCE] for at in range(0, len(users), _AT_ONCE))
    return list(chain.from_iterable(_rows(table, chunk) for chunk in chunks))


def _rows(table: SqlTable, users: Sequence[str]) -> Sequence[Row]:
    marks = ", ".join([table.engine.mark] * len(users))
    keys = ", ".join(table.names.keys)
    found = table.engine.rows(
        f"SELECT {keys} FROM {table.names.table} WHERE {table.user} IN ({marks})",  # noqa: S608 - the password query's own words
        users,
    )
    return table.now([key_of(row) for row in found])
