"""Where a mail database keeps the addresses that it forwards: questions to its schema and its tables.  Pure.

Each question is a query with one field named password, as those of a passdb are, so that it is asked on the
same connection and read-only.  Tables are known by the names of two columns: an address, and where its mail
goes.
"""

import re

from mailauth.dovecot.version import Dialect

_FROM = ("address", "source", "alias", "email")
_TO = ("goto", "destination", "forwarding", "target", "forward_to")
_MOST = 4  # tables that are asked
_NAME = re.compile(r"[A-Za-z_]\w*")

Table = tuple[str, str, str]  # its name, the column of the address, and that of where the mail goes


def asking(named_columns: str) -> str:
    """The query of ``SchemaQueries`` for the columns of these names: "alias address,alias goto,..."."""
    return named_columns.format(names=", ".join(f"'{name}'" for name in (*_FROM, *_TO)))


def tables(told: str) -> tuple[Table, ...]:
    """The tables that have both columns."""
    columns: dict[str, set[str]] = {}
    for pair in told.split(","):
        table, _, column = pair.partition(" ")
        if _NAME.fullmatch(table) and _NAME.fullmatch(column):
            columns.setdefault(table, set()).add(column.lower())
    found = []
    for table, names in columns.items():
        start, end = (next((name for name in kind if name in names), "") for kind in (_FROM, _TO))
        if start and end:
            found.append((table, start, end))
    return tuple(sorted(found)[:_MOST])


def goes_to(table: Table, quote: str, dialect: Dialect) -> str:
    """The query for where the user's mail goes; NULL where it is no alias."""
    name, start, end = (f"{quote}{one}{quote}" for one in table)
    user = "%u" if dialect == "2.3" else "%{user}"
    return f"SELECT MIN({end}) AS password FROM {name} WHERE {start} = '{user}'"  # noqa: S608 - names only


def others(told: str, user: str) -> str:
    """The first address that is not the user's own; a mailbox may be listed as forwarded to itself."""
    words = [word for word in re.split(r"[\s,;]+", told) if word]
    return "" if user in words or not words else words[0]
