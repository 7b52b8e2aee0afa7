"""Read many rows of a database in bounded memory: read-only, as a stream.

Unlike ``sql``, which asks for one row as Dovecot does, this one asks questions of our own making.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from mailauth.dovecot.authconfig import SqlSource
from mailauth.errors import CannotObserve
from mailauth.records import dataclass
from mailauth.stores import refusal, sql
from mailauth.stores.database import Stream
from mailauth.stores.databases import DATABASES
from mailauth.stores.rows import Column


@dataclass(frozen=True, slots=True)
class Link:
    """An open session: ``rows`` streams a query's answer, ``column`` says what its first column is.

    ``replaces``: the server replaces by an expression.
    """

    place: str
    rows: Stream
    column: Callable[[str], Column | None]
    replaces: bool = False


@contextmanager
def opened(source: SqlSource) -> Iterator[Link]:
    """On the first server that answers, where Dovecot lives.  Raises CannotObserve."""
    sql.prepare(source)
    problem = CannotObserve(f"{source.place}: no server is named.")
    database = DATABASES[source.driver]
    for host in source.hosts:
        place = database.place(host)
        try:
            session = database.stream(host)
        except refusal.Refusal as why:
            needs_root = why.by_name and os.geteuid() != 0
            problem = CannotObserve(f"{place}: {why.says}.", needs_root=needs_root)
            continue
        try:
            yield Link(place, session.rows, session.column, session.replaces)
        except refusal.Refusal as why:
            raise CannotObserve(f"{place}: {why.says}.") from None
        finally:
            with suppress(Exception):
                session.close()
        return
    raise problem
