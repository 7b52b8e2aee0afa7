"""Ask a directory as Dovecot asks it: the same servers, name, TLS, base and filter, by the same library."""

import ctypes
import os
import re
from contextlib import suppress
from dataclasses import replace

from mailauth.connecting import connect
from mailauth.dovecot import entryfields
from mailauth.dovecot.ldap_settings import Directory
from mailauth.errors import CannotObserve
from mailauth.later import import_now
from mailauth.stores import closed_entry, directory_tls, filters, libldap
from mailauth.stores.directed import Answer, BindTold, Bound, Directed, Named, Told
from mailauth.stores.libldap import LdapError

_SECONDS = 10  # for each step that libldap has a limit for
PATIENCE = 45.0
"""Seconds for all of them: libldap waits without end for the rest of a message, wherever it is sent."""
_TRY_SECONDS = 3.0
_NO_SUCH_OBJECT, _NO_NAME, _REFERRAL = 32, 34, 10
_LIMITS = (4, 11)  # sizeLimitExceeded, adminLimitExceeded: RFC 4511 appendix A.1
_VERSION = 3
_WHOLE = "subtree"
_WANTS_TLS = (8, 13)  # strongerAuthRequired, confidentialityRequired: RFC 4511 appendix A.1
_LATE = (libldap.TIMEOUT, 3, 85)
_MOST_WORDS = 1000  # characters of what a server says: it may send as many as it likes
_GONE = (libldap.SERVER_DOWN, libldap.CONNECT_ERROR)
_REFUSED, _TAKEN = 49, 0  # invalidCredentials, success: RFC 4511 appendix A.1
# Microsoft's codes in the words of a bind that Active Directory (and Samba) refuses: published by many.
_DATA = re.compile(r"AcceptSecurityContext error, data ([0-9a-fA-F]{1,8})\b")
_OF_DATA = {
    0x525: Bound.NO_USER,
    0x52E: Bound.WRONG,
    0x530: Bound.HOURS,
    0x531: Bound.STATION,
    0x532: Bound.EXPIRED,
    0x533: Bound.DISABLED,
    0x701: Bound.ACCOUNT_EXPIRED,
    0x773: Bound.CHANGE,
    0x775: Bound.LOCKED,
}
# passwordPolicyResponse.error: draft-behera-ldap-password-policy-10 section 6.2.
_OF_POLICY = {0: Bound.EXPIRED, 1: Bound.LOCKED, 2: Bound.CHANGE}
_NO_FILTER = (
    "no passdb_ldap_filter is set, and without one this Dovecot lets nobody in, not by a template either"
)
_ALIAS = "the entry {} is an alias, which is not followed to the real one (deref = {})"
_OF_23 = re.compile(r"%[LUTE]*[und](?![\w{])")
_ADDRESS = re.compile(r"ldaps?://(\[[^\]]*\]|[^:/]*)(?::([0-9]+))?")


def prepare(directory: Directory | None = None) -> None:
    """Load the library: before entering a root where it cannot be found.  Raises CannotObserve.

    With a directory that is asked by TLS, also what looks at its certificate.
    """
    if directory and directory.with_tls:
        import_now(directory_tls.NEEDED)
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
    if not directory.filter:
        return Answer(Told(Directed.FILTER, directory.place, says=_NO_FILTER))
    if directory.version != _VERSION:
        raise CannotObserve(
            f"{directory.place}: mailauth asks by version {_VERSION} of the protocol, and ldap_version is"
            f" {directory.version}, which many servers refuse; without that setting it is {_VERSION}."
        )
    place = directory.uris
    wanted = _wanted(directory) or ("1.1",)  # no attributes: RFC 4511 section 4.5.1.8
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
            if not count:
                return Answer(_nobody(link, directory, base, text))
            found = _found(link, directory, entry, f"{text} below {base}")
    except LdapError as why:
        told = Told(_meaning(why.code, stage), place, why.code, why.says[:_MOST_WORDS])
        of_base = dict.fromkeys((Directed.BASE, Directed.NO_NAME, Directed.ELSEWHERE), base)
        at = {**of_base, Directed.FILTER: text}.get(told.how, place)
        return Answer(_looked_at(library, directory, replace(told, place=at)))
    if count > 1:
        return Answer(Told(Directed.SEVERAL, f"{text} below {base}"))
    return Answer(found, entry.name, entry.values)


def _looked_at(library: ctypes.CDLL, directory: Directory, told: Told) -> Told:
    """Where no connection comes about, why."""
    if told.how is Directed.DOWN:
        told = replace(told, how=_of_nothing(directory))
    if told.how is not Directed.TLS:
        return told
    fault, words = directory_tls.look(library, directory, _servers(directory))
    return replace(told, tls=fault, hint=words)


