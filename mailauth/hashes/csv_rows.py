"""Users and passwords of a CSV, as the programs write it that have such lists.

Headers: Google Workspace's bulk upload, Microsoft 365's and Entra's bulk create, Exchange's migration list,
cPanel's address importer, Plesk's mail_auth_view, hMailServer's hm_accounts, MDaemon's account export.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from itertools import chain, islice
from typing import BinaryIO

from mailauth import digits
from mailauth.errors import UsageError
from mailauth.hashes import csv_lines
from mailauth.hashes.csv_names import english, plain
from mailauth.hashes.hash import Password
from mailauth.records import dataclass

_DELIMITERS = ",;\t|"
_NAMED_ONLY = {":": "a colon", " ": "a blank"}  # a password may have them: somebody has to say it
_LOOKED_AT = 5  # lines that are tried before a list is refused whole

_USERS = (  # the first of them that is there
    "user",
    "useremail",
    "emailaddress",
    "email",
    "mail",
    "primaryemail",
    "userprincipalname",
    "username",
    "accountaddress",
    "address",
    "login",
    "account",
    "mailbox",
)
_LOGIN = frozenset({"username", "login"})  # beside an address it may be the name that logs in, or may not
_DOMAINS = ("domain", "domainname")
_PASSWORDS = (
    "password",
    "initialpassword",
    "passwordprofile",
    "userpassword",
    "accountpassword",
    "newpassword",
)
_KINDS = ("passwordhashfunction", "accountpwencryption", "hashfunction")
_PLAIN = frozenset({"", "0", "none", "plain", "plaintext"})  # of a column that names a hash


@dataclass(frozen=True, slots=True)
class Dialect:
    """What somebody says of a list; "" for what is to be seen in its first line.

    ``user``, ``password``: the name of a column, or its number, from 1.  ``options``: the command has options
    that say these.
    """

    delimiter: str = ""
    quote: str = '"'  # "" for none
    user: str = ""
    password: str = ""
    options: bool = True

    def wants(self, options: str) -> str:
        """What somebody can do who reads that a list's columns are not plain."""
        return options if self.options else _PLAIN_LIST


_PLAIN_LIST = "this command wants lines such as user,password, or a first line that names these two"
AS_SEEN = Dialect(options=False)
UNSEEN_NAME = "the name has characters that are not shown (or are not UTF-8), which a CSV here cannot hold"


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One line of a CSV: a user and a password, or the ``flaw``, in words that hold nothing of them."""

    user: str
    password: Password | None
    flaw: str = ""
    line: int = 0

    @property
    def error(self) -> str:
        """The flaw with the line that has it."""
        return f"line {self.line}: {self.flaw}" if self.flaw else ""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things stand in each line.  ``framed``: a table drawn with bars, padded with blanks."""

    delimiter: str
    fields: int
    user: int = 0
    password: int = 1
    domain: int | None = None
    kind: int | None = None  # the column that says which hash the password is
    header: bool = False
    framed: bool = False


def read_csv(file: BinaryIO, dialect: Dialect = AS_SEEN) -> Iterator[CsvRow]:
    """A user and a password on each line; a first line that names them may put them elsewhere, among others.

    Each line is for itself, and has as many fields as the first: a quote that is never closed, or a comma
    that should have been quoted, spoils its own line only, and no half of a password is taken for one.
    Raises UsageError where the columns are not plain.
    """
    lines = (one for one in csv_lines.numbered(file) if one[1])
    first = list(islice(lines, _LOOKED_AT))
    if not first:
        return
    number, text = first[0]
    if found := re.fullmatch(r"sep=(.)", text):  # Excel's own line
        dialect = replace(dialect, delimiter=found[1])
        del first[0]
    elif text.lower().startswith("version:v"):  # Entra's own line
        del first[0]
    if not first:
        return
    layout = _layout(first, dialect)
    for number, text in chain(first[1:] if layout.header else first, lines):
        if not (layout.framed and re.fullmatch(r"\+[-+]+\+", text)):
            yield _row(number, text, layout, dialect.quote)


def _row(number: int, text: str, layout: _Layout, quote: str) -> CsvRow:
    fields = _fields(text, layout.delimiter, quote, framed=layout.framed)
    if len(fields) != layout.fields:
        plain = layout.fields == 2 and layout.delimiter == ","
        wants = "a user and a password" if plain else f"{layout.fields} fields"
        mark = {",": "a comma", "\t": "a tab"}.get(layout.delimiter, f"a {layout.delimiter}")
        quotes = f", in quotes where {mark} or a quote is part of it" if quote else f", with {mark} between"
        return CsvRow("", None, f"wants {wants}{quotes}", number)
    if layout.kind is not None and fields[layout.kind].strip().lower() not in _PLAIN:
        return CsvRow("", None, "a hash stands there, by its own column, and no password", number)
    user = fields[layout.user]
    if layout.domain is not None and user and "@" not in user and fields[layout.domain]:
        user = f"{user}@{fields[layout.domain]}"
    return CsvRow(user, Password(fields[layout.password].encode(errors="surrogateescape")), "", number)


