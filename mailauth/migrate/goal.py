"""What the hashes are to become, and whether one is there already."""

from dataclasses import dataclass

from mailauth.hashes import Hash
from mailauth.hashes.making import Order, profile
from mailauth.hashes.strength import Level, strength

_READS = {"BLF-CRYPT": 72, "DES-CRYPT": 8}  # bytes of a password; the rest is never looked at


@dataclass(frozen=True, slots=True)
class Goal:
    """A scheme, and the parameters to make it with."""

    scheme: str = "ARGON2ID"
    options: tuple[tuple[str, int | str], ...] = tuple(profile("owasp").items())

    def order(self, dovecot: tuple[int, ...], limit: int | None, idle: int) -> Order:
        """The order for a new hash that this Dovecot can verify within this limit.  Sizes in bytes."""
        return Order(self.scheme, self.options, dovecot, limit=limit, idle=idle)


def reached(stored: Hash, goal: Goal) -> bool:
    """Whether a hash need not be made anew: it has the goal's scheme, and is no weaker than asked for.

    A hash with larger parameters than the goal's counts as there: nobody is migrated downwards.
    """
    if stored.scheme.name != goal.scheme.upper():
        return False
    have = dict(stored.params)
    asked = dict(goal.options)
    if goal.scheme.upper().startswith("ARGON2"):
        at_least = all(int(have[short]) >= int(asked[name]) for name, short in _ARGON2 if name in asked)
        return at_least or (strength(stored).level is Level.GOOD and "memory" not in asked)
    return all(int(have[name]) >= int(asked[name]) for name in ("cost", "rounds") if name in asked)


_ARGON2 = (("memory", "m"), ("time", "t"))


def bytes_read(stored: Hash) -> int | None:
    """How many bytes of a password this scheme looks at; None: all of them.

    A longer password was never checked beyond them, so the hash says nothing of what its user types
    there: made into a hash that reads all, it might shut out the user who types it another way tomorrow.
    """
    if stored.scheme.name in _READS:
        return _READS[stored.scheme.name]
    payload = bytes(stored.payload)
    if stored.scheme.name == "PLAIN-TRUNC":
        length = payload.partition(b"-")[0]
        return int(length) if length.isdigit() else None
    if stored.scheme.name == "CRYPT" and payload.startswith(b"$2"):
        return _READS["BLF-CRYPT"]
    if stored.scheme.name == "CRYPT" and len(payload) == _DES and payload[:1] not in (b"$", b"_"):
        return _READS["DES-CRYPT"]
    return None


_DES = 13  # characters of a DES hash
