"""Users and their stored strings: a CSV, or lines as a passwd-file, htpasswd or shadow has them."""

from collections.abc import Iterator
from dataclasses import field
from itertools import islice
from typing import BinaryIO

from mailauth.errors import MailauthError
from mailauth.hashes import batch, csv_lines, making
from mailauth.hashes.csv_rows import UNSEEN_NAME
from mailauth.records import dataclass
from mailauth.visible import cell_text, is_visible

_SEPARATORS = ",;\t:"
_USERS = ("user", "username", "email", "mail", "login", "uid")
_STORED = ("stored", "password", "hash", "userpassword", "passwordhash")
_ROWS_A_TASK = 16
COLUMNS = ("user", "stored", "note", "error")
_OURS = {COLUMNS, making.COLUMNS}  # a first line of our own: apostrophes were put before formulas

Answer = tuple[str, str, str, str]
"""User, string, note and error; of string and error one is empty."""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A user and a string, or what is wrong with the line, in words that hold nothing of it."""

    user: str
    stored: bytes = field(default=b"", repr=False)
    error: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class _Columns:
    """What parts the columns, which are the user and the string, and how many a first line has named."""

    separator: str
    user: int = 0
    stored: int = 1
    named: int = 0
    ours: bool = False


def read(file: BinaryIO) -> Iterator[StoredRow]:
    """The first of ``, ; tab :`` in the first line parts the columns; with ``:`` the second is the string.

    A first line may name the columns.  In a CSV of two columns the string is the rest of the line, in quotes
    or not: hashes have commas.
    """
    columns: _Columns | None = None
    for number, text in csv_lines.numbered(file):
        if not text.strip() or (text.startswith("#") and (columns is None or columns.separator == ":")):
            continue
        if columns is None:
            columns = _columns(text)
            if columns.named:
                continue
        yield _row(number, text, columns)


def _columns(text: str) -> _Columns:
    separator = next((char for char in text if char in _SEPARATORS), ",")
    names = [name.strip(' "').lower().replace("_", "") for name in text.split(separator)]
    users = [names.index(name) for name in _USERS if name in names]
    stored = [names.index(name) for name in _STORED if name in names]
    if users and stored:
        return _Columns(separator, users[0], stored[0], len(names), tuple(names) in _OURS)
    return _Columns(separator)


def _row(number: int, text: str, columns: _Columns) -> StoredRow:
    if csv_lines.too_long(text):
        return StoredRow("", error=f"line {number}: longer than {batch.LONGEST_LINE} bytes")
    fields = _fields(text, columns)
    if len(fields) <= max(columns.user, columns.stored) or not fields[columns.user]:
        return StoredRow("", error=f"line {number}: wants a user and a stored string")
    if columns.named and columns.separator != ":" and len(fields) != columns.named:
        many = f"{len(fields)} fields, where the first line has {columns.named}"
        return StoredRow("", error=f"line {number}: {many}; a string with a comma wants quotes")
    if columns.ours:
        fields = [cell_text(one) for one in fields]
    return StoredRow(
        fields[columns.user], fields[columns.stored].encode("utf-8", "surrogateescape"), line=number
    )


def _fields(text: str, columns: _Columns) -> list[str]:
    if columns.separator == ":":
        return text.split(":")
    two = columns.named in {0, 2} and (columns.user, columns.stored) == (0, 1)
    if two and '"' not in text:
        return text.split(columns.separator, 1)
    return csv_lines.fields(text, columns.separator)


def tasks(rows: Iterator[StoredRow]) -> Iterator[list[StoredRow]]:
    """A few rows at a time, for a process."""
    while some := list(islice(rows, _ROWS_A_TASK)):
        yield some


@dataclass(frozen=True, slots=True)
class Converter:
    """Converts rows as ``settings`` say; may be sent to other processes."""

    settings: batch.Settings

    def __call__(self, rows: list[StoredRow]) -> list[Answer]:
        return [self.one(row) for row in rows]

    def one(self, row: StoredRow) -> Answer:
        if row.error:
            return row.user, "", "", row.error
        if not is_visible(row.user):
            return row.user, "", "", f"line {row.line}: {UNSEEN_NAME}"
        try:
            record = batch.converted(row.stored, None, row.user, self.settings)
        except MailauthError as why:
            return row.user, "", "", str(why)
        except MemoryError:
            return row.user, "", "", "out of memory"
        made = record["dovecot" if self.settings.to is None else "stored"]
        if made is None:
            return row.user, "", "", f"{record['source']}: cannot, because {record['reason']}"
        if not is_visible(made):
            return (
                row.user,
                "",
                "",
                f"{record['source']}: it has characters that are not shown; --batch has them",
            )
        return row.user, made, record["reason"], ""

    @staticmethod
    def lost(rows: list[StoredRow]) -> list[Answer]:
        """For rows whose process was ended."""
        return [(row.user, "", "", "the process that worked on this row was ended") for row in rows]
