"""The door to the libldap that Dovecot itself calls, by ctypes: it judges TLS, referrals and hosts alike.

Source: ldap.h of OpenLDAP 2.5.13 and 2.6.10; ldap_get_option(3), ldap_sasl_bind(3), ldap_search_ext(3).
"""

import ctypes
import errno
import functools
import itertools
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import field, replace

from mailauth.records import dataclass
from mailauth.stores import libldap_controls as controls
from mailauth.stores import silence
from mailauth.stores.libldap_structs import Control, Time, Value, change, declare
from mailauth.stores.libldap_tls import set_tls

NAMES = ("libldap.so.2", "libldap-2.5.so.0", "libldap_r-2.4.so.2")
"""Debian 13 has the first, 12 the second, 11 the third."""

REFERRED = (9, 10)
"""partialResults and referral: of a search that names other servers, too."""
SERVER_DOWN, TIMEOUT, FILTER_ERROR, CONNECT_ERROR = -1, -5, -7, -11
_SCOPES = {"base": 0, "onelevel": 1, "subtree": 2}
_DEREFS = {"never": 0, "searching": 1, "finding": 2, "always": 3}
_OPT_DEREF, _OPT_VERSION, _OPT_DIAGNOSTIC = 0x02, 0x11, 0x32
_OPT_DESCRIPTOR, _LATER = 0x01, 5.0  # seconds after its own limit, which half a message puts off
_EMPTY = 1000  # pages without an entry, one after the other
_OPT_TIMEOUT, _OPT_NETWORK_TIMEOUT = 0x5002, 0x5005
REFERRALS, _OPT_RESULT_CODE = 0x08, 0x31
_OPT_SOCKBUF, _SET_MAX_INCOMING = 0x5008, 14  # ldap.h, lber.h
_MESSAGE = 16 << 20  # bytes
_DOWN = "Can't contact LDAP server"
_LARGE = "a message of the server is larger than 16 MiB: a value of an entry, or it is no directory"
ENTRY, BETWEEN = 0x64, (0x73, 0x79)  # RFC 4511: an entry; references and intermediate responses
_ADD, _DELETE = 0, 1
_POINTER = ctypes.sizeof(ctypes.c_void_p)


class LdapError(Exception):
    """A result that is no success: ``code`` is RFC 4511's, or libldap's own below 0; ``says``: in words."""

    def __init__(self, code: int, says: str) -> None:
        super().__init__(says)
        self.code, self.says = code, says


@dataclass(frozen=True, slots=True)
class Entry:
    """Its name, and by attribute in small letters the values, which are secrets.  ``twice``: an attribute."""

    name: str = ""
    values: tuple[tuple[str, tuple[bytes, ...]], ...] = field(default=(), repr=False)
    twice: str = ""

    def size(self) -> int:
        """Bytes, about."""
        return sum(len(one) for _, values in self.values for one in values) + len(self.name)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answers to a request that was sent: its code and words, and the entries of a search."""

    code: int
    says: str
    entries: tuple[Entry, ...] = field(default=(), repr=False)


@functools.cache
def load() -> ctypes.CDLL | None:
    """The system's; None when there is none."""
    for name in NAMES:
        try:
            found = ctypes.CDLL(name, use_errno=True)
        except OSError:
            continue
        declare(found)
        return found
    return None


