"""What a string is when its password is known: a digest of it, salted or not, named or not, whole or cut off.

A form alone leaves several readings (``bare``); here a password decides between them.  Only digests that take
no time are tried.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mailauth.hashes import judge
from mailauth.hashes.bare import is_hex, readings
from mailauth.hashes.digests import md4
from mailauth.hashes.encoding import base64_decode, base64_encode, hex_decode
from mailauth.hashes.hash import Password, Verdict


@dataclass(frozen=True, slots=True)
class Proof:
    """``dovecot``: the same hash in Dovecot's form; None where Dovecot has none such, or the end is gone."""

    what: str
    dovecot: bytes | None = field(default=None, repr=False)
    cut: bool = False

    @property
    def scheme(self) -> str:
        return "" if self.dovecot is None else self.dovecot[1:].partition(b"}")[0].decode()


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
    raw = hex_decode(text) if hexed and len(text) % 2 == 0 else None
    if raw is None:
        raw = base64_decode(text + b"=" * (-len(text) % 4)) if len(text) % 4 != 1 else None
    for word, how in _words(password):
        for what, digest, in_hex, in_base64, salted in _DIGESTS:
            made = digest(word)
            if raw == made:
                name = "" if how else in_hex if hexed else in_base64
                yield Proof(f"{what} hash{how}", _named(name, text if hexed else base64_encode(raw)))
            elif raw is not None and len(raw) > len(made):
                yield from _salted(f"salted {what} hash{how}", raw, word, digest, "" if how else salted)
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


def _named(name: str, payload: bytes) -> bytes | None:
    return b"{%b}%b" % (name.encode(), payload) if name else None


def _salted(what: str, raw: bytes, word: bytes, digest: Digest, name: str) -> Iterator[Proof]:
    size = len(digest(b""))
    if raw[:size] == digest(word + raw[size:]):
        yield Proof(what, _named(name, base64_encode(raw)))
    if raw[:size] == digest(raw[size:] + word) or raw[-size:] == digest(raw[:-size] + word):
        yield Proof(f"{what}, the salt before the password")


def _cut(text: bytes, made: bytes, what: str) -> Iterator[Proof]:
    for whole in (made.hex().encode(), base64_encode(made)):
        given = text.lower() if whole[:1].isalnum() and is_hex(text) else text
        if _LEAST <= len(text) < len(whole.rstrip(b"=")) and whole.startswith(given):
            yield Proof(f"{what}, cut off: {len(text)} of {len(whole)} characters", cut=True)


_PARTED = re.compile(rb"([^:$|]{1,128})[:$|]([^:$|]{1,128})")


def _beside(text: bytes, word: bytes, digest: Digest, what: str, name: str) -> Iterator[Proof]:
    """``hash:salt`` and ``salt:hash``; and a salt that stands before the digits with nothing between them."""
    found = _PARTED.fullmatch(text)
    size = 2 * len(digest(b""))
    pairs = [(found[1], found[2]), (found[2], found[1])] if found else []
    if len(text) > size:
        pairs.append((text[-size:], text[:-size]))
    for digits, salt in pairs:
        raw = hex_decode(digits) if len(digits) == size else None
        if raw == digest(word + salt):
            yield Proof(f"{what}, the salt beside it", _named(name, base64_encode(raw + salt)))
        elif raw == digest(salt + word):
            yield Proof(f"{what}, the salt beside it, and before the password")


def _others(text: bytes, raw: bytes | None, password: Password, user: str) -> Iterator[Proof]:
    for reading in readings(text):
        if reading.prefix is None:
            continue
        made = reading.made(text).dovecot
        if made is not None and judge.verify(made, password, user=user).verdict is Verdict.MATCH:
            yield Proof(f"{reading.what} hash", made)
    wide = md4(password.text.decode("utf-8", "replace").encode("utf-16-le"))
    if raw == wide:
        yield Proof("NT hash", b"{CRYPT}$3$$" + wide.hex().encode())
    twice = hashlib.sha1(hashlib.sha1(password.text, usedforsecurity=False).digest(), usedforsecurity=False)
    if text.removeprefix(b"*").upper() == twice.hexdigest().upper().encode():
        yield Proof("MySQL's PASSWORD()")