def _fields(text: str, delimiter: str, quote: str, *, framed: bool) -> list[str]:
    """None for what is no line of a CSV."""
    if framed:
        bare = text.strip()
        if not (bare.startswith("|") and bare.endswith("|") and len(bare) > 1):
            return []
        return [field.strip() for field in bare[1:-1].split("|")]
    return csv_lines.fields(text, delimiter, quote)


@dataclass(frozen=True, slots=True)
class _Named:
    """The columns that a first line names, in one reading of it."""

    delimiter: str
    written: list[str] = field(default_factory=list)
    framed: bool = False

    @property
    def names(self) -> list[str]:
        return [english(name) for name in self.written]

    def at(self, known: Iterable[str]) -> int | None:
        return next((self.names.index(name) for name in known if name in self.names), None)


def _layout(lines: list[tuple[int, str]], dialect: Dialect) -> _Layout:
    """Raises UsageError."""
    line, text = next(((n, t) for n, t in lines if not t.startswith("+-")), (1, ""))
    if line != lines[0][0]:  # the edge of a frame is above the names
        lines.remove(lines[0])
    for one in _readings(text, dialect):
        user, password = _chosen(one, dialect.user, _USERS), _chosen(one, dialect.password, _PASSWORDS)
        if user is None or password is None:
            continue
        if not dialect.user:
            _must_be_one(one, user, dialect)
        split = one.names[user] in ("mailbox", "email") or one.names[user] in _LOGIN
        return _Layout(
            one.delimiter,
            len(one.names),
            user,
            password,
            one.at(_DOMAINS) if split else None,
            one.at(_KINDS),
            header=True,
            framed=one.framed,
        )
    return _without_names(lines, dialect)


def _readings(text: str, dialect: Dialect) -> Iterator[_Named]:
    for delimiter in (dialect.delimiter,) if dialect.delimiter else _DELIMITERS:
        framed = delimiter == "|" and text.startswith("|")
        fields = _fields(text, delimiter, dialect.quote, framed=framed)
        yield _Named(delimiter, [plain(one) for one in fields], framed)


def _chosen(one: _Named, said: str, known: tuple[str, ...]) -> int | None:
    """By the name that somebody says, which is taken as it stands there, or by one that is known."""
    name = plain(said)
    return (one.written.index(name) if name in one.written else None) if said else one.at(known)


def _must_be_one(one: _Named, user: int, dialect: Dialect) -> None:
    """An address beside a name to log in with: which of them the store has is not to be guessed."""
    logins = [at for at, name in enumerate(one.names) if name in _LOGIN]
    if one.names[user] not in _LOGIN and logins:
        raise UsageError(
            f"two columns of the list may be the user, {user + 1} and {logins[0] + 1}: "
            + dialect.wants("name one with --user-column, and the password's with --password-column")
            + "."
        )


def _without_names(lines: list[tuple[int, str]], dialect: Dialect) -> _Layout:
    """Where no first line names the columns: two of them, or those whose numbers are said."""
    said = [digits.number(one) for one in (dialect.user, dialect.password)]
    numbers = [one for one in said if one is not None]
    if (dialect.user or dialect.password) and len(numbers) < 2:
        raise UsageError(
            "the first line of the list names no such columns: --user-column and --password-column take"
            " names that stand there, or numbers from 1."
        )
    tried = (dialect.delimiter,) if dialect.delimiter else _DELIMITERS
    split = {one: [_fields(text, one, dialect.quote, framed=False) for _, text in lines] for one in tried}
    counts = {one: [len(fields) for fields in found] for one, found in split.items()}
    if numbers:
        for delimiter, found in counts.items():
            if found and found[0] >= max(numbers) and min(numbers) > 0:
                header = _is_header(lines[0][1], delimiter, dialect, numbers[1] - 1)
                return _Layout(delimiter, found[0], numbers[0] - 1, numbers[1] - 1, header=header)
        raise UsageError("the first line of the list has no such columns: look at --delimiter.")
    best = max(tried, key=lambda one: sum(map(_is_pair, split[one])))
    if not dialect.delimiter:
        _must_not_be(lines, sum(map(_is_pair, split[best])), dialect)
    if 2 not in counts[best] and (most := max(map(max, counts.values()), default=0)) > 2:
        raise UsageError(
            f"the list has {most} columns, and its first line names no user and password that mailauth knows:"
            " "
            + dialect.wants("say which with --user-column and --password-column (names, or numbers from 1)")
            + "."
        )
    return _Layout(best, 2)


def _must_not_be(lines: list[tuple[int, str]], pairs: int, dialect: Dialect) -> None:
    """Columns that a sign parts which stands in passwords, too.  ``pairs``: lines that another one parts."""
    for delimiter, name in _NAMED_ONLY.items():
        if sum(_is_pair(_fields(text, delimiter, dialect.quote, framed=False)) for _, text in lines) > pairs:
            said = dialect.wants(f"if so, add --delimiter {shlex.quote(delimiter)}")
            raise UsageError(f"the list seems to have {name} between user and password: {said}.")


def _is_pair(fields: list[str]) -> bool:
    """A name and one field more: nothing that parts columns is part of a name."""
    return len(fields) == 2 and not set(fields[0]) & set(f'{_DELIMITERS}"')


def _is_header(text: str, delimiter: str, dialect: Dialect, password: int) -> bool:
    return english(plain(_fields(text, delimiter, dialect.quote, framed=False)[password])) in _PASSWORDS
