"""The table of all schemes, and how a name is looked up."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from mailauth.hashes import argon2, bcrypt, challenge, crypt, digest, md5crypt, pbkdf2, plain, scram
from mailauth.hashes.encoding import base64_decode, hex_decode
from mailauth.hashes.hash import Flaw, Hash, Params, Scheme

_LISTED: tuple[Scheme, ...] = (
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


def _under_each_name() -> Iterator[Scheme]:
    """Each scheme, and after it those of its aliases that differ from it in nothing but the name."""
    listed = {one.name for one in _LISTED}
    for one in _LISTED:
        yield one
        names = (one.name, *one.aliases)
        for alias in one.aliases:
            if alias not in listed:
                yield replace(one, name=alias, aliases=tuple(name for name in names if name != alias))


SCHEMES = tuple(_under_each_name())
"""All that ``doveadm pw -l`` names, on 2.3 or 2.4."""

AS_TEXT = frozenset(one.name for one in SCHEMES if one.stores_password)
"""The schemes that store the password itself, or its beginning."""

ITSELF = frozenset(one.name for one in SCHEMES if one.itself)
"""The schemes that compare the password with what is stored, letter by letter."""


def called(name: str, params: Params = ()) -> str:
    """What people call a hash of this scheme, with the article."""
    scheme = _BY_NAME[name][0]
    return scheme.called(params) if scheme.called else f"a {scheme.name} hash"


def of_family(*names: str) -> tuple[str, ...]:
    """The names of the schemes of these families."""
    return tuple(one.name for one in SCHEMES if set(one.families) & set(names))


def known_as(name: str) -> tuple[str, ...]:
    """A scheme's names."""
    return tuple(one.name for one in SCHEMES if name in (one.name, *one.aliases))


def is_digest(parsed: Hash) -> bool:
    """A scheme whose verification takes no time, and whose strings another scheme's may look like."""
    digest = parsed.scheme.default_encoding or "md5" in parsed.scheme.families
    return bool(digest) or dict(parsed.params).get("kind") == "DES"


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

Decoder = Callable[[bytes], bytes | None]
Fast = tuple[Scheme, str, Decoder | None, Callable[[bytes], Params | Flaw]]


def _fast(entry: Entry) -> Fast:
    scheme, written, in_force, guess = entry
    length = scheme.raw_length
    decode = hex_decode if in_force == "HEX" and not guess else base64_decode

    def decode_fixed(payload: bytes) -> bytes | None:
        raw = hex_decode(payload) if guess and len(payload) == 2 * length else None
        raw = decode(payload) if raw is None else raw
        return raw if raw is not None and len(raw) == length else None

    decoder = (decode_fixed if length else decode) if in_force else None
    return scheme, written, decoder, scheme.parse


by_head = {b"{" + name: _fast(entry) for name, entry in _BY_BYTES.items() if not entry[0].stores_password}.get
"""By all that stands before the closing brace, in one of the usual spellings: for speed.

With functions that decode and read; where they do not succeed, the slow way says why. Without the
schemes that would take a NUL for a part of the password, and a head without its brace for whole.
"""


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
    entry = lookup(name.encode("utf-8", "surrogateescape"))
    return entry[0] if entry else None
