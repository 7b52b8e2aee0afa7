"""The structures that libldap and its callers hand to one another.

Source: ldap.h and lber.h of OpenLDAP 2.5.13 and 2.6.10.
"""

import ctypes
from collections.abc import Sequence

_BINARY = 0x80


class Value(ctypes.Structure):
    """Struct berval."""

    _fields_ = (("length", ctypes.c_ulong), ("data", ctypes.c_void_p))

    @classmethod
    def of(cls, raw: bytes) -> "Value":
        """It keeps the buffer alive."""
        return cls(len(raw), ctypes.cast(ctypes.c_char_p(raw), ctypes.c_void_p))


class Time(ctypes.Structure):
    """Struct timeval."""

    _fields_ = (("seconds", ctypes.c_long), ("micro", ctypes.c_long))


class Control(ctypes.Structure):
    """Struct ldapcontrol."""

    _fields_ = (("oid", ctypes.c_char_p), ("value", Value), ("critical", ctypes.c_char))


class LdapMod(ctypes.Structure):
    """Struct ldapmod, with its values in ``mod_bvalues``."""

    _fields_ = (("kind", ctypes.c_int), ("name", ctypes.c_char_p), ("values", ctypes.c_void_p))


def change(kind: int, attribute: bytes, values: Sequence[bytes]) -> tuple[LdapMod, object]:
    """With what it points to, which has to live as long."""
    held = [Value.of(value) for value in values]
    array = (ctypes.c_void_p * (len(held) + 1))(*[ctypes.addressof(one) for one in held], None)
    made = LdapMod(kind | _BINARY, attribute, ctypes.cast(array, ctypes.c_void_p))
    return made, (held, array, values)


def declare(found: ctypes.CDLL) -> None:
    """What the library's functions return and take, where that is no int."""
    found.ldap_err2string.restype = ctypes.c_char_p
    found.ldap_first_attribute.restype = ctypes.c_void_p
    found.ldap_next_attribute.restype = ctypes.c_void_p
    found.ldap_control_find.restype = ctypes.c_void_p
    for call in (found.ldap_first_entry, found.ldap_next_entry, found.ldap_get_dn):
        call.restype, call.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_void_p)
    found.ldap_get_values_len.restype = ctypes.c_void_p
    found.ldap_get_values_len.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
    found.ldap_value_free_len.argtypes = found.ldap_memfree.argtypes = (ctypes.c_void_p,)
