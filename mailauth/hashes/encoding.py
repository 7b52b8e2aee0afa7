"""Hex and base64 exactly as Dovecot reads them, which is not as Python does."""

import binascii

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BLANKS = b" \t\r\n"
_PADDING = {0: b"", 2: b"==", 3: b"="}


def base64_decode(text: bytes) -> bytes | None:
    """Decode, or None.

    Blanks, tabs and line ends count for nothing, anywhere; padding is asked for; unused bits in
    the last character may be anything. Source: Dovecot 2.3.19.1 and 2.4.1 src/lib/base64.c.
    """
    if len(text) & 3:
        text = text.translate(None, _BLANKS)
        if len(text) & 3:
            return None
    rest = text.translate(None, _ALPHABET)
    if rest:
        if rest not in (b"=", b"=="):
            text = text.translate(None, _BLANKS)
            rest = rest.translate(None, _BLANKS)
            if len(text) & 3 or rest not in (b"", b"=", b"=="):
                return None
        if not text.endswith(rest):
            return None
    return binascii.a2b_base64(text)


def base64_decode_leniently(text: bytes) -> bytes:
    """All that decodes before the first character that does not: for the salts of SCRAM.

    Source: t_base64_decode_str() in src/lib/base64.h ignores errors and keeps what it had.
    """
    text = text.translate(None, _BLANKS)
    good = len(text) - len(text.lstrip(_ALPHABET))
    text = text[:good]
    whole = len(text) & ~3
    rest = len(text) - whole
    if rest == 1:
        text, rest = text[:whole], 0
    return binascii.a2b_base64(text + _PADDING[rest])


def base64_encode(raw: bytes) -> bytes:
    return binascii.b2a_base64(raw, newline=False)


def hex_decode(text: bytes) -> bytes | None:
    """Decode pairs of hex digits of either case, and nothing else, or None.

    Source: hex_to_binary() in Dovecot's src/lib/hex-binary.c.
    """
    try:
        return binascii.unhexlify(text)
    except binascii.Error:
        return None


def first_foreign(text: bytes, alphabet: bytes) -> int | None:
    """Where the first character outside ``alphabet`` stands."""
    for at, char in enumerate(text):
        if char not in alphabet:
            return at
    return None


BASE64 = _ALPHABET
CRYPT64 = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
