"""Which mechanisms a stored string serves.

Source: Dovecot 2.3.19.1 src/auth/passdb.c passdb_get_credentials(), mech-*.c.
"""

# What a mechanism takes besides the password itself.  "" is that nothing but the password will do.
TAKES = {
    "CRAM-MD5": frozenset({"CRAM-MD5", "HMAC-MD5"}),
    "DIGEST-MD5": frozenset({"DIGEST-MD5"}),
    "SCRAM-SHA-1": frozenset({"SCRAM-SHA-1"}),
    "SCRAM-SHA-1-PLUS": frozenset({"SCRAM-SHA-1"}),
    "SCRAM-SHA-256": frozenset({"SCRAM-SHA-256"}),
    "SCRAM-SHA-256-PLUS": frozenset({"SCRAM-SHA-256"}),
    "APOP": frozenset[str](),
}
_PASSWORD_ITSELF = frozenset({"PLAIN", "CLEAR", "CLEARTEXT"})


def serves(mechanism: str, scheme: str) -> bool:
    """Whether a client of this mechanism can log in with what is stored under this scheme."""
    takes = TAKES.get(mechanism)
    return takes is None or scheme in takes or scheme in _PASSWORD_ITSELF


def lost(mechanisms: tuple[str, ...], before: str, after: str) -> tuple[str, ...]:
    """The mechanisms that one scheme serves, and the other does not."""
    return tuple(name for name in mechanisms if serves(name, before) and not serves(name, after))
