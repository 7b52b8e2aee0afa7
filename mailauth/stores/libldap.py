"""The door to the libldap that Dovecot itself calls, by ctypes: it judges TLS, referrals and hosts alike.

Source: ldap.h of OpenLDAP 2.5.13 and 2.6.10; ldap_get_option(3), ldap_sasl_bind(3), ldap_search_ext(3).
"""

import ctypes
import functools
import itertools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import field, replace

from mailauth.records import dataclass
from mailauth.stores import silence
from mailauth.stores.libldap_structs import Control, Time, Value, change
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
_PPOLICY = b"1.3.6.1.4.1.42.2.27.8.5.1"  # draft-behera-ldap-password-policy, section 6
_PAGED = b"1.2.840.113556.1.4.319"  # RFC 2696
_ADD, _DELETE = 0, 1
_POINTER = ctypes.sizeof(ctypes.c_void_p)
NO_POLICY_ERROR = 65535
"""ldap.h: PP_noError."""


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
            found = ctypes.CDLL(name)
        except OSError:
            continue
        found.ldap_err2string.restype = ctypes.c_char_p
        found.ldap_first_attribute.restype = ctypes.c_void_p
        found.ldap_next_attribute.restype = ctypes.c_void_p
        found.ldap_control_find.restype = ctypes.c_void_p
        for call in (found.ldap_first_entry, found.ldap_next_entry, found.ldap_get_dn):
            call.restype, call.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_void_p)
        found.ldap_get_values_len.restype = ctypes.c_void_p
        found.ldap_get_values_len.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
        found.ldap_value_free_len.argtypes = found.ldap_memfree.argtypes = (ctypes.c_void_p,)
        return found
    return None


