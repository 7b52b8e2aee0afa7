"""Controls of LDAP: the next page of a search (RFC 2696), and what a password policy says of a bind."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mailauth.stores.libldap_structs import Value

PPOLICY = b"1.3.6.1.4.1.42.2.27.8.5.1"
"""draft-behera-ldap-password-policy, section 6."""
NO_POLICY_ERROR = 65535
"""ldap.h: PP_noError."""
_PAGED = b"1.2.840.113556.1.4.319"


@contextmanager
def asking(
    library: ctypes.CDLL, handle: ctypes.c_void_p, size: int, cookie: bytes, check: Callable[[int], None]
) -> Iterator[ctypes.Array[ctypes.c_void_p]]:
    """The controls of a search for one page; ``check`` raises for a result that is no success."""
    control = ctypes.c_void_p()
    made = library.ldap_create_page_control(
        *(handle, size, ctypes.byref(Value.of(cookie)), ctypes.c_char(b"T"), ctypes.byref(control))
    )
    check(made)
    yield (ctypes.c_void_p * 2)(control.value, None)
    library.ldap_control_free(control)


def next_page(library: ctypes.CDLL, handle: ctypes.c_void_p, told: ctypes.c_void_p) -> bytes:
    """The cookie among the controls of a result, which are freed; nothing after the last page."""
    if not told.value:
        return b""
    count, cookie = ctypes.c_int(), Value()
    control = library.ldap_control_find(_PAGED, told, None)
    if control:
        library.ldap_parse_pageresponse_control(
            *(handle, ctypes.c_void_p(control), ctypes.byref(count), ctypes.byref(cookie))
        )
    found = ctypes.string_at(cookie.data, cookie.length) if cookie.data else b""
    library.ldap_memfree(ctypes.c_void_p(cookie.data))
    library.ldap_controls_free(told)
    return found


def policy_error(library: ctypes.CDLL, handle: ctypes.c_void_p, told: ctypes.c_void_p) -> int:
    """The error of a password policy among the controls of a result, which are freed."""
    expire, grace, error = ctypes.c_int(), ctypes.c_int(), ctypes.c_int(NO_POLICY_ERROR)
    control = library.ldap_control_find(PPOLICY, told, None) if told.value else None
    if control:
        library.ldap_parse_passwordpolicy_control(
            *(handle, ctypes.c_void_p(control)),
            *(ctypes.byref(expire), ctypes.byref(grace), ctypes.byref(error)),
        )
    if told.value:
        library.ldap_controls_free(told)
    return error.value
