"""All stored strings of a directory, as Dovecot makes them of its entries, page by page."""

import os
import re
from collections.abc import Callable, Iterator

from mailauth.dovecot import entryfields
from mailauth.dovecot.ldap_settings import Directory
from mailauth.dovecot.variables import OF_THE_NAME, ExpandError, filled_with
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve
from mailauth.stores import libldap
from mailauth.stores.ask_directory import prepare
from mailauth.stores.libldap import Entry, LdapError
from mailauth.stores.rows import Survey
from mailauth.stores.string_counts import Progress, Question, Steps, Tally, in_blocks

__all__ = ["counted_of", "made_of", "of_everybody", "prepare", "survey"]

_SECONDS = 60  # for each page
_PAGE = 500
_AT_ONCE, _ROOM = 4 * _PAGE, 4 << 20  # entries that are looked at together, and their bytes
_STEP = 5_000  # entries between two reports of progress
_SIZE_LIMIT = 4
_MOST_WORDS = 1000  # characters of what a server says


def survey(
    directory: Directory,
    base: str,
    text: str,
    version: Version,
    question: Question,
    progress: Progress | None = None,
) -> Survey:
    """To be called where Dovecot lives, as ``directory.ask``.  Raises CannotObserve."""
    os.chdir("/")  # libldap reads an ldaprc where we stand
    tally = Tally(question)
    make = counted_of(directory, version)
    place = f"{text} below {base}, at {directory.uris}"
    try:
        blocks = _blocks(map(make, _entries(directory, base, text)))
        in_blocks(blocks, tally, question, Steps(progress, _STEP))
    except LdapError as why:
        also = " Let Dovecot's name read all entries: raise its limit." if why.code == _SIZE_LIMIT else ""
        says = why.says[:_MOST_WORDS]
        raise CannotObserve(f"{place}: not all entries were read: {says} ({why.code}).{also}") from None
    return Survey(place, tally.rows, tally.classes(), tally.nulls)


def _blocks(rows: Iterator[tuple[bytes | None, bytes]]) -> Iterator[list[tuple[bytes | None, bytes]]]:
    """So many at once, and no more than a page's bytes: a value may have any size."""
    block: list[tuple[bytes | None, bytes]] = []
    room = _ROOM
    for row in rows:
        block.append(row)
        room -= len(row[0] or b"") + len(row[1])
        if len(block) >= _AT_ONCE or room < 0:
            yield block
            block, room = [], _ROOM
    if block:
        yield block


def of_everybody(directory: Directory, version: Version) -> tuple[str, str]:
    """The base, and the filter that finds whomever the directory's own finds, whoever the user is.

    Raises CannotObserve where there is no one base.
    """
    known = dict.fromkeys(OF_THE_NAME, "*") | {"service": "imap", "mech": "PLAIN"}
    filled = filled_with(known, version)
    base, text = filled(directory.base, str), filled(directory.filter, str)
    if "*" in base:
        raise CannotObserve(f"{directory.place}: the base {directory.base!r} is another one for each user.")
    return base, text


def _entries(directory: Directory, base: str, text: str) -> Iterator[Entry]:
    library = libldap.load()
    if library is None or not directory.uris:
        raise CannotObserve(f"{directory.place}: no server is named.")
    wanted = entryfields.attributes(directory.fields)
    with libldap.connected(library, directory.uris, directory.deref, directory.tls, _SECONDS) as link:
        if directory.starttls:
            link.start_tls()
        link.bind(directory.name, directory.password)
        yield from link.pages(base, directory.scope, text, wanted, _PAGE, ahead=True)


_PLAIN = re.compile(r"%\{ldap:(?!dn\})(\w+)\}")
Made = Callable[[Entry], tuple[str | None, str]]
"""The password of an entry (None: it has none), and the user's name."""


def made_of(directory: Directory, version: Version) -> Made:
    """What this Dovecot makes of an entry.  What it returns raises CannotObserve."""
    return _of_23(directory) if version.dialect == "2.3" else _of_24(directory, version)


Counted = Callable[[Entry], tuple[bytes | None, bytes]]
"""The same as bytes; an entry in which no field names the user has its own name there."""


def counted_of(directory: Directory, version: Version) -> Counted:
    """As ``made_of``, three times as fast where each field that counts is one attribute as it is."""
    return _as_they_are(directory, version) or _made(made_of(directory, version))


def _made(make: Made) -> Counted:
    def counted(entry: Entry) -> tuple[bytes | None, bytes]:
        stored, user = make(entry)
        return _bytes(stored), _bytes(user or entry.name) or b""

    return counted


def _as_they_are(directory: Directory, version: Version) -> Counted | None:
    """None where a field is made of more than one attribute, or there are two of a name."""
    new = version.dialect == "2.4"
    counts = [one for one in directory.fields if one.name in (*entryfields.PASSWORDS, "user")]
    taken = {one.name: (_alone(one) if new else entryfields.alone(one)).lower() for one in counts}
    plain = new or all(one.template is None for one in directory.fields)
    if not plain or "dn" in taken.values() or not all(taken.values()) or len(taken) < len(counts):
        return None
    passwords = [taken[name] for name in entryfields.PASSWORDS if name in taken]
    if new:  # its first field is the one, whether the entry has it or not
        del passwords[1:]
    user = taken.get("user", "")

    def counted(entry: Entry) -> tuple[bytes | None, bytes]:
        values, stored = dict(entry.values), None
        for attribute in passwords:
            if found := values.get(attribute):
                stored = _until_nul(found[0])
                break
        if new and not stored:
            stored = None
        named = values.get(user)
        return stored, (_until_nul(named[0]) if named else b"") or _bytes(entry.name) or b""

    return counted


def _alone(one: entryfields.Field) -> str:
    found = _PLAIN.fullmatch(one.template or "")
    return found[1] if found else ""


def _until_nul(value: bytes) -> bytes:
    return value.partition(b"\0")[0] if b"\0" in value else value


def _of_23(directory: Directory) -> Made:
    filled = filled_with({}, Version(2, 3, 19, 1))

    def make(entry: Entry) -> tuple[str | None, str]:
        come = entryfields.come_23(directory.fields, dict(entry.values), lambda text: filled(text, str))
        found = dict(come)
        return next((found[name] for name in entryfields.PASSWORDS if name in found), None), found.get(
            "user", ""
        )

    return make


def _of_24(directory: Directory, version: Version) -> Made:
    templates = {one.name: one.template or "" for one in directory.fields}
    plain = {text: found[1] for text in templates.values() if (found := _PLAIN.fullmatch(text))}
    password = next((templates[name] for name in entryfields.PASSWORDS if name in templates), "")

    def make(entry: Entry) -> tuple[str | None, str]:
        values = dict(entry.values)

        def of(template: str) -> str | None:
            if template in plain:  # most are, and this is fast
                return entryfields.first(values, plain[template]) or None
            known = entryfields.known_24(directory.fields, values, entry.name)
            filled = filled_with(known, version)
            try:
                return filled(template, str) if template else None
            except ExpandError:  # the entry has no such attribute
                return None

        return of(password), of(templates.get("user", "")) or ""

    return make


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogateescape")
