"""Ask a directory as Dovecot asks it: the same servers, name, TLS, base and filter, by the same library."""

import os
import re
import socket
from contextlib import suppress
from dataclasses import replace

from mailauth.dovecot import entryfields
from mailauth.dovecot.directory import Directory
from mailauth.errors import CannotObserve
from mailauth.stores import libldap
from mailauth.stores.directed import Answer, Directed, Told
from mailauth.stores.libldap import LdapError

_SECONDS = 10  # for each step that libldap has a limit for
PATIENCE = 45.0
"""Seconds for all of them: libldap waits without end for the rest of a message, wherever it is sent."""
_TRY_SECONDS = 3.0
_NO_SUCH_OBJECT, _SIZE_LIMIT = 32, 4
_WANTS_TLS = (8, 13)  # strongerAuthRequired, confidentialityRequired: RFC 4511 appendix A.1
_LATE = (libldap.TIMEOUT, 3, 85)
_MOST_WORDS = 1000  # characters of what a server says: it may send as many as it likes
_GONE = (libldap.SERVER_DOWN, libldap.CONNECT_ERROR)
_ADDRESS = re.compile(r"ldaps?://(\[[^\]]*\]|[^:/]*)(?::(\d+))?")


def prepare() -> None:
    """Load the library: before entering a root where it cannot be found.  Raises CannotObserve."""
    if libldap.load() is None:
        raise CannotObserve("Asking a directory needs libldap, which is not here: apt-get install ldap-utils")


def ask(directory: Directory, base: str, text: str) -> Answer:
    """Search below ``base`` by the filter ``text``.

    To be called where Dovecot lives, as the user that it asks as, in a process made for it.

    Raises CannotObserve.
    """
    os.chdir("/")  # libldap reads an ldaprc where we stand
    library = libldap.load()
    if library is None or not directory.uris:
        raise CannotObserve(f"{directory.place}: no server is named.")
    place = directory.uris
    wanted = _wanted(directory)
    stage = Directed.DOWN
    try:
        with libldap.connected(library, directory.uris, directory.deref, directory.tls, _SECONDS) as link:
            if directory.starttls:
                stage = Directed.TLS
                link.start_tls()
            stage = Directed.CREDENTIALS
            link.bind(directory.name, directory.password)
            if directory.template:
                return Answer(Told(Directed.TEMPLATE, place))
            stage = Directed.REFUSED
            count, entry = link.search(base, directory.scope, text, wanted, most=2)
    except LdapError as why:
        told = Told(_meaning(why.code, stage), place, why.code, why.says[:_MOST_WORDS])
        if told.how is Directed.DOWN:
            return Answer(replace(told, how=_of_nothing(directory)))
        at = {Directed.BASE: base, Directed.FILTER: text}.get(told.how, place)
        return Answer(replace(told, place=at))
    if count > 1:
        return Answer(Told(Directed.SEVERAL, f"{text} below {base}"))
    if not count:
        return Answer(Told(Directed.NOBODY, f"{text} below {base}"))
    password = dict(entry.values).get(directory.attribute.lower(), ())
    lacks = "" if password and password[0] else directory.attribute
    return Answer(Told(Directed.FOUND, f"{text} below {base}", lacks=lacks), entry.name, entry.values)


def _wanted(directory: Directory) -> tuple[str, ...]:
    """Where the directory verifies, what else the entry has may be as odd as it likes."""
    try:
        return entryfields.attributes(directory.fields)
    except CannotObserve:
        return (directory.attribute,) if directory.attribute else ()


def _meaning(code: int, stage: Directed) -> Directed:
    if code in _WANTS_TLS:
        return Directed.WANTS_TLS
    if code in _LATE:
        return Directed.SLOW
    if stage is Directed.TLS:
        return Directed.TLS
    if code in _GONE:
        return Directed.DOWN
    if stage is Directed.REFUSED:
        special = {
            _NO_SUCH_OBJECT: Directed.BASE,
            libldap.FILTER_ERROR: Directed.FILTER,
            _SIZE_LIMIT: Directed.LIMIT,
        }
        return special.get(code, Directed.REFUSED)
    return stage


def _of_nothing(directory: Directory) -> Directed:
    """Why nothing came: nobody is there, or it takes the connection and speaks no LDAP, or no TLS."""
    for host, port in _ADDRESS.findall(directory.uris):
        secured = "ldaps:" in directory.uris
        address = (host.strip("[]") or "localhost", int(port or (636 if secured else 389)))
        with suppress(OSError), socket.create_connection(address, timeout=_TRY_SECONDS):
            return Directed.TLS if secured else Directed.DROPS
    return Directed.DOWN
