"""A password that the query makes of columns: ``COALESCE(new, old)``, ``LEFT(password, 100)``.

What is wrong with the string can be the query's doing, so each of its columns is asked for by itself.  A few
more questions, read-only and bounded; asked where the string that comes is damaged, or NULL.
"""

import re
from collections.abc import Callable
from contextlib import suppress

from mailauth.dovecot.authconfig import Passdb, SqlSource
from mailauth.errors import CannotObserve
from mailauth.evidence import Made
from mailauth.stores import conditions, query
from mailauth.stores.store import Outcome, Record

_COLUMNS = 6  # of an expression


def of(passdb: Passdb, ask: Callable[[str], Record], sound: Callable[[Record], bool]) -> Made | None:
    """What the password is made of; None where it is a column as it is, or not plain."""
    source = passdb.source
    select = query.read(source.query) if isinstance(source, SqlSource) else None
    if not isinstance(source, SqlSource) or select is None or not select.column:
        return None
    expression = select.column
    if query.is_name(expression) or re.search(r"\bSELECT\b", expression, re.IGNORECASE):
        return None
    selected = re.compile(rf"{re.escape(expression)}(?=\s+(?:AS\s+)?[\"`]?password)", re.IGNORECASE)
    empty, whole = [], []
    for column in dict.fromkeys(conditions.columns(expression)[:_COLUMNS]):
        found = selected.search(source.query)
        if not found:
            return None
        changed = f"{source.query[: found.start()]}{column}{source.query[found.end() :]}"
        with suppress(CannotObserve):
            record = ask(changed)
            if record.outcome is Outcome.NO_PASSWORD:
                empty.append(column)
            elif record.outcome is Outcome.FOUND and sound(record):
                whole.append(column)
    return Made(" ".join(expression.split()), source.query_place or source.place, tuple(empty), tuple(whole))
