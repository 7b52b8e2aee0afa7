"""What a database says of its own tables, where a query finds nobody or no table.

A few more questions with the account that Dovecot has, read-only and bounded.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from mailauth.dovecot.authconfig import Passdb, SqlSource
from mailauth.errors import CannotObserve
from mailauth.evidence import HidesRows
from mailauth.probes.walk import WalkEntry
from mailauth.stores import catalogue, query, schema
from mailauth.stores.databases import DATABASES
from mailauth.stores.store import Failing, Failure, Outcome, Record

_FUNCTION = re.compile(r"\bFROM\s+([A-Za-z_][\w.]*)\s*\(", re.IGNORECASE)
Ask = Callable[[Passdb], Record]
_PLAIN = re.compile(r"\w{1,64}", re.ASCII)
_COLUMN = re.compile(r"(?:\w+\.)?(\w+)")


def find(passdbs: Iterable[Passdb], ask: Ask) -> tuple[HidesRows, ...]:
    """Tables with row-level security, and views, that can leave the user's row out."""
    found = []
    for passdb, source in _of_sql(passdbs):
        if function := _FUNCTION.search(source.query):
            found.append(HidesRows(passdb.label, source.driver, f"{function[1]}()", security=False))
        asked = DATABASES[source.driver].schema
        for security, template in ((True, asked.secured), (False, asked.views)):
            text = catalogue.filled(template, source.query)
            if name := _named(passdb, source, text, ask):
                found.append(HidesRows(passdb.label, source.driver, name, security=security))
    return tuple(found)


def with_alike(entry: WalkEntry, ask: Ask) -> WalkEntry:
    """Where a table or column is missing: with what there is instead."""
    failure = entry.record.failure
    if failure is None:
        return entry
    name, columns = _alike(entry.passdb, entry.record, ask), _columns(entry.passdb, failure, ask)
    return replace(entry, record=replace(entry.record, failure=replace(failure, alike=name, columns=columns)))


def _columns(passdb: Passdb, failure: Failure, ask: Ask) -> tuple[str, ...]:
    """The columns of the one table that the query reads, where it names one that is not there."""
    source = passdb.source
    if failure.kind is not Failing.COLUMN or not isinstance(source, SqlSource):
        return ()
    select = query.read(source.query)
    place = schema.column_of(replace(select, column="password")) if select else None
    if place is None or not all(_PLAIN.fullmatch(one) for one in (place.space or "x", place.table)):
        return ()
    text = DATABASES[source.driver].schema.columns(place, str)
    with suppress(CannotObserve):
        record = ask(replace(passdb, source=replace(source, query=text)))
        if record.outcome is Outcome.FOUND:
            return tuple(record.stored.decode("utf-8", "replace").split(","))
    return ()


def _alike(passdb: Passdb, record: Record, ask: Ask) -> str:
    source, failure = passdb.source, record.failure
    if failure is None or not isinstance(source, SqlSource):
        return ""
    asked = DATABASES[source.driver].schema
    if failure.kind is Failing.TABLE:
        texts = [catalogue.filled(one, source.query) for one in asked.tables]
        names = (_named(passdb, source, text, ask) for text in texts)
        return next((f"there is {name}, in other letters or another schema" for name in names if name), "")
    column = _COLUMN.fullmatch(failure.missing)
    if column is None:
        return ""
    name = _named(passdb, source, catalogue.letters(asked.letters, source.query, column[1]), ask)
    return f"there is {name}, in other letters" if name else ""


def _of_sql(passdbs: Iterable[Passdb]) -> list[tuple[Passdb, SqlSource]]:
    return [(one, one.source) for one in passdbs if isinstance(one.source, SqlSource)]


def _named(passdb: Passdb, source: SqlSource, text: str, ask: Ask) -> str:
    if not text:
        return ""
    with suppress(CannotObserve):
        record = ask(replace(passdb, source=replace(source, query=text)))
        if record.outcome is Outcome.FOUND:
            return dict(record.values).get("user", "")
    return ""
