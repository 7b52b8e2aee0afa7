"""What the hashes are to become, and whether one is there already."""

from mailauth.hashes import Hash, Password
from mailauth.hashes.making import Order, profile
from mailauth.hashes.schemes import named
from mailauth.hashes.strength import Level
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """A scheme, and the parameters to make it with."""

    scheme: str = "ARGON2ID"
    options: tuple[tuple[str, int | str], ...] = tuple(profile("owasp").items())

    @property
    def reads(self) -> int | None:
        """Bytes of a password that a new hash reads; None: all."""
        scheme = named(self.scheme)
        return scheme.reads(()) if scheme else None

    def cuts(self, password: Password) -> bool:
        """Whether a new hash would read only the beginning of this password."""
        return self.reads is not None and len(password.raw) > self.reads

    def order(self, dovecot: tuple[int, ...], limit: int | None, idle: int) -> Order:
        """The order for a new hash that this Dovecot can verify within this limit.  Sizes in bytes."""
        return Order(self.scheme, self.options, dovecot, limit=limit, idle=idle)


def reached(stored: Hash, goal: Goal) -> bool:
    """Whether a hash need not be made again: it has the goal's scheme, and is no weaker than asked for.

    A hash with larger parameters than the goal's counts as there: nobody is migrated downwards.
    """
    if stored.scheme.name != goal.scheme.upper():
        return False
    have = dict(stored.params)
    asked = dict(goal.options)
    if stored.scheme.library == "libsodium":
        at_least = all(int(have[short]) >= int(asked[name]) for name, short in _ARGON2 if name in asked)
        return at_least or (stored.strength.level is Level.GOOD and "memory" not in asked)
    return all(int(have[name]) >= int(asked[name]) for name in ("cost", "rounds") if name in asked)


_ARGON2 = (("memory", "m"), ("time", "t"))
