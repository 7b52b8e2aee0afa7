"""Whether Dovecot gets a column as it is: a password query, or a view, may make something else of it.

Where ``CONCAT('{BLF-CRYPT}', crypt)`` is the password, a scheme that is written into ``crypt`` stands there
twice, and nobody logs in any more.  So what both queries return for the same users is compared beforehand.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from mailauth.dovecot.authconfig import SqlSource
from mailauth.errors import CannotObserve, Refused
from mailauth.migrate.where import Where
from mailauth.stores import listing
from mailauth.stores.swaps import Table

_USERS = 200  # that are compared


def must_be_as_it_is(where: Where, table: Table) -> None:
    """Where the rows were named beside a password query.  Raises Refused."""
    source = where.passdb[1].source if where.passdb else None
    if not isinstance(source, SqlSource) or source == where.source:
        return
    try:
        asked = {one.user.decode(): one.stored for one in islice(listing.read(where.dovecot, source), _USERS)}
        rows = table.of_users(list(asked))
    except (Refused, CannotObserve, UnicodeDecodeError):
        return  # a query that is not plain: nothing is known of it
    times = Counter(row.user for row in rows)
    pairs = [(row.user, row.stored, asked.get(row.user)) for row in rows if times[row.user] == 1]
    if user := altered(pairs):
        raise Refused(
            f"{source.place}: for {user} the password query returns another string than the column of"
            " --rows-query has: it computes the password, or reads another column. Dovecot would not get what"
            " is written there. Let the password query return the column as it is, with the scheme as the"
            " passdb's default scheme, and then migrate."
        )


def altered(pairs: Iterable[tuple[str, bytes | None, bytes | None]]) -> str:
    """The first user for whom a string is made of the column's; "" where none is.

    ``pairs``: users, what the column has, and what the password query returns.  Where it returns the column's
    for some users and another column's for the rest (COALESCE, IF), it makes nothing of it.
    """
    compared = list(pairs)
    others = [pair for pair in compared if pair[1] != pair[2]]
    around = [user for user, stored, got in others if stored and got and stored in got]
    return (around or [user for user, *_ in others if len(others) == len(compared)] or [""])[0]