class Connection:
    """One to the first of some servers that answers.  Its calls raise LdapError."""

    def __init__(self, library: ctypes.CDLL, handle: ctypes.c_void_p, seconds: int) -> None:
        self._library, self._handle, self._seconds = library, handle, seconds

    def set(self, option: int, value: object) -> None:
        self._check(self._library.ldap_set_option(self._handle, option, value))

    def bound(self) -> None:
        """A message may be so large; libldap takes it for the end of the connection otherwise."""
        place, most = ctypes.c_void_p(), ctypes.c_ulong(_MESSAGE)
        self._check(self._library.ldap_get_option(self._handle, _OPT_SOCKBUF, ctypes.byref(place)))
        self._library.ber_sockbuf_ctrl(place, _SET_MAX_INCOMING, ctypes.byref(most))

    def start_tls(self) -> None:
        with self.ending(self._seconds):
            self._check(self._library.ldap_start_tls_s(self._handle, None, None))

    def bind(self, name: str, password: str) -> None:
        raw = password.encode("utf-8", "surrogateescape")
        credentials, answer = Value.of(raw), ctypes.c_void_p()
        words = (_raw(name), None, ctypes.byref(credentials), None, None, ctypes.byref(answer))
        with self.ending(self._seconds):
            self._check(self._library.ldap_sasl_bind_s(self._handle, *words))

    def bind_as_user(self, name: str, password: bytes, seconds: int) -> tuple[int, str, int]:
        """One bind: its result code, the server's words, and the error of its password policy, if any.

        The password goes to this server only: no referral is followed.
        """
        self.set(REFERRALS, None)
        wanted = Control(controls.PPOLICY, Value(), b"\0")
        along = (ctypes.POINTER(Control) * 2)(ctypes.pointer(wanted))  # the last is NULL
        credentials, number, answer = Value.of(password), ctypes.c_int(), ctypes.c_void_p()
        self._check(
            self._library.ldap_sasl_bind(
                *(self._handle, _raw(name), None, ctypes.byref(credentials), along, None),
                ctypes.byref(number),
            )
        )
        limit = ctypes.byref(Time(seconds, 0))
        kind = self._library.ldap_result(self._handle, number, 1, limit, ctypes.byref(answer))
        if kind <= 0:
            code = ctypes.c_int(TIMEOUT)
            if kind:
                self._library.ldap_get_option(self._handle, _OPT_RESULT_CODE, ctypes.byref(code))
            self._check(code.value or SERVER_DOWN)
        return self._parsed(answer)

    def send_read(self, name: str, attribute: str) -> int:
        """Ask for an entry by its name; returns the number that ``reply`` takes."""
        wanted, number = (ctypes.c_char_p * 2)(_raw(attribute), None), ctypes.c_int()
        self._check(
            self._library.ldap_search_ext(
                *(self._handle, _raw(name), _SCOPES["base"], b"(objectClass=*)", wanted, 0, None, None),
                *(None, 0, ctypes.byref(number)),
            )
        )
        return number.value

    def send_exchange(
        self,
        name: str,
        attribute: str,
        steps: Sequence[Sequence[bytes]],
        conditions: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        """Delete values, and add values, by turns, in one modification; returns what ``reply`` takes.

        ``conditions``: OID and value, b"" for none; a server that does not know one must refuse.
        """
        kinds = itertools.cycle((_DELETE, _ADD))
        made = [change(kind, _raw(attribute), some) for kind, some in zip(kinds, steps, strict=False) if some]
        changes = (ctypes.c_void_p * (len(made) + 1))(*[ctypes.addressof(one) for one, _ in made], None)
        asked = [Control(oid.encode(), Value.of(raw) if raw else Value(), b"\1") for oid, raw in conditions]
        along = (ctypes.c_void_p * (len(asked) + 1))(*[ctypes.addressof(one) for one in asked], None)
        number = ctypes.c_int()
        self._check(
            self._library.ldap_modify_ext(
                *(self._handle, _raw(name), changes, along if asked else None, None, ctypes.byref(number))
            )
        )
        return number.value

    def reply(self, number: int, seconds: int, attribute: str) -> Reply:
        """The answer to what was sent; ``attribute``: which of an entry is wanted."""
        entries: tuple[Entry, ...] = ()
        for kind, message in self._messages(number, seconds):
            if kind == ENTRY:
                if entries:
                    raise LdapError(SERVER_DOWN, "the server sends more entries than were asked for")
                entries = (self._read(message, _named((attribute,))),)
            elif kind not in BETWEEN:
                return replace(self._replied(message), entries=entries)
        raise AssertionError

    def _messages(self, number: int, seconds: float) -> Generator[tuple[int, ctypes.c_void_p]]:
        """What answers a request, one message at a time, there while it is looked at; the last is the result.

        libldap would keep them all until the last, however many come.  ``seconds``: for all of them.
        """
        until = time.monotonic() + seconds
        kind = ENTRY
        while kind in (ENTRY, *BETWEEN):
            answer = ctypes.c_void_p()
            left = max(until - time.monotonic(), 0.0)
            limit = ctypes.byref(Time(int(left), int(left % 1 * 1e6)))
            kind = self._library.ldap_result(self._handle, number, 0, limit, ctypes.byref(answer))
            if kind == 0:
                raise LdapError(TIMEOUT, "Timed out")
            if kind < 0:
                raise LdapError(SERVER_DOWN, _LARGE if ctypes.get_errno() == errno.ERANGE else _DOWN)
            try:
                yield kind, answer
            finally:
                self._library.ldap_msgfree(answer)

    def ending(self, seconds: float) -> AbstractContextManager[None]:
        """What is asked inside may take so long: libldap waits without end for the rest of a message."""

        def descriptor() -> int:
            found = ctypes.c_int(-1)
            self._library.ldap_get_option(self._handle, _OPT_DESCRIPTOR, ctypes.byref(found))
            return found.value

        return silence.ending(seconds + _LATER, descriptor)

    def _replied(self, answer: ctypes.c_void_p) -> Reply:
        code, words = ctypes.c_int(), ctypes.c_void_p()
        self._check(
            self._library.ldap_parse_result(
                *(self._handle, answer, ctypes.byref(code), None, ctypes.byref(words), None, None, 0)
            )
        )
        more = ctypes.string_at(words).decode("utf-8", "replace").strip("\0 \n") if words.value else ""
        self._library.ldap_memfree(words)
        says = str(self._library.ldap_err2string(code).decode())
        return Reply(code.value, f"{says}: {more}" if more else says)

    def _parsed(self, answer: ctypes.c_void_p) -> tuple[int, str, int]:
        code, words, told = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        self._check(
            self._library.ldap_parse_result(
                *(self._handle, answer, ctypes.byref(code), None, ctypes.byref(words), None),
                *(ctypes.byref(told), 1),
            )
        )
        says = ctypes.string_at(words).decode("utf-8", "replace").strip("\0 \n") if words.value else ""
        self._library.ldap_memfree(words)
        return code.value, says, controls.policy_error(self._library, self._handle, told)

    def search(
        self, base: str, scope: str, text: str, attributes: tuple[str, ...], *, most: int
    ) -> tuple[int, Entry]:
        """How many entries there are (at most ``most``), and the first."""
        asked = (_raw(base), _SCOPES.get(scope, 2), _raw(text), _listed(attributes), 0)
        number, count, first = ctypes.c_int(), 0, Entry()
        words = (*asked, None, None, None, most, ctypes.byref(number))
        self._check(self._library.ldap_search_ext(self._handle, *words))
        with self.ending(self._seconds), closing(self._messages(number.value, self._seconds)) as messages:
            for kind, message in messages:
                if kind == ENTRY:
                    first = first if count else self._entry(message, attributes)
                    count += 1
                    if count > most:  # than it was asked for
                        self._library.ldap_abandon_ext(self._handle, number, None, None)
                        break
                elif kind not in BETWEEN and count < most:
                    code = self._replied(message).code
                    self._check(0 if count and code in REFERRED else code)
        return min(count, most), first

    def pages(
        self,
        base: str,
        scope: str,
        text: str,
        attributes: tuple[str, ...],
        size: int,
        *,
        ahead: bool = False,
    ) -> Iterator[Entry]:
        """All entries, ``size`` in memory at a time (RFC 2696); other servers are not asked.

        ``ahead``: the server makes the next page while this one is used, for who is as fast as it.
        """
        self.set(REFERRALS, None)
        asked = (_raw(base), _SCOPES.get(scope, 2), _raw(text), _listed(attributes), 0)
        names = _named(attributes)
        cookie: bytes | None = b""
        empty = 0
        number = self._send_page(asked, size, b"")
        while cookie is not None:
            page: list[Entry] = []
            room, there = _MESSAGE, False
            with self.ending(self._seconds), closing(self._messages(number, self._seconds)) as messages:
                for kind, message in messages:
                    if kind == ENTRY:
                        page.append(one := self._read(message, names))
                        room -= one.size()
                        there = True
                    elif kind not in BETWEEN:
                        cookie = self._next_page(message) or None
                    if len(page) > size or room < 0:  # what is more than a page does not stay here
                        yield from page
                        page, room = [], _MESSAGE
            if cookie and ahead:
                number = self._send_page(asked, size, cookie)
            if (empty := 0 if there else empty + 1) > _EMPTY:
                raise LdapError(SERVER_DOWN, "the server sends empty pages without end")
            yield from page
            if cookie and not ahead:
                number = self._send_page(asked, size, cookie)

    def _send_page(self, asked: tuple[object, ...], size: int, cookie: bytes) -> int:
        number = ctypes.c_int()
        with controls.asking(self._library, self._handle, size, cookie, self._check) as along:
            words = (*asked, along, None, None, 0, ctypes.byref(number))
            self._check(self._library.ldap_search_ext(self._handle, *words))
        return number.value

    def _next_page(self, found: ctypes.c_void_p) -> bytes:
        """What asks for the next page; nothing after the last."""
        told, code = ctypes.c_void_p(), ctypes.c_int()
        self._check(
            self._library.ldap_parse_result(
                *(self._handle, found, ctypes.byref(code), None, None, None, ctypes.byref(told), 0)
            )
        )
        self._check(0 if code.value in REFERRED else code.value)
        return controls.next_page(self._library, self._handle, told)

    def _entry(self, found: ctypes.c_void_p, attributes: tuple[str, ...]) -> Entry:
        first = self._library.ldap_first_entry(self._handle, found)
        read = self._read(found, _named(attributes))
        return replace(read, twice=self._twice(ctypes.c_void_p(first)))

    def _twice(self, entry: ctypes.c_void_p) -> str:
        """An attribute that the entry has twice, which a server should not send (RFC 4511 section 4.5.2)."""
        place, seen, twice = ctypes.c_void_p(), set(), ""
        name = self._library.ldap_first_attribute(self._handle, entry, ctypes.byref(place))
        while name:
            told = ctypes.string_at(name).decode("utf-8", "replace")
            twice = twice or (told if told.lower() in seen else "")
            seen.add(told.lower())
            self._library.ldap_memfree(ctypes.c_void_p(name))
            name = self._library.ldap_next_attribute(self._handle, entry, place)
        self._library.ber_free(place, 0)
        return twice

    def _read(self, message: ctypes.c_void_p, attributes: Sequence[tuple[str, bytes]]) -> Entry:
        """``attributes``: as ``_named`` has them."""
        entry = self._library.ldap_first_entry(self._handle, message)
        name = self._library.ldap_get_dn(self._handle, entry)
        told = ctypes.string_at(name).decode("utf-8", "surrogateescape") if name else ""
        self._library.ldap_memfree(name)
        return Entry(told, tuple([(one, self._values(entry, raw)) for one, raw in attributes]))

    def _values(self, entry: int, attribute: bytes) -> tuple[bytes, ...]:
        values = self._library.ldap_get_values_len(self._handle, entry, attribute)
        if not values:
            return ()
        found, place = [], values
        while one := ctypes.c_void_p.from_address(place).value:
            value = Value.from_address(one)
            found.append(ctypes.string_at(value.data, value.length))
            place += _POINTER
        self._library.ldap_value_free_len(values)
        return tuple(found)

    def _check(self, result: int) -> None:
        if result == 0:
            return
        words, told = str(self._library.ldap_err2string(result).decode()), ctypes.c_char_p()
        self._library.ldap_get_option(self._handle, _OPT_DIAGNOSTIC, ctypes.byref(told))
        more = told.value.decode("utf-8", "replace").strip("\0 \n") if told.value else ""
        raise LdapError(result, f"{words}: {more}" if more else words)


@contextmanager
def connected(
    library: ctypes.CDLL, uris: str, deref: str, tls: tuple[tuple[str, str], ...], seconds: int
) -> Iterator[Connection]:
    """With the options that Dovecot sets.  Raises LdapError, at the first call that needs the server."""
    set_tls(library, tls)
    handle = ctypes.c_void_p()
    result = library.ldap_initialize(ctypes.byref(handle), _raw(uris))
    if result:
        raise LdapError(result, library.ldap_err2string(result).decode())
    connection = Connection(library, handle, seconds)
    try:
        for option in (_OPT_NETWORK_TIMEOUT, _OPT_TIMEOUT):
            connection.set(option, ctypes.byref(Time(seconds, 0)))
        connection.bound()
        connection.set(_OPT_DEREF, ctypes.byref(ctypes.c_int(_DEREFS.get(deref, 0))))
        connection.set(_OPT_VERSION, ctypes.byref(ctypes.c_int(3)))
        yield connection
    finally:
        library.ldap_unbind_ext_s(handle, None, None)


def _named(attributes: Sequence[str]) -> list[tuple[str, bytes]]:
    """In small letters, and as libldap takes them."""
    return [(one.lower(), _raw(one)) for one in attributes]


def _listed(attributes: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    """As a search takes them; without any it finds entries alone (RFC 4511, 4.5.1.8)."""
    names = [_raw(name) for name in attributes or ("1.1",)]
    return (ctypes.c_char_p * (len(names) + 1))(*names, None)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
