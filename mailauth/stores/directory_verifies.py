"""Stored strings as slapd itself verifies them, when somebody binds.

Source: OpenLDAP 2.5.13 libraries/liblutil/passwd.c (pw_schemes), contrib pw-sha2 and pw-pbkdf2, and
servers/slapd/pwmods/argon2.c.
"""

import re

from mailauth.hashes import Flaw, judge
from mailauth.hashes.passport import issue
from mailauth.hashes.passport_parts import taken_apart

ATTRIBUTE = "userPassword"
"""Whose values slapd verifies: RFC 4513 section 5.1.3, RFC 4519 section 2.41."""
_SCHEME = re.compile(rb"\{([^}]*)\}")
_CORE = frozenset({"", "SSHA", "SHA", "SMD5", "MD5", "CLEARTEXT"})
_ALONE = _CORE | {"CRYPT"}  # crypt(3) is built in
_MODULES = {
    "CRYPT": "a crypt(3) that has their kind, as Linux's libxcrypt",
    "ARGON2": "the module argon2",
    **dict.fromkeys(("SHA256", "SHA512", "SSHA256", "SSHA512"), "the module pw-sha2"),
    **dict.fromkeys(("PBKDF2", "PBKDF2-SHA1", "PBKDF2-SHA256", "PBKDF2-SHA512"), "the module pw-pbkdf2"),
}


def scheme_of(stored: bytes) -> str:
    """What slapd takes for the scheme; "" for a string that it compares as it is."""
    found = _SCHEME.match(stored)
    return found[1].decode("ascii", "replace").upper() if found else ""


def is_known(stored: bytes) -> bool:
    """Whether slapd may verify it, with what ``needs`` says."""
    scheme = scheme_of(stored)
    return scheme in _CORE or scheme in _MODULES


def by_itself(scheme: str) -> bool:
    """Whether slapd verifies strings of that scheme without a module."""
    return scheme in _ALONE


def needs(stored: bytes) -> str:
    """What slapd must have to verify a string that it knows; "" for nothing more."""
    return _MODULES.get(scheme_of(stored), "")


def in_its_form(stored: bytes) -> tuple[bytes | None, str]:
    """A string of Dovecot's, with its scheme, in slapd's form; None, and why, where it has none."""
    parsed = judge.parse(stored, default_scheme=None)
    if isinstance(parsed, Flaw):
        return None, "it is no string of a scheme that Dovecot has, so slapd's form for it is not known"
    part = taken_apart(parsed)
    if part.kind == "plain":
        if part.text.startswith(b"{"):
            return None, "it is a password that begins with a brace, which slapd would take for a scheme"
        return part.text, ""
    made = issue(stored, "openldap")
    return made.stored, "" if made.stored is not None else made.reason
