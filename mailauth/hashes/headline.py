"""What a stored string is, in the one line that matters."""

from mailauth.hashes import damage_forms, judge
from mailauth.hashes.damaged import Fate, Kind
from mailauth.hashes.hash import Hash
from mailauth.hashes.nature import Judged
from mailauth.hashes.schemes import called, lookup, named

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
        return f"probably a password, and not a hash: {detail}"
    if seen.fate is Fate.OPEN:
        if seen.damage.kind is Kind.LOCKED:
            return detail
        word = judge.split(stored)[1].strip()
        return f"{detail}: that word is the password" if word else "nothing: the empty password logs in"
    if seen.fate is Fate.REFUSED:
        return f"{kind or 'a hash'}, sound, and refused as weak by Dovecot 2.4"
    if seen.damage.kind in _WHOLE and (not kind or seen.damage.kind is Kind.NO_PREFIX):
        return detail
    return f"{kind or 'a hash'}: {detail}"


def _kind(stored: bytes, seen: Judged) -> str:
    """As in "a bcrypt hash"; "" for a password as it is, and for what is unknown."""
    if isinstance(seen.parsed, Hash) and (seen.damage is None or seen.fate is Fate.REFUSED):
        scheme, params = seen.parsed.scheme, seen.parsed.params
    else:
        written, payload, _ = judge.split(stored)
        entry = lookup(written) if written else None
        found = named(damage_forms.label(payload)) or (entry[0] if entry else None)
        if found is None:
            return ""
        scheme, params = found, ()
    return "" if scheme.itself else called(scheme.name, params)
