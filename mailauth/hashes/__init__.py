"""Password hashes as Dovecot stores and judges them. Needs no Dovecot and no configuration.

>>> from mailauth.hashes import Password, generate, verify
>>> stored = generate("SSHA512", Password.of("secret"))
>>> verify(stored, Password.of("secret")).verdict
<Verdict.MATCH: 'match'>
"""

from mailauth.hashes.hash import (
    LIMITS,
    Flaw,
    Hash,
    Judgement,
    Limits,
    Memory,
    Params,
    Password,
    Scheme,
    Verdict,
)
from mailauth.hashes.judge import generate, hash_memory, identify, parse, shown, verify, verify_hash
from mailauth.hashes.schemes import SCHEMES, named

__all__ = [
    "LIMITS",
    "SCHEMES",
    "Flaw",
    "Hash",
    "Judgement",
    "Limits",
    "Memory",
    "Params",
    "Password",
    "Scheme",
    "Verdict",
    "generate",
    "hash_memory",
    "identify",
    "named",
    "parse",
    "shown",
    "verify",
    "verify_hash",
]
