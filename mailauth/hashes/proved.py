"""What a string is when its password is known: a digest of it, salted or not, named or not, whole or cut off.

A form alone leaves several readings (``bare``); here a password decides between them.  Only digests that take
no time are tried.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import field

from mailauth.expressions import expression
from mailauth.hashes import judge
from mailauth.hashes.bare import is_hex, readings
from mailauth.hashes.digests import md4
from mailauth.hashes.encoding import base64_decode, base64_encode, hex_decode
from mailauth.hashes.hash import Password, Verdict
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Proof:
    """``dovecot``: the same hash in Dovecot's form; None where Dovecot has none such, or the end is gone.

    ``way``: how that form is made, also of another such hash (``alike``).
    """

    what: str
    dovecot: bytes | None = field(default=None, repr=False)
    cut: bool = False
    way: "Way | None" = None

    @property
    def scheme(self) -> str:
        return "" if self.dovecot is None else self.dovecot[1:].partition(b"}")[0].decode()


@dataclass(frozen=True, slots=True)
class Way:
    """How Dovecot's form is made.  ``kind``: what is done; ``prefix``: what then stands before it.

    ``size``: hex digits of a digest that has its salt beside it.
    """

    kind: str  # of _MADE
    prefix: str
    size: int = 0


def alike(text: bytes, way: Way) -> bytes | None:
    """Dovecot's form of a string that is made as another is; None where it does not have that form."""
    made = _MADE[way.kind](text, way.size)
    return None if made is None else way.prefix.encode() + made


def raw_of(text: bytes) -> bytes | None:
    """The bytes that hex digits, or else base64, stand for."""
    if is_hex(text) and len(text) % 2 == 0:
        return hex_decode(text)
    return base64_decode(text + b"=" * (-len(text) % 4)) if len(text) % 4 != 1 else None


Digest = Callable[[bytes], bytes]


def _of(name: str) -> Digest:
    return lambda data: hashlib.new(name, data, usedforsecurity=False).digest()


_DIGESTS: tuple[tuple[str, Digest, str, str, str], ...] = (
    ("MD5", _of("md5"), "PLAIN-MD5", "LDAP-MD5", "SMD5"),
    ("SHA-1", _of("sha1"), "SHA1", "SHA1", "SSHA"),
    ("SHA-256", _of("sha256"), "SHA256", "SHA256", "SSHA256"),
    ("SHA-512", _of("sha512"), "SHA512", "SHA512", "SSHA512"),
    ("SHA-224", _of("sha224"), "", "", ""),
    ("SHA-384", _of("sha384"), "", "", ""),
    ("MD4", md4, "PLAIN-MD4", "PLAIN-MD4.BASE64", ""),
)
"""Name, function, and Dovecot's name: in hex, in base64, with a salt after the password."""
_LEAST = 12  # characters of a digest that was cut off, to be sure of it
_LONGEST = 512  # characters that are looked at


def prove(text: bytes, password: Password, user: str = "") -> Proof | None:
    """What the string is to this password; None where it is nothing of what is tried."""
    if not 8 <= len(text) <= _LONGEST or not password.text:
        return None
    return next(_proofs(text, password, user), None)


def _proofs(text: bytes, password: Password, user: str) -> Iterator[Proof]:
    hexed = is_hex(text)
    raw = raw_of(text)
    for word, how in _words(password):
        for what, digest, in_hex, in_base64, salted in _DIGESTS:
            made = digest(word)
            if raw == made:
                name = "" if how else in_hex if hexed else in_base64
                yield _proof(f"{what} hash{how}", text, "as it is" if hexed else "base64", name)
            elif raw is not None and len(raw) > len(made):
                yield from _salted(
                    f"salted {what} hash{how}", text, raw, (word, digest, "" if how else salted)
                )
            yield from _cut(text, made, f"{what} hash{how}")
            yield from _beside(text, word, digest, f"salted {what} hash{how}", "" if how else salted)
    yield from _others(text, raw, password, user)


def _words(password: Password) -> Iterator[tuple[bytes, str]]:
    """What is hashed: the password; and its own digests, where a program hashes twice."""
    text = password.text
    yield text, ""
    for what, digest, *_ in _DIGESTS[:3]:
        made = digest(text)
        yield made.hex().encode(), f" of the {what} hash in hex"
        yield made, f" of the {what} hash"


