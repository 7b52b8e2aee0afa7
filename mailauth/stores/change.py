"""Change one user's stored string by compare-and-set: only where it is still the one that was read.

A passwd-file is replaced whole (see ``replace``).  In a database the row is locked, compared, written and
read again in one transaction.  So the old string, which may be a plaintext, stands in no statement and
in no log of the database; and a column that cuts or pads the new one is noticed before it counts.

Raises Refused, with nothing changed, for whatever keeps it from being exactly that.
"""

from collections.abc import Iterator
from dataclasses import field
from pathlib import Path

from mailauth import lines
from mailauth.dovecot.authconfig import FileSource, Passdb, SqlSource
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.variables import Fill
from mailauth.errors import Refused, RowChanged
from mailauth.records import dataclass
from mailauth.stores import passwd_file, query, replace, sql, sql_change
from mailauth.stores.query import PlainSelect, simple


@dataclass(frozen=True, slots=True)
class Changed:
    """What was done, enough to take it back.  The strings are secrets: no repr shows them.

    ``notes`` are sentences for the reader.  To undo: the same call with ``old`` and ``new`` exchanged.
    """

    place: str
    old: bytes | None = field(repr=False)  # None: SQL's NULL
    new: bytes | None = field(repr=False)
    notes: tuple[str, ...] = ()


def in_passdb(
    dovecot: Installation,
    passdb: Passdb,
    fill: Fill,
    old: bytes | None,
    new: bytes | None,
) -> Changed:
    """Where the passdb reads it; ``fill(template, escape)`` puts the variables in."""
    source = passdb.source
    if isinstance(source, FileSource) and old is not None and new is not None:
        path, user = passwd_file.place(source, fill)
        return dovecot.inside(lambda: in_file(Path(path), user, old, new), Changed)
    if isinstance(source, SqlSource):
        sql.prepare(source)
        select = query.read(source.query)
        return dovecot.inside(lambda: in_database(source, select, fill, old, new), Changed)
    raise Refused(f"{passdb.label}: mailauth cannot write to this driver.")


def in_file(path: Path, user: str, old: bytes, new: bytes, *, shown_as: str = "") -> Changed:
    """In a passwd-file: the line that Dovecot takes for ``user``, the first of that name.

    To be called where Dovecot lives: links are followed as it would.
    """
    if bad := next((char for char in b":\n\r\0" if char in new), None):
        raise Refused(f"{shown_as or path}: a passwd-file cannot hold a string with {chr(bad)!r} in it.")
    with replace.opened(path, shown_as) as found, replace.locked(found) as place:
        line = _Line(user.encode(), old, new, place.shown)
        replace.replace(place, line.changed(place), ready=line.must_be_found)
        return Changed(f"{place.shown}:{line.number}", old, new, place.others)


@dataclass(slots=True)
class _Line:
    """The line to change; ``number`` is 0 until it was met."""

    user: bytes
    old: bytes
    new: bytes
    shown: str
    number: int = 0

    def changed(self, place: replace.Place) -> Iterator[bytes]:
        number, begins = 0, True
        with place.reader() as file:
            while line := file.readline(lines.MOST):  # a longer one comes in pieces
                number += begins
                ours = begins and not self.number and passwd_file.name_of(line) == self.user
                begins = line.endswith(b"\n")
                if ours and not begins and len(line) == lines.MOST:
                    raise Refused(f"{self.shown}:{number}: the line is too long to be changed.")
                if ours:
                    self.number = number
                yield self._with_new(line) if ours else line

    def _with_new(self, line: bytes) -> bytes:
        body = line.rstrip(b"\n").removesuffix(b"\r")
        name, *rest = body.split(b":")
        if passwd_file.as_stored(rest[0] if rest else b"") != self.old:
            raise RowChanged(
                f"{self.shown}:{self.number}: the entry was changed by someone else since it was read;"
                " nothing was written."
            )
        return b":".join([name, self.new, *rest[1:]]) + line[len(body) :]

    def must_be_found(self) -> None:
        if not self.number:
            raise RowChanged(f"{self.shown}: the user is not there any more; nothing was written.")


def in_database(
    source: SqlSource,
    select: PlainSelect | None,
    fill: Fill,
    old: bytes | None,
    new: bytes | None,
) -> Changed:
    """In the database that Dovecot's password query asks; ``select`` is that query, as it was read.

    ``fill(template, escape)`` puts the variables in.  To be called where Dovecot lives, and after
    ``sql.prepare``.
    """
    if select is None or not simple(select):
        raise Refused(f"{not_written(source, select)} As the database's administrator run: {_to_run(select)}")
    try:
        (new or b"").decode()
    except UnicodeDecodeError:
        raise Refused(f"{source.place}: the new string is not UTF-8, so it was not written.") from None
    return Changed(sql_change.change(source, select, fill, old, new), old, new)


def not_written(source: SqlSource, select: PlainSelect | None) -> str:
    """Why mailauth does not write here, as a sentence."""
    if select is None:
        why = "the password query is no plain SELECT"
    elif simple(select, any_column=True):
        why = f"the password is computed ({select.column})"
    else:
        table = select.tables or _TABLE
        why = f"the password query reads {table} in a way that names no one row of one table"
    return f"{source.place}: {why}, so mailauth does not know what to write, and changed nothing."


_TABLE = "<table>"


def _to_run(select: PlainSelect | None) -> str:
    """What an administrator would run, with placeholders only."""
    table, where = (select.tables, select.where) if select else ("", "")
    return sql_change.to_run(table or _TABLE, "<column>", where or "<this user's row>")
