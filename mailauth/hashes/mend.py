"""Mending a stored string where mending loses nothing: what the hash says stays the same.

Each step undoes one known accident. A mended string is offered only if it parses, and never
claimed to match.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import field

from mailauth.expressions import expression
from mailauth.hashes import accepts, bcrypt, braces, judge, notation
from mailauth.hashes.encoding import BASE64, base64_decode, hex_decode
from mailauth.hashes.foreign import convert
from mailauth.hashes.hash import Flaw, Hash
from mailauth.records import dataclass

_STEPS_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class Mended:
    """The string as it should be, and what was done to it."""

    stored: bytes = field(repr=False)
    steps: tuple[str, ...]
    guessed: bool = False  # a step named it by its look alone


BLANKS = b" \t\r\n\v\f"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
QUOTES = b"\"'`"

Step = Callable[[bytes | None, bytes], Iterator[tuple[bytes, str]]]


def _with(name: bytes | None, payload: bytes) -> bytes:
    return payload if name is None else b"{%b}%b" % (name, payload)


def _blanks(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    bare = payload.strip(BLANKS).removeprefix(BYTE_ORDER_MARK)
    if bare != payload:
        yield _with(name, bare), "blanks and line ends at the edges taken away"
    if name is not None and name.strip() != name:
        yield _with(name.strip(), payload), "blanks between { and } taken away"


def unwrapped(payload: bytes) -> bytes:
    """A hash that begins with $ without the line breaks in it, and the blanks beside them."""
    return (
        re.sub(rb"[ \t]*[\r\n]\s*", b"", payload.strip(BLANKS))
        if payload.lstrip(BLANKS)[:1] == b"$"
        else payload
    )


def _wrapped(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    whole = unwrapped(payload)
    if whole not in (payload, payload.strip(BLANKS)):
        yield _with(name, whole), "the line breaks in it taken away"


def _quotes(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    bare = payload.strip(QUOTES)
    if bare != payload:
        yield _with(name, bare), "quotes taken away"


def _braces(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    repaired = braces.repaired(payload) if name is None else None
    if repaired is not None:
        yield repaired, "the braces around the scheme put right"


def _notation(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    for what, again in notation.readings(payload):
        yield again if again.startswith(b"{") else _with(name, again), f"read as it was meant: {what}"


def _dollars(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    """A $ that was protected from a shell or from Compose, and stored so."""
    for written in (b"\\$", b"$$"):
        if payload.startswith(written):
            yield _with(name, payload.replace(written, b"$")), f"{written.decode()} written as $"


def _dollar(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    if payload.endswith(b"$"):
        yield _with(name, payload[:-1]), "the $ at the end taken away"


_URL_SAFE = "url-safe base64 (- and _) written with + and /"


def _padding(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    if name is None or payload.startswith(b"$"):
        return
    fields = payload.split(b",") if b"," in payload else [payload]
    padded = b",".join(
        field + b"=" * (-len(field) % 4) if i >= 2 or len(fields) == 1 else field
        for i, field in enumerate(fields)
    )
    if padded != payload and all(len(field) % 4 != 1 for field in fields[2:] or fields):
        yield _with(name, padded), "the padding (=) of base64 put back"
    if b"-" in payload or b"_" in payload:
        usual = payload.translate(bytes.maketrans(b"-_", b"+/"))
        yield _with(name, usual), _URL_SAFE


def _encoding(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    plain, dot, _encoding_name = (name or b"").partition(b".")
    if dot and (hex_decode(payload) is not None or base64_decode(payload) is not None):
        yield (
            _with(plain, payload),
            f"the .{_encoding_name.decode(errors='replace')} that is not true taken away",
        )


_BY_LOOK = (
    (rb"\$2[abxy]\$.{56}", b"BLF-CRYPT"),
    (rb"\$argon2id\$.*", b"ARGON2ID"),
    (rb"\$argon2i\$.*", b"ARGON2I"),
    (rb"\$1\$[^$]*\$[0-9]+\$[0-9a-fA-F]{40}", b"PBKDF2"),
    (rb"\$1\$[^$]{0,8}\$.{22}", b"MD5-CRYPT"),
    (rb"\$5\$.*", b"SHA256-CRYPT"),
    (rb"\$6\$.*", b"SHA512-CRYPT"),
    (rb"\$(?:y|gy|7|sha1|md5|3)[$,].*", b"CRYPT"),
    (rb"[0-9]+,[^,]*,[A-Za-z0-9+/]{27}=,[A-Za-z0-9+/]{27}=", b"SCRAM-SHA-1"),
    (rb"[0-9]+,[^,]*,[A-Za-z0-9+/]{43}=,[A-Za-z0-9+/]{43}=", b"SCRAM-SHA-256"),
    (rb"[./0-9A-Za-z]{13}", b"DES-CRYPT"),
)


_COMPILED = tuple((expression(pattern, re.DOTALL), name) for pattern, name in _BY_LOOK)


def _second(_name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    second, inner, at = judge.split(payload)
    if second is not None and at:
        yield _with(second, inner), "the first of two {SCHEME} taken away"


def _scheme(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    named = (name or b"").upper().partition(b".")[0]
    for pattern, wanted in _COMPILED[:-1]:  # the last is a guess
        if named != wanted and pattern.fullmatch(payload):
            yield _with(wanted, payload), f"named for what it is: {{{wanted.decode()}}}"


def _meant(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    """Another program's name for it."""
    if name is not None and (meant := accepts.meant(name)):
        yield _with(meant.encode(), payload), f"{{{meant}}} is Dovecot's name for it"


