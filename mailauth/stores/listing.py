"""Who can log in by a store, with the stored string: what a password query leaves out is not among them.

A query's condition on the user's name is taken away, and every other one holds (``active = 1``).
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

from mailauth import lines
from mailauth.dovecot.authconfig import FileSource, Source, SqlSource
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import Refused
from mailauth.oserrors import unseen
from mailauth.records import dataclass
from mailauth.stores import conditions, directory_listing, directory_table, passwd_file, query, sql, streaming
from mailauth.stores.database import Value
from mailauth.stores.directory_table import DirectorySource
from mailauth.stores.file_domains import domain_of, full_name, no_login
from mailauth.stores.once import Once
from mailauth.stores.rows import Listed
from mailauth.stores.string_counts import files_of

_USERDB = "userdb_"
_AT_ONCE = 20_000
_LAST = 7  # fields of a line before those with extra fields


def listed(source: Source | DirectorySource) -> Iterator[Listed]:
    """To be asked where the store is.  Raises Refused, CannotObserve."""
    if isinstance(source, DirectorySource):
        yield from directory_listing.listed(source)
    elif isinstance(source, SqlSource):
        yield from _of_sql(source)
    elif isinstance(source, FileSource):
        several = query.VARIABLE.search(source.path)
        for path in files_of(source.path) if several else [str(source.path)]:
            domain = domain_of(source.path, path) if several else ""
            yield from _of_file(Path(path), domain, source.username_format)


class Read(Protocol):
    """A listing in another root, read piece by piece."""

    def some(self) -> Sequence[Listed]:
        """The next ones; none at the end."""


@dataclass(slots=True)
class _Reading:
    rows: Iterator[Listed]

    def some(self) -> Sequence[Listed]:
        return list(islice(self.rows, _AT_ONCE))


def read(dovecot: Installation, source: Source | DirectorySource) -> Iterator[Listed]:
    """The same, where that Dovecot lives."""
    if isinstance(source, DirectorySource):
        directory_table.prepare()
    if not dovecot.pid:
        yield from listed(source)
        return
    if isinstance(source, SqlSource):
        sql.prepare(source)
    child = dovecot.stay(lambda: _Reading(listed(source)), Read)
    try:
        while some := child.ask("some"):
            yield from some
    finally:
        child.close()


def rows_query(text: str, place: str) -> str:
    """The query that lists all whom a password query lets in.  Raises Refused where that is not plain."""
    own = [part for segment in conditions.read(text) for part in segment.parts if part.of_user]
    select, user = query.read(conditions.without(text, tuple(own))), query.user_of(text)
    name_them = "name the rows with --rows-query (SELECT user, password FROM ... WHERE ...)."
    if select is None or not select.column or not user or {"GROUP", "HAVING"} & set(select.after):
        raise Refused(f"{place}: the password query does not show which users can log in: {name_them}")
    if "%" in select.where + select.tables:
        raise Refused(f"{place}: the password query has a condition with a variable: {name_them}")
    where = f" WHERE {select.where}" if select.where else ""
    return f"SELECT {user}, {select.column} FROM {select.tables}{where}"  # noqa: S608 - the query's own words


def _of_sql(source: SqlSource) -> Iterator[Listed]:
    asked, fields = rows_query(source.query, source.place), query.other_fields(source.query)
    with streaming.opened(source) as link:
        for user, stored in link.rows(asked):
            yield Listed(_bytes(user) or b"", _bytes(stored), fields)


def _bytes(value: Value) -> bytes | None:
    return str(value).encode() if isinstance(value, int) else value


def _of_file(path: Path, domain: str, username_format: str) -> Iterator[Listed]:
    """``domain``: of all users of this file; "" where that is not known."""
    seen = Once()
    try:
        with passwd_file.opened(path) as file:
            for line, size in lines.sized(file):
                name = passwd_file.name_of(line)
                if not name:
                    continue
                never = "a line that is too long" if size > len(line) else ""
                never = never if seen.first(name) else "a later line of the same name"
                text = name.decode("utf-8", "surrogateescape")
                whole = full_name(text, domain).encode("utf-8", "surrogateescape")
                why = no_login(text, domain, username_format)
                yield Listed(whole, passwd_file.stored_of(line), _fields(line), never, why)
    except OSError as why:
        raise unseen(str(path), why, "the passwd-file cannot be read") from None


def _fields(line: bytes) -> tuple[str, ...]:
    words = b":".join(line.rstrip(b"\r\n").split(b":")[_LAST:]).split()
    names = [word.partition(b"=")[0].decode("utf-8", "replace") for word in words]
    return tuple(name for name in names if not name.startswith(_USERDB))
