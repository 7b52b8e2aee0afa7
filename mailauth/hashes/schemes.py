"""The table of all schemes, and how a name is looked up."""

from mailauth.hashes import argon2, bcrypt, challenge, crypt, digest, md5crypt, pbkdf2, plain, scram
from mailauth.hashes.hash import Scheme

SCHEMES: tuple[Scheme, ...] = (
    *plain.SCHEMES,
    *digest.SCHEMES,
    *md5crypt.SCHEMES,
    *crypt.SCHEMES,
    *bcrypt.SCHEMES,
    *argon2.SCHEMES,
    *pbkdf2.SCHEMES,
    *scram.SCHEMES,
    *challenge.SCHEMES,
)
"""All that ``doveadm pw -l`` names, on 2.3 or 2.4."""

ENCODINGS = ("HEX", "B64", "BASE64")

Entry = tuple[Scheme, str, str, bool]
"""Scheme; encoding as written; encoding in force ("", HEX, BASE64); whether it is a guess."""


def _entries(scheme: Scheme) -> dict[str, Entry]:
    guess = bool(scheme.default_encoding) and scheme.raw_length > 0
    entries: dict[str, Entry] = {scheme.name: (scheme, "", scheme.default_encoding, guess)}
    for written in ENCODINGS:
        in_force = "HEX" if written == "HEX" else "BASE64"
        entries[f"{scheme.name}.{written}"] = (scheme, written, in_force, False)
    return entries


_BY_NAME = {name: entry for scheme in SCHEMES for name, entry in _entries(scheme).items()}
_BY_BYTES = {
    spelt.encode(): entry
    for name, entry in _BY_NAME.items()
    for spelt in (name, name.lower(), name.replace(entry[1], entry[1].lower()) if entry[1] else name)
}


def lookup(name: bytes) -> Entry | None:
    """By what stands between the braces; letters may be small or capital.

    Source: password_scheme_lookup() in Dovecot 2.3.19.1 src/auth/password-scheme.c: what follows
    the first dot must be hex, b64 or base64.
    """
    entry = _BY_BYTES.get(name)
    if entry is None and name.isascii():
        entry = _BY_NAME.get(name.decode("ascii").upper())
    return entry


def named(name: str) -> Scheme | None:
    """The scheme of that name, which may have an encoding after a dot."""
    entry = lookup(name.encode())
    return entry[0] if entry else None
