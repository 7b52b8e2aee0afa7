"""Whether Dovecot gets a column as it is: a password query, or a view, may make something else of it.

Where ``CONCAT('{BLF-CRYPT}', crypt)`` is the password, a scheme that is written into ``crypt`` stands there
twice, and nobody logs in any more.  So what both queries return for the same users is compared beforehand.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from mailauth.dovecot.authconfig import SqlSource
from mailauth.errors import CannotObserve, Refused
from mailauth.migrate.where import Where
from mailauth.stores import listing, query
from mailauth.stores.swaps import Table

_USERS = 200  # that are compared


def must_be_as_it_is(where: Where, table: Table) -> None:
    """Where the rows were named beside a password query.  Raises Refused."""
    asked = _asked(where)
    if not asked:
        return
    try:
        rows = [(row.user, row.stored) for row in table.of_users(list(asked))]
    except (Refused, CannotObserve):
        return  # users that no column names: nothing is known of it
    if user := _compared(rows, asked):
        raise Refused(
            f"{_place(where)}: for {user} the password query returns another string than the column of"
            " --rows-query has: it computes the password, or reads another column. Dovecot would not get what"
            " is written there. Let the password query return the column as it is, with the scheme as the"
            " passdb's default scheme, and then migrate."
        )


def must_be_what_is_read(where: Where) -> None:
    """The same where the rows are read only, and go elsewhere.  Raises Refused, CannotObserve."""
    asked = _asked(where)
    if not asked:
        return
    rows = (
        (name, one.stored)
        for one in listing.read(where.dovecot, where.source)
        if (name := one.user.decode("utf-8", "replace")) in asked
    )
    if user := _compared(rows, asked):
        raise Refused(
            f"{_place(where)}: for {user} the password query returns another string than --rows-query: it"
            " computes the password, or reads another column, and Dovecot verifies against what it returns."
            " Let --rows-query return the same expression as the password query."
        )


def _place(where: Where) -> str:
    source = where.passdb[1].source if where.passdb else None
    return source.place if isinstance(source, SqlSource) else where.label


def _asked(where: Where) -> dict[str, bytes | None]:
    """What the password query returns for some users; {} where that is the store itself, or is not known."""
    source = where.passdb[1].source if where.passdb else None
    if not isinstance(source, SqlSource) or source == where.source:
        return {}
    for one in (source, _of_the_table(source)):
        with suppress(Refused, CannotObserve, UnicodeDecodeError):
            found = islice(listing.read(where.dovecot, one), _USERS) if one else ()
            return {row.user.decode(): row.stored for row in found}
    return {}


def _of_the_table(source: SqlSource) -> SqlSource | None:
    """The same expression for all rows of its one table, where a condition depends on the login."""
    select, user = query.read(source.query), query.user_of(source.query)
    if select is None or not select.column or not user:
        return None
    if not query.simple(select, any_column=True, any_rows=True) or query.VARIABLE.search(user):
        return None
    text = f"SELECT {user} AS user, {select.column} AS password FROM {select.tables}"  # noqa: S608 - its words
    return replace(source, query=text)


def _compared(rows: Iterable[tuple[str, bytes | None]], asked: Mapping[str, bytes | None]) -> str:
    found = list(rows)
    times = Counter(user for user, _ in found)
    return altered([(user, stored, asked.get(user)) for user, stored in found if times[user] == 1])


def altered(pairs: Iterable[tuple[str, bytes | None, bytes | None]]) -> str:
    """The first user for whom a string is made of the column's; "" where none is.

    ``pairs``: users, what the column has, and what the password query returns.  Where it returns the column's
    for some users and another column's for the rest (COALESCE, IF), it makes nothing of it.
    """
    compared = list(pairs)
    others = [pair for pair in compared if pair[1] != pair[2]]
    around = [user for user, stored, got in others if stored and got and stored in got]
    return (around or [user for user, *_ in others if len(others) == len(compared)] or [""])[0]
