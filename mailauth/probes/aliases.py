"""An address that nobody can log in with: mail to it is forwarded, as a table of the same database says.

A few more questions to the passdbs' databases, read-only and bounded; asked of unknown users only.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from mailauth.dovecot.authconfig import Passdb, SqlSource
from mailauth.dovecot.version import Dialect
from mailauth.errors import CannotObserve
from mailauth.evidence import NearName
from mailauth.stores import aliases
from mailauth.stores.databases import DATABASES
from mailauth.stores.store import Outcome, Record


def find(
    passdbs: tuple[Passdb, ...], user: str, dialect: Dialect, ask: Callable[[Passdb], Record]
) -> tuple[NearName, ...]:
    """Where the user's mail goes, the table as the place."""
    found = []
    for passdb in passdbs:
        source = passdb.source
        if not isinstance(source, SqlSource):
            continue

        def said(query: str, passdb: Passdb = passdb, source: SqlSource = source) -> str:
            with suppress(CannotObserve):
                record = ask(replace(passdb, source=replace(source, query=query)))
                if record.outcome is Outcome.FOUND:
                    return record.stored.decode("utf-8", "replace")
            return ""

        schema = DATABASES[source.driver].schema
        found += [
            NearName(passdb.label, f"table {table[0]}", to)
            for table in aliases.tables(said(aliases.asking(schema.named_columns)))
            if (to := aliases.others(said(aliases.goes_to(table, schema.quote, dialect)), user))
        ]
    return tuple(found)