def _proof(what: str, text: bytes, kind: str, name: str, size: int = 0) -> Proof:
    if not name:
        return Proof(what)
    way = Way(kind, f"{{{name}}}", size)
    return Proof(what, alike(text, way), way=way)


def _salted(what: str, text: bytes, raw: bytes, tried: tuple[bytes, Digest, str]) -> Iterator[Proof]:
    word, digest, name = tried
    size = len(digest(b""))
    if raw[:size] == digest(word + raw[size:]):
        yield _proof(what, text, "base64", name)
    if raw[:size] == digest(raw[size:] + word) or raw[-size:] == digest(raw[:-size] + word):
        yield Proof(f"{what}, the salt before the password")


def _cut(text: bytes, made: bytes, what: str) -> Iterator[Proof]:
    for whole in (made.hex().encode(), base64_encode(made)):
        given = text.lower() if whole[:1].isalnum() and is_hex(text) else text
        if _LEAST <= len(text) < len(whole.rstrip(b"=")) and whole.startswith(given):
            yield Proof(f"{what}, cut off: {len(text)} of {len(whole)} characters", cut=True)


_PARTED = expression(rb"([^:$|]{1,128})[:$|]([^:$|]{1,128})")


def _beside(text: bytes, word: bytes, digest: Digest, what: str, name: str) -> Iterator[Proof]:
    """``hash:salt`` and ``salt:hash``; and a salt that stands before the digits with nothing between them."""
    found = _PARTED.fullmatch(text)
    size = 2 * len(digest(b""))
    pairs = [("salt behind", found[1], found[2]), ("salt before", found[2], found[1])] if found else []
    if len(text) > size:
        pairs.append(("salt in front", text[-size:], text[:-size]))
    for kind, digits, salt in pairs:
        raw = hex_decode(digits) if len(digits) == size else None
        if raw == digest(word + salt):
            yield _proof(f"{what}, the salt beside it", text, kind, name, size)
        elif raw == digest(salt + word):
            yield Proof(f"{what}, the salt beside it, and before the password")


def _others(text: bytes, raw: bytes | None, password: Password, user: str) -> Iterator[Proof]:
    for reading in readings(text):
        if reading.prefix is None:
            continue
        made = reading.made(text).dovecot
        if made is not None and judge.verify(made, password, user=user).verdict is Verdict.MATCH:
            lower = "lower case" if is_hex(text) else "as it is"
            yield Proof(f"{reading.what} hash", made, way=Way(lower, reading.prefix.decode()))
    wide = md4(password.text.decode("utf-8", "replace").encode("utf-16-le"))
    if raw == wide:
        way = Way("hex", "{CRYPT}$3$$")
        yield Proof("NT hash", alike(text, way), way=way)
    twice = hashlib.sha1(hashlib.sha1(password.text, usedforsecurity=False).digest(), usedforsecurity=False)
    if text.removeprefix(b"*").upper() == twice.hexdigest().upper().encode():
        yield Proof("MySQL's PASSWORD()")


def _of_raw(encode: Callable[[bytes], bytes]) -> Callable[[bytes, int], bytes | None]:
    def made(text: bytes, _: int) -> bytes | None:
        raw = raw_of(text)
        return None if raw is None else encode(raw)

    return made


def _behind(digits: int, salt: int) -> Callable[[bytes, int], bytes | None]:
    """``digits`` and ``salt``: which group of ``_PARTED``."""

    def made(text: bytes, size: int) -> bytes | None:
        found = _PARTED.fullmatch(text)
        return _joined(found[digits], found[salt], size) if found else None

    return made


def _joined(digits: bytes, salt: bytes, size: int) -> bytes | None:
    raw = hex_decode(digits) if len(digits) == size and is_hex(digits) else None
    return None if raw is None else base64_encode(raw + salt)


_MADE: dict[str, Callable[[bytes, int], bytes | None]] = {
    "as it is": lambda text, _: text,
    "lower case": lambda text, _: text.lower(),
    "base64": _of_raw(base64_encode),
    "hex": _of_raw(lambda raw: raw.hex().encode()),
    "salt behind": _behind(1, 2),
    "salt before": _behind(2, 1),
    "salt in front": lambda text, size: _joined(text[-size:], text[:-size], size),
}
