"""A stored string of Dovecot's taken apart into what other software writes in its own way."""

from dataclasses import field

from mailauth.hashes import crypt
from mailauth.hashes.encoding import base64_decode, base64_decode_leniently, hex_decode
from mailauth.hashes.hash import Flaw, Hash
from mailauth.records import dataclass

KINDS = {
    "argon2id": "Argon2id",
    "argon2i": "Argon2i",
    "bcrypt": "bcrypt",
    "bcrypt-2x": "bcrypt $2x$ (with the bug of 2011)",
    "sha512crypt": "SHA-512-crypt ($6$)",
    "sha256crypt": "SHA-256-crypt ($5$)",
    "yescrypt": "yescrypt ($y$)",
    "gost-yescrypt": "yescrypt with GOST ($gy$)",
    "sm3": "SM3-crypt ($sm3$)",
    "sm3-yescrypt": "yescrypt with SM3 ($sm3y$)",
    "scrypt": "scrypt of crypt(3) ($7$)",
    "sha1crypt": "SHA-1-crypt ($sha1$)",
    "sunmd5": "Sun's MD5-crypt ($md5$)",
    "md5crypt": "MD5-crypt ($1$)",
    "md5crypt-odd": "MD5-crypt with a salt that crypt(3) refuses",
    "nt": "NT hashes ($3$)",
    "bsdi": "BSDi's DES-crypt",
    "des": "DES-crypt",
    "pbkdf2": "PBKDF2 with SHA-1",
    "scram-sha-256": "SCRAM-SHA-256 keys",
    "scram-sha-1": "SCRAM-SHA-1 keys",
    "ssha512": "salted SHA-512",
    "ssha256": "salted SHA-256",
    "ssha": "salted SHA-1",
    "smd5": "salted MD5",
    "sha512": "unsalted SHA-512",
    "sha256": "unsalted SHA-256",
    "sha1": "unsalted SHA-1",
    "md5": "unsalted MD5",
    "md4": "unsalted MD4",
    "cram-md5": "CRAM-MD5 contexts",
    "digest-md5": "DIGEST-MD5 hashes",
    "otp": "one-time passwords",
    "plain": "the password itself",
    "plain-trunc": "the beginning of a password",
}
"""Each kind of content, in words."""

_CRYPT = {
    "2a": "bcrypt",
    "2b": "bcrypt",
    "2y": "bcrypt",
    "2x": "bcrypt-2x",
    "$6$": "sha512crypt",
    "$5$": "sha256crypt",
    "$y$": "yescrypt",
    "$gy$": "gost-yescrypt",
    "$sm3$": "sm3",
    "$sm3y$": "sm3-yescrypt",
    "$7$": "scrypt",
    "$sha1$": "sha1crypt",
    "$md5$": "sunmd5",
    "$1$": "md5crypt",
    "$3$": "nt",
    "_": "bsdi",
    "DES": "des",
}


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a stored string holds.

    ``text``: as the scheme writes it, without its name.  ``numbers``: Argon2's m (KiB), t and p; rounds of
    PBKDF2 and SCRAM.  ``key``: the digest, tag or StoredKey; ``server``: SCRAM's ServerKey.
    """

    kind: str  # of KINDS
    text: bytes = field(default=b"", repr=False)
    numbers: tuple[int, ...] = ()
    salt: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    server: bytes = field(default=b"", repr=False)


def taken_apart(hash_: Hash) -> Pieces:
    """Of a hash that parses."""
    scheme, text = hash_.scheme, hash_.payload.partition(b"\0")[0]
    values = dict(hash_.params)
    if scheme.stores_password:
        return Pieces("plain-trunc") if scheme.partly else Pieces("plain", hash_.payload)
    if size := scheme.digest_length:
        return Pieces(scheme.kind, key=hash_.payload[:size], salt=hash_.payload[size:])
    if scheme.kind:
        return Pieces(scheme.kind)
    if "argon2" in scheme.families:
        salt, tag = (base64_decode_leniently(part) for part in text.rsplit(b"$", 2)[1:])
        numbers = tuple(int(values[name]) for name in "mtp")
        return Pieces(str(values["type"]), text, numbers, salt, tag)
    if "pbkdf2" in scheme.families:
        salt, rounds, key = text[3:].split(b"$")
        return Pieces("pbkdf2", text, (int(rounds),), salt, bytes.fromhex(key.decode("ascii")))
    if {"scram-sha-1", "scram-sha-256"} & set(scheme.families):
        rounds, salt, stored, server = text.split(b",")
        keys = (base64_decode(stored) or b"", base64_decode(server) or b"")
        return Pieces(scheme.families[0], text, (int(rounds),), base64_decode_leniently(salt), *keys)
    return _of_crypt(text, str(values["kind"]))


def _of_crypt(text: bytes, kind: str) -> Pieces:
    """What crypt(3) makes, and the scheme MD5, which has a bare MD5 besides."""
    if kind == "digest":
        raw = hex_decode(text) if len(text) == 32 else base64_decode(text)
        return Pieces("md5", key=raw or b"")
    odd = isinstance(crypt.parse(text), Flaw)  # Dovecot's own MD5-CRYPT takes salts that crypt(3) does not
    return Pieces("md5crypt-odd" if odd else _CRYPT[kind], text)
