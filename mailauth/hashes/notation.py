"""A hash whose characters were written in another notation: base64, hex, HTML, URL, other Unicode characters.

Each way back is certain or is not gone: what comes out is plainly a hash.
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from mailauth.expressions import expression
from mailauth.hashes.encoding import BASE64, base64_decode, base64_encode, hex_decode
from mailauth.hashes.schemes import SCHEMES, lookup

_INVISIBLE = expression("[\u00a0\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u2064\ufeff]")
_CONTROL = bytes([*range(1, 9), *range(14, 32), 127])
_PLAIN = expression(rb"(?:\{[A-Za-z0-9.-]{2,20}\})?(?:\$[a-z0-9-]{1,10}[$,]\S{20,}|\S{24,})")
_CRYPTED = expression(rb"\$(?:argon2id?|2[abxy]|[156]|y|gy|7)\$\S{20,}")
_HASH = expression(rb"(?:\{[A-Za-z0-9.-]{2,20}\})\S{20,}|" + _CRYPTED.pattern)
_NAMED = expression(rb"\{([A-Za-z0-9.-]{2,20})\}([^\r\n]+)[\r\n]*")
_CUTS = (
    (expression(rb"b(['\"])(.+)\1", re.DOTALL), "it is written as Python writes bytes: b'...'"),
    (expression(rb"\[\s*(\")(.+)\"\s*\]", re.DOTALL), "it is written as JSON"),
)

_JSON = expression(rb"\\(?:([/\"])|u00([2-7][0-9A-Fa-f]))")


def _unescaped(found: re.Match[bytes]) -> bytes:
    return found[1] or bytes([int(found[2], 16)])


def readings(payload: bytes) -> Iterator[tuple[str, bytes]]:
    """What the notation is, and the string without it."""
    yield from _escaped(payload)
    text = _text(payload)
    if not text.isascii():
        seen = _INVISIBLE.sub("", text)
        if seen == text:
            seen = unicodedata.normalize("NFKC", text)
            what = "it has full-width characters in place of ASCII"
        else:
            what = "it has invisible characters, such as a blank of no width"
        yield from _if_plain(what, seen.encode("utf-8", "surrogateescape"))
    elif (again := payload.translate(None, _CONTROL)) != payload:
        yield from _if_plain("it has a control character", again)
    for pattern, what in _CUTS:
        if found := pattern.fullmatch(payload):
            yield from _if_hash(what, found[2])
    if whole := _decoded(payload):
        yield whole


def encoded(payload: bytes) -> tuple[str, bytes] | None:
    """What the notation is, and the string, where all of it is hex or base64 of a hash as Dovecot stores it.

    Whatever a scheme makes of these digits: chance writes none that begin with the name of a scheme.
    """
    if payload[:4] not in BEGINNINGS and not payload.startswith(BYTEA):
        return None
    found = _decoded(payload)
    return found if found and (_CRYPTED.fullmatch(found[1]) or _named(found[1])) else None


def _decoded(payload: bytes) -> tuple[str, bytes] | None:
    digits = payload.removeprefix(BYTEA)
    if digits[:2] in (b"7b", b"7B", b"24"):  # { and $
        raw = hex_decode(digits)
        what = "it is hex of the hash"
        if digits != payload:
            what = "it is PostgreSQL's text of a bytea column: \\x and hex of the hash"
    else:
        raw, what = _from_base64(payload), "it is base64 of the hash"
    return (what, raw) if raw and (_HASH.fullmatch(raw) or _named(raw)) else None


def _from_base64(payload: bytes) -> bytes | None:
    """With its padding or without, in one line or several, with + and / or with - and _."""
    if payload[:1] not in (b"e", b"J"):  # the first six bits of { and $
        return None
    text = payload.translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n").rstrip(b"=")
    if len(text) % 4 == 1 or text.translate(None, BASE64):
        return None
    return base64_decode(text + b"=" * (-len(text) % 4))


def _named(text: bytes) -> bool:
    """Whatever follows the name of a scheme that Dovecot has."""
    found = _NAMED.fullmatch(text)
    return bool(found and lookup(found[1]) and _text(found[2]).isprintable())


def _beginnings() -> frozenset[bytes]:
    """The first four digits of what may be a stored string in base64 or in hex."""
    names = [name.encode() for scheme in SCHEMES for name in (scheme.name, *scheme.aliases)]
    begin = {b"{" + one[:2] for name in names for one in (name, name.lower(), name.capitalize())}
    begin |= {b"$ar", b"$2a", b"$2b", b"$2x", b"$2y", b"$1$", b"$5$", b"$6$", b"$7$", b"$y$", b"$gy"}
    in_hex = {one.hex()[:4].encode() for one in begin}
    return frozenset({base64_encode(one) for one in begin} | in_hex | {one.upper() for one in in_hex})


BEGINNINGS = _beginnings()


def _escaped(payload: bytes) -> Iterator[tuple[str, bytes]]:
    """As pages, addresses and JSON write characters that they need for themselves."""
    if (
        b"&" in payload
        and (again := html.unescape(_text(payload)).encode("utf-8", "surrogateescape")) != payload
    ):
        yield from _if_plain("it has HTML's escapes (&#36; and the like)", again)
    if b"%" in payload and (again := unquote_to_bytes(payload)) != payload:
        yield from _if_plain("it has the escapes of a URL (%24 and the like)", again)
    if b"\\" in payload and (again := _JSON.sub(_unescaped, payload)) != payload:
        yield from _if_plain("it has JSON's escapes (\\/ and the like)", again)


BYTEA = b"\\x"  # what PostgreSQL puts before the hex of a bytea column


def _text(payload: bytes) -> str:
    return payload.decode("utf-8", "surrogateescape")


def _if_plain(what: str, again: bytes) -> Iterator[tuple[str, bytes]]:
    if again.isascii() and _PLAIN.fullmatch(again):
        yield what, again


def _if_hash(what: str, again: bytes) -> Iterator[tuple[str, bytes]]:
    if _HASH.fullmatch(again):
        yield what, again


_LETTERS = 43  # characters of which none has the other case: 1 of 5,000,000,000 hashes has none by chance


def one_case(payload: bytes) -> str:
    """Of which case all letters of the digest are, where chance makes no such digest; "" otherwise."""
    digest = payload.rpartition(b"$")[2]
    if payload.startswith((b"$1$", b"{")) or len(digest) < _LETTERS or not payload.startswith(b"$"):
        return ""
    if not re.fullmatch(rb"[A-Za-z0-9./+=]+", digest) or re.fullmatch(rb"[0-9A-Fa-f]+", digest):
        return ""
    if sum(chr(byte).isalpha() for byte in digest[:_LETTERS]) < _LETTERS // 2:
        return ""
    if digest == digest.lower():
        return "all its letters are small"
    return "all its letters are capitals" if digest == digest.upper() else ""