def _digest(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    """Another digest than the name says: the length tells which."""
    if name is not None and (wanted := renamed_digest(name, payload)):
        yield _with(wanted, payload), f"named for what it is by its length: {{{wanted.decode()}}}"


def renamed_digest(name: bytes, payload: bytes) -> bytes:
    """The digest that a payload's length says it is, where ``name`` says another; b"" where it does not."""
    upper = name.upper()
    if upper not in _UNSALTED:
        return b""
    raw = hex_decode(payload) if len(payload) in (40, 64, 128) else None
    raw = base64_decode(payload) if raw is None else raw
    if raw is None:
        return b""
    wanted = _BY_LENGTH.get(len(raw), b"")
    if wanted:
        return b"" if upper in (wanted, b"SHA" if wanted == b"SHA1" else wanted) else wanted
    size, salted = _SALTED[upper]
    return salted if len(raw) - size in USUAL_SALTS else b""


_BY_LENGTH = {20: b"SHA1", 32: b"SHA256", 64: b"SHA512"}
_UNSALTED = frozenset({b"SHA", b"SHA1", b"SHA256", b"SHA512"})
_SALTED = {
    b"SHA": (20, b"SSHA"),
    b"SHA1": (20, b"SSHA"),
    b"SHA256": (32, b"SSHA256"),
    b"SHA512": (64, b"SSHA512"),
}
USUAL_SALTS = frozenset({4, 8, 12, 16, 20, 32})


def _bcrypt_ends(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    if not re.fullmatch(rb"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}", payload):
        return
    mended = bytearray(payload)
    mended[28:29] = bcrypt.canonical_salt_end(payload[28])
    mended[59] = bcrypt.ALPHABET[bcrypt.ALPHABET.index(payload[59]) & ~3]
    if bytes(mended) != payload:
        yield _with(name, bytes(mended)), "unused bits in the last character of salt or digest set to zero"


WHOLE_TAGS = (43, 86)  # characters of 32 and 64 bytes; 22, of 16, are more often what is left of 43


def _argon2(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    parts = payload.split(b"$")
    if len(parts) < 6 or not parts[1].startswith(b"argon2"):
        return
    usual = [part.translate(bytes.maketrans(b"-_", b"+/")) for part in parts[4:6]]
    if usual != parts[4:6]:
        yield _with(name, b"$".join([*parts[:4], *usual, *parts[6:]])), _URL_SAFE
    ends = [_zero_loose_bits(part.rstrip(b"=")) for part in parts[4:6]]
    if ends[1] != parts[5].rstrip(b"=") and len(ends[1]) not in WHOLE_TAGS:
        return  # cut off rather than mistyped, and what is gone is gone
    again = b"$".join([*parts[:4], *ends, *parts[6:]])
    if again != payload:
        yield _with(name, again), "padding and unused bits of base64 taken out"


def _zero_loose_bits(text: bytes) -> bytes:
    rest = len(text) & 3
    if rest in (2, 3) and text[-1] in BASE64:
        mask = 0x30 if rest == 2 else 0x3C
        return text[:-1] + bytes([BASE64[BASE64.index(text[-1]) & mask]])
    return text


def _foreign(name: bytes | None, payload: bytes) -> Iterator[tuple[bytes, str]]:
    for text in (_with(name, payload), payload):
        found = convert(text, sure=True)
        if found.dovecot is not None and not found.ours:
            yield (
                found.dovecot,
                f"made from {found.source}'s form" + (f" ({found.reason})" if found.reason else ""),
            )


_STEPS: tuple[Step, ...] = (
    _blanks,
    _wrapped,
    _notation,
    _quotes,
    _braces,
    _dollars,
    _argon2,
    _bcrypt_ends,
    _dollar,
    _padding,
    _encoding,
    _second,
    _scheme,
    _meant,
    _digest,
    _foreign,
)
_GUESSES = frozenset({_scheme, _digest, _foreign})


def _hides_a_hash(parsed: Hash) -> bool:
    """Anything parses as a password that is stored as it is; what begins as a hash does is none."""
    return parsed.scheme.itself and parsed.payload[:1] in (b"{", b"$")


def _another_password(was: Hash | Flaw, parsed: Hash) -> bool:
    """What is a password that is stored as it is may hide a hash; it is never a misspelt password."""
    if isinstance(was, Flaw) or not was.scheme.stores_password or was.payload[:1] == b"{":
        return False
    return parsed.scheme.stores_password and parsed.payload != was.payload


def mend(
    stored: bytes | str, *, dovecot: tuple[int, ...] | None = None, allow_weak: bool = False
) -> Mended | None:
    """The nearest string that Dovecot can match, found by undoing up to three known accidents."""
    start = judge.raw(stored)
    was = judge.parse(start, default_scheme=None, dovecot=dovecot, allow_weak=allow_weak)
    tried = {start}
    ways: list[Mended] = [Mended(start, ())]
    for _ in range(_STEPS_AT_MOST):
        more: list[Mended] = []
        for way in ways:
            name, payload, at = judge.split(way.stored)
            for step in _STEPS:
                for again, done in step(name if at else None, payload if at else way.stored):
                    if again in tried:
                        continue
                    tried.add(again)
                    mended = Mended(again, (*way.steps, done), way.guessed or step in _GUESSES)
                    parsed = judge.parse(again, default_scheme=None, dovecot=dovecot, allow_weak=allow_weak)
                    if isinstance(parsed, Flaw) or _hides_a_hash(parsed) or _another_password(was, parsed):
                        more.append(mended)
                    else:
                        return mended
        ways = more
    return None


def by_look(stored: bytes) -> str | None:
    """The scheme that a string without {SCHEME} has by its look; None where it could be anything."""
    if stored[:1] not in (b"$", b"{") and not stored[:1].isalnum() and stored[:1] not in (b".", b"/"):
        return None
    return next((name.decode() for pattern, name in _COMPILED if pattern.fullmatch(stored)), None)
