"""Which mechanisms a stored string serves.

Source: Dovecot 2.3.19.1 src/auth/passdb.c passdb_get_credentials(), mech-*.c.
"""

from mailauth.hashes.schemes import ITSELF, SCHEMES

_OF_SCHEMES = sorted({name for one in SCHEMES for name in one.mechanisms})
_OF_THE_PASSWORD_ALONE = ("APOP",)
# What a mechanism takes besides the password itself.
TAKES = {
    **{name: frozenset(one.name for one in SCHEMES if name in one.mechanisms) for name in _OF_SCHEMES},
    **{name: frozenset[str]() for name in _OF_THE_PASSWORD_ALONE},
}


def serves(mechanism: str, scheme: str) -> bool:
    """Whether a client of this mechanism can log in with what is stored under this scheme."""
    takes = TAKES.get(mechanism)
    return takes is None or scheme in takes or scheme in ITSELF


def lost(mechanisms: tuple[str, ...], before: str, after: str) -> tuple[str, ...]:
    """The mechanisms that one scheme serves, and the other does not."""
    return tuple(name for name in mechanisms if serves(name, before) and not serves(name, after))
