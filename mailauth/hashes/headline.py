"""What a stored string is, in the one line that matters."""

from mailauth.hashes import damage_forms, judge
from mailauth.hashes.damaged import Fate, Kind
from mailauth.hashes.hash import Hash
from mailauth.hashes.nature import Judged
from mailauth.hashes.schemes import ITSELF, lookup

_NAMES = {
    "BLF-CRYPT": "bcrypt",
    "ARGON2ID": "Argon2id",
    "ARGON2I": "Argon2i",
    "ARGON2": "Argon2",
    "DES-CRYPT": "DES",
}
_AN = ("Argon2", "MD5", "SSHA", "SMD5", "LDAP", "HMAC", "OTP")
_WHOLE = frozenset({Kind.FOREIGN_FORMAT, Kind.NO_PREFIX, Kind.EMPTY, Kind.LOCKED, Kind.UNKNOWN, Kind.OTHER})


def headline(stored: bytes, seen: Judged) -> str:
    """Whose hash it is, and what is wrong with it; nothing of its salt, digest or password."""
    kind = _kind(stored, seen)
    if seen.damage is None:
        if kind == "":
            also = f", or {', '.join(seen.perhaps)} without {{SCHEME}}" if seen.perhaps else ""
            return f"a password stored as it is{also}"
        return f"{kind}, sound"
    detail = seen.damage.detail
    if seen.damage.surplus:
        return f"{kind or 'a hash'} with {seen.damage.surplus}"
    if seen.damage.kind is Kind.PLAINTEXT:
        return f"no hash, but a password, it seems: {detail}"
    if seen.fate is Fate.OPEN:
        if seen.damage.kind is Kind.LOCKED:
            return detail
        word = judge.split(stored)[1].strip()
        return f"{detail}: that word is the password" if word else "nothing: the empty password logs in"
    if seen.fate is Fate.REFUSED:
        return f"{kind or 'a hash'}, sound, and refused as weak by Dovecot 2.4"
    if seen.damage.kind in _WHOLE and (not kind or kind[2:] in detail):
        return detail
    return f"{kind or 'a hash'}: {detail}"


def _kind(stored: bytes, seen: Judged) -> str:
    """As in "a bcrypt hash"; "" for a password as it is, and for what is unknown."""
    if isinstance(seen.parsed, Hash) and (seen.damage is None or seen.fate is Fate.REFUSED):
        name = seen.parsed.scheme.name
        kind = str(dict(seen.parsed.params).get("kind", ""))
        if name in ITSELF:
            return ""
        name = "BLF-CRYPT" if kind[:1] == "2" else "DES-CRYPT" if kind == "DES" else name
    else:
        written, payload, _ = judge.split(stored)
        entry = lookup(written) if written else None
        name = damage_forms.label(payload) or (entry[0].name if entry else "")
        if name in ITSELF:
            return ""
    shown = _NAMES.get(name, name)
    return f"{'an' if shown.startswith(_AN) else 'a'} {shown} hash" if shown else ""