class Connection:
    """One to the first of some servers that answers.  Its calls raise LdapError."""

    def __init__(self, library: ctypes.CDLL, handle: ctypes.c_void_p, seconds: int) -> None:
        self._library, self._handle, self._seconds = library, handle, seconds

    def set(self, option: int, value: object) -> None:
        self._check(self._library.ldap_set_option(self._handle, option, value))

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
        wanted = Control(_PPOLICY, Value(), b"\0")
        controls = (ctypes.POINTER(Control) * 2)(ctypes.pointer(wanted))  # the last is NULL
        credentials, number, answer = Value.of(password), ctypes.c_int(), ctypes.c_void_p()
        self._check(
            self._library.ldap_sasl_bind(
                *(self._handle, _raw(name), None, ctypes.byref(credentials), controls, None),
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
        controls: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        """Delete values, and add values, by turns, in one modification; returns what ``reply`` takes.

        ``controls``: OID and value, b"" for none; a server that does not know one must refuse.
        """
        kinds = itertools.cycle((_DELETE, _ADD))
        made = [change(kind, _raw(attribute), some) for kind, some in zip(kinds, steps, strict=False) if some]
        changes = (ctypes.c_void_p * (len(made) + 1))(*[ctypes.addressof(one) for one, _ in made], None)
        asked = [Control(oid.encode(), Value.of(raw) if raw else Value(), b"\1") for oid, raw in controls]
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
        answer = self._awaited(number, seconds)
        try:
            return self._replied(answer, tuple(self._all(answer, (attribute,))))
        finally:
            self._library.ldap_msgfree(answer)

    def _awaited(self, number: int, seconds: int) -> ctypes.c_void_p:
        answer = ctypes.c_void_p()
        limit = ctypes.byref(Time(seconds, 0))
        kind = self._library.ldap_result(self._handle, number, 1, limit, ctypes.byref(answer))
        if kind <= 0:
            raise LdapError(*((SERVER_DOWN, "Can't contact LDAP server") if kind else (TIMEOUT, "Timed out")))
        return answer

    def ending(self, seconds: float) -> AbstractContextManager[None]:
        """What is asked inside may take so long: libldap waits without end for the rest of a message."""

        def descriptor() -> int:
            found = ctypes.c_int(-1)
            self._library.ldap_get_option(self._handle, _OPT_DESCRIPTOR, ctypes.byref(found))
            return found.value

        return silence.ending(seconds + _LATER, descriptor)

    def _all(self, answer: ctypes.c_void_p, attributes: tuple[str, ...]) -> Iterator[Entry]:
        names = _named(attributes)
        entry = self._library.ldap_first_entry(self._handle, answer)
        while entry:
            yield self._read(entry, names)
            entry = self._library.ldap_next_entry(self._handle, entry)

    def _replied(self, answer: ctypes.c_void_p, entries: tuple[Entry, ...]) -> Reply:
        code, words = ctypes.c_int(), ctypes.c_void_p()
        self._check(
            self._library.ldap_parse_result(
                *(self._handle, answer, ctypes.byref(code), None, ctypes.byref(words), None, None, 0)
            )
        )
        more = ctypes.string_at(words).decode("utf-8", "replace").strip("\0 \n") if words.value else ""
        self._library.ldap_memfree(words)
        says = str(self._library.ldap_err2string(code).decode())
        return Reply(code.value, f"{says}: {more}" if more else says, entries)

    def _parsed(self, answer: ctypes.c_void_p) -> tuple[int, str, int]:
        code, words, controls = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        self._check(
            self._library.ldap_parse_result(
                *(self._handle, answer, ctypes.byref(code), None, ctypes.byref(words), None),
                *(ctypes.byref(controls), 1),
            )
        )
        says = ctypes.string_at(words).decode("utf-8", "replace").strip("\0 \n") if words.value else ""
        self._library.ldap_memfree(words)
        expire, grace, error = ctypes.c_int(), ctypes.c_int(), ctypes.c_int(NO_POLICY_ERROR)
        control = self._library.ldap_control_find(_PPOLICY, controls, None) if controls.value else None
        if control:
            self._library.ldap_parse_passwordpolicy_control(
                *(self._handle, ctypes.c_void_p(control)),
                *(ctypes.byref(expire), ctypes.byref(grace), ctypes.byref(error)),
            )
        if controls.value:
            self._library.ldap_controls_free(controls)
        return code.value, says, error.value

    def search(
        self, base: str, scope: str, text: str, attributes: tuple[str, ...], *, most: int
    ) -> tuple[int, Entry]:
        """How many entries there are (at most ``most``), and the first."""
        names = [_raw(name) for name in attributes or ("1.1",)]
        wanted = (ctypes.c_char_p * (len(names) + 1))(*names, None)
        found = ctypes.c_void_p()
        result = self._library.ldap_search_ext_s(
            *(self._handle, _raw(base), _SCOPES.get(scope, 2), _raw(text), wanted, 0, None, None),
            *(None, most, ctypes.byref(found)),
        )
        try:
            count = self._library.ldap_count_entries(self._handle, found) if found.value else 0
            if count < most and not (count and result in REFERRED):
                self._check(result)
            return count, self._entry(found, attributes) if count else Entry()
        finally:
            if found.value:
                self._library.ldap_msgfree(found)

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
        names = [_raw(name) for name in attributes or ("1.1",)]
        wanted = (ctypes.c_char_p * (len(names) + 1))(*names, None)
        asked = (_raw(base), _SCOPES.get(scope, 2), _raw(text), wanted, 0)
        cookie: bytes | None = b""
        empty = 0
        number = self._send_page(asked, size, b"")
        while cookie is not None:
            with self.ending(self._seconds):
                found = self._awaited(number, self._seconds)
            try:
                cookie = self._next_page(found) or None
                if cookie and ahead:
                    number = self._send_page(asked, size, cookie)
                empty = 0 if self._library.ldap_count_entries(self._handle, found) > 0 else empty + 1
                if empty > _EMPTY:
                    raise LdapError(SERVER_DOWN, "the server sends empty pages without end")
                yield from self._all(found, attributes)
            finally:
                self._library.ldap_msgfree(found)
            if cookie and not ahead:
                number = self._send_page(asked, size, cookie)

    def _send_page(self, asked: tuple[object, ...], size: int, cookie: bytes) -> int:
        number = ctypes.c_int()
        with self._page_control(size, cookie) as controls:
            words = (*asked, controls, None, None, 0, ctypes.byref(number))
            self._check(self._library.ldap_search_ext(self._handle, *words))
        return number.value

    @contextmanager
    def _page_control(self, size: int, cookie: bytes) -> Iterator[ctypes.Array[ctypes.c_void_p]]:
        control = ctypes.c_void_p()
        made = self._library.ldap_create_page_control(
            *(self._handle, size, ctypes.byref(Value.of(cookie)), ctypes.c_char(b"T"), ctypes.byref(control))
        )
        self._check(made)
        yield (ctypes.c_void_p * 2)(control.value, None)
        self._library.ldap_control_free(control)

    def _next_page(self, found: ctypes.c_void_p) -> bytes:
        """What asks for the next page; nothing after the last."""
        controls, count, cookie, code = ctypes.c_void_p(), ctypes.c_int(), Value(), ctypes.c_int()
        self._check(
            self._library.ldap_parse_result(
                *(self._handle, found, ctypes.byref(code), None, None, None, ctypes.byref(controls), 0)
            )
        )
        if code.value not in REFERRED:
            self._check(code.value)
        if not controls.value:
            return b""
        control = self._library.ldap_control_find(_PAGED, controls, None)
        if control:
            self._library.ldap_parse_pageresponse_control(
                *(self._handle, ctypes.c_void_p(control), ctypes.byref(count), ctypes.byref(cookie))
            )
        told = ctypes.string_at(cookie.data, cookie.length) if cookie.data else b""
        self._library.ldap_memfree(ctypes.c_void_p(cookie.data))
        self._library.ldap_controls_free(controls)
        return told

    def _entry(self, found: ctypes.c_void_p, attributes: tuple[str, ...]) -> Entry:
        first = self._library.ldap_first_entry(self._handle, found)
        read = self._read(first, _named(attributes))
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

    def _read(self, entry: int, attributes: Sequence[tuple[str, bytes]]) -> Entry:
        """``attributes``: as ``_named`` has them."""
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
        connection.set(_OPT_DEREF, ctypes.byref(ctypes.c_int(_DEREFS.get(deref, 0))))
        connection.set(_OPT_VERSION, ctypes.byref(ctypes.c_int(3)))
        yield connection
    finally:
        library.ldap_unbind_ext_s(handle, None, None)


def _named(attributes: Sequence[str]) -> list[tuple[str, bytes]]:
    """In small letters, and as libldap takes them."""
    return [(one.lower(), _raw(one)) for one in attributes]


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
