"""The braces around a scheme's name, where they are broken: "[MD5-CRYPT]$1$...", "{ARGON2ID$argon2id$..."."""

from mailauth.expressions import expression
from mailauth.hashes import accepts
from mailauth.hashes.schemes import SCHEMES, lookup

_NAME = rb"[ ]*([A-Za-z0-9][A-Za-z0-9.-]*)[ ]*"
_OTHER = expression(rb"[\[(<{]" + _NAME + rb"[\])>}]")  # both there, one of them or both of another kind
_HALF = expression(rb"()" + _NAME + rb"(?:[}\]]|:(?=\$))|[{\[]" + _NAME + rb"(?=\$)")
_LONGEST_FIRST = sorted((scheme.name for scheme in SCHEMES), key=len, reverse=True)


def repaired(stored: bytes) -> bytes | None:
    """The string with a scheme in whole braces; None where none can be read, or nothing is broken."""
    found = _OTHER.match(stored)
    if found and found[0][:1] + found[0][-1:] != b"{}" and _known(found[1]):
        return b"{%b}%b" % (found[1], stored[found.end() :])
    found = _HALF.match(stored)
    if found:
        name = found[2] or found[3]
        if _known(name):
            return b"{%b}%b" % (name, stored[found.end() :])
    if stored.startswith(b"{") and b"}" not in stored:
        upper = stored[1:].upper()
        for name in _LONGEST_FIRST:
            if upper.startswith(name.encode()):
                return b"{%b}%b" % (name.encode(), stored[1 + len(name) :])
    return None


def _known(name: bytes) -> bool:
    return lookup(name) is not None or bool(accepts.meant(name))
