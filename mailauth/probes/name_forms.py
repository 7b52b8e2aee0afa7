"""A name in the other forms that Unicode and domains have for it.  Pure.

macOS hands on decomposed letters (NFD), most others composed ones (NFC); a domain with letters beyond ASCII
has a form in ASCII (xn--...), which DNS and mail servers use.  Dovecot compares bytes.  Source: Unicode
Standard Annex 15; RFC 3492, RFC 5891.
"""

import unicodedata
from collections.abc import Callable

_ACE = "xn--"


def others(name: str) -> tuple[tuple[str, str], ...]:
    """Each other form, and what it is called."""
    found = {
        unicodedata.normalize("NFC", name): "in composed letters (Unicode NFC)",
        unicodedata.normalize("NFD", name): "in decomposed letters (Unicode NFD, as macOS makes them)",
        _with_domain(name, _to_ascii): "with the domain in ASCII (xn--)",
        _with_domain(name, _to_unicode): "with the domain in Unicode",
    }
    return tuple((form, how) for form, how in found.items() if form != name)


def same(one: str, other: str) -> str:
    """What ``one`` is called as a form of ``other``; "" where it is none, or the very same."""
    return next((how for form, how in others(other) if form == one), "")


def _with_domain(name: str, change: Callable[[str], str]) -> str:
    user, at, domain = name.rpartition("@")
    return f"{user}{at}{change(domain)}" if at else name


def _to_ascii(domain: str) -> str:
    return ".".join(map(_label_to_ascii, unicodedata.normalize("NFC", domain).split(".")))


def _label_to_ascii(label: str) -> str:
    return label if label.isascii() else _ACE + label.lower().encode("punycode").decode("ascii")


def _to_unicode(domain: str) -> str:
    return ".".join(map(_label_to_unicode, domain.split(".")))


def _label_to_unicode(label: str) -> str:
    if not label.lower().startswith(_ACE):
        return label
    try:
        return label[len(_ACE) :].encode("ascii").decode("punycode")
    except UnicodeError:
        return label
