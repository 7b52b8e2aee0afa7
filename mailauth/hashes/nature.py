"""The one judge: what a stored string is, to whom, and what becomes of a login with it.

diagnose, checkup, audit, check, migrate and ``hash show`` all ask here, so that they say the same.
"""

from mailauth.expressions import expression
from mailauth.hashes import bare, judge
from mailauth.hashes.damage import classify
from mailauth.hashes.damaged import Damage, Fate, Reader, fate
from mailauth.hashes.hash import Flaw, Hash, Password
from mailauth.hashes.schemes import lookup
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Judged:
    """``parsed``: as this Dovecot takes it.  ``damage``: what is wrong with it.

    ``perhaps``: for what is sound as a password stored as it is, the hashes that it may be just as well.
    """

    parsed: Hash | Flaw
    damage: Damage | None
    perhaps: tuple[str, ...] = ()

    @property
    def fate(self) -> Fate:
        return fate(self.damage)

    @property
    def text(self) -> bytes:
        """What counts as the password as it stands, whatever it is; b"" for all else."""
        parsed = self.parsed
        if isinstance(parsed, Flaw) or not parsed.scheme.itself or self.damage is not None:
            return b""
        return bytes(parsed.payload)

    @property
    def plaintext(self) -> Password | None:
        """The password that is stored as it is; None where it may be anything else."""
        text = b"" if self.perhaps else self.text
        return Password(text) if text else None


def parsed_by(reader: Reader, stored: bytes) -> Hash | Flaw:
    """The string as this reader takes it."""
    return judge.parse(
        reader.taken(stored),
        default_scheme=reader.default_scheme,
        dovecot=reader.dovecot,
        allow_weak=reader.allow_weak,
    )


def judged(stored: bytes, reader: Reader, password: Password | None = None) -> Judged:
    """The judgement; a ``password`` that was given decides what a form leaves open."""
    parsed = parsed_by(reader, stored)
    damage = classify(stored, parsed, reader, password)
    return Judged(parsed, damage, _perhaps(stored, parsed) if damage is None else ())


def _perhaps(stored: bytes, parsed: Hash | Flaw) -> tuple[str, ...]:
    if isinstance(parsed, Flaw) or not parsed.scheme.itself:
        return ()
    text = bytes(parsed.payload)
    read_as = (text,) if stored[:1] == b"{" else (text, stored)
    open_ = any(bare.may_be_hash(one) or bare.at_random(one) for one in read_as)
    second = _SCHEME.match(text)  # what follows may be the password
    if not open_ and not (second and lookup(second[1])):
        return ()
    return tuple(one.what for one in bare.likely(text)) or ("another program's hash, or a damaged one",)


_SCHEME = expression(rb"\{([A-Za-z0-9.-]{2,20})\}")