def _found(link: libldap.Connection, directory: Directory, entry: libldap.Entry, place: str) -> Told:
    """An entry; where it lacks what Dovecot needs, whether it is an alias."""
    come = {name for name, values in entry.values if values and values[0]}
    lacks = next((one for one in directory.needed if one.lower() not in come), "")
    alias = lacks and _finds(link, entry.name, "base", "(objectClass=alias)")
    hint = _ALIAS.format(entry.name, directory.deref) if alias else ""
    return Told(Directed.FOUND, place, lacks=lacks, twice=entry.twice, hint=hint)


def _nobody(link: libldap.Connection, directory: Directory, base: str, text: str) -> Told:
    """No entry; and whether a wider scope, or one condition of the filter less, finds one."""
    told = Told(Directed.NOBODY, f"{text} below {base}")
    scope = directory.scope
    if (left := _OF_23.search(text)) and left[0] in directory.filter:
        return replace(told, hint=f"{left[0]} is a variable of Dovecot 2.3, which 2.4 does not know")
    if scope != _WHOLE:
        told = replace(told, place=f"{told.place} (scope {scope})")
        if _finds(link, base, _WHOLE, text):
            return replace(told, hint=f"with the scope {_WHOLE} there is one")
    for condition, rest in filters.without_one(directory.filter, text):
        if _finds(link, base, scope, rest):
            return replace(told, hint=f"without {condition} there is one")
    return told


def _finds(link: libldap.Connection, base: str, scope: str, text: str) -> bool:
    """Whether it finds an entry: no, too, where the server refuses the question."""
    with suppress(LdapError):
        return link.search(base, scope, text, ("1.1",), most=1)[0] > 0
    return False


def bind(directory: Directory, name: str, password: bytes) -> BindTold:
    """One bind as the user, where and as ``ask`` is called.  Raises CannotObserve."""
    os.chdir("/")
    library = libldap.load()
    if library is None or not directory.uris:
        raise CannotObserve(f"{directory.place}: no server is named.")
    try:
        with libldap.connected(library, directory.uris, directory.deref, directory.tls, _SECONDS) as link:
            if directory.starttls:
                link.start_tls()
            code, says, policy = link.bind_as_user(name, password, _SECONDS)
    except LdapError as why:
        raise CannotObserve(
            f"{directory.uris}: the bind as {name} has no answer: {why.says[:_MOST_WORDS]}."
        ) from None
    told = _of_bind(code, says[:_MOST_WORDS], policy)
    if directory.template and told.how is Bound.WRONG and not told.plain:
        return replace(told, named=_named(library, directory, name))
    return told


def _named(library: ctypes.CDLL, directory: Directory, name: str) -> Named:
    """Whether an entry has this name, as Dovecot may see the directory: a template makes no search."""
    try:
        with libldap.connected(library, directory.uris, directory.deref, directory.tls, _SECONDS) as link:
            if directory.starttls:
                link.start_tls()
            link.bind(directory.name, directory.password)
            count, _ = link.search(name, "base", "(objectClass=*)", (), most=1)
    except LdapError as why:
        return Named.NOBODY if why.code == _NO_SUCH_OBJECT else Named.OPEN
    return Named.ENTRY if count else Named.NOBODY


def _of_bind(code: int, says: str, policy: int) -> BindTold:
    if code == _TAKEN:
        return BindTold(Bound.TAKEN, change=_OF_POLICY.get(policy) is Bound.CHANGE)
    data = _DATA.search(says)
    if data and code == _REFUSED:
        how = _OF_DATA.get(int(data[1], 16), Bound.OTHER)
        return BindTold(how, code, says, plain=True)
    if policy in _OF_POLICY:
        return BindTold(_OF_POLICY[policy], code, says, plain=True)
    of_code = {_REFUSED: Bound.WRONG, _NO_NAME: Bound.NO_NAME}
    return BindTold(of_code.get(code, Bound.OTHER), code, says)


def _wanted(directory: Directory) -> tuple[str, ...]:
    """Where the directory verifies, what else the entry has may be as odd as it likes."""
    more = closed_entry.ATTRIBUTES if directory.bind else ()
    try:
        return (*entryfields.attributes(directory.fields), *more)
    except CannotObserve:
        return (directory.attribute,) if directory.attribute else more


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
            **dict.fromkeys(_LIMITS, Directed.LIMIT),
            _NO_NAME: Directed.NO_NAME,
            _REFERRAL: Directed.ELSEWHERE,
        }
        return special.get(code, Directed.REFUSED)
    return stage


def _servers(directory: Directory) -> list[tuple[str, int]]:
    """Hosts and ports."""
    standard = 636 if "ldaps:" in directory.uris else 389
    found = _ADDRESS.findall(directory.uris)
    return [(host.strip("[]") or "localhost", int(port or standard)) for host, port in found]


def _of_nothing(directory: Directory) -> Directed:
    """Why nothing came: nobody is there, or it takes the connection and speaks no LDAP, or no TLS."""
    for address in _servers(directory):
        secured = "ldaps:" in directory.uris
        with suppress(OSError), connect(*address, _TRY_SECONDS):
            return Directed.TLS if secured else Directed.DROPS
    return Directed.DOWN
