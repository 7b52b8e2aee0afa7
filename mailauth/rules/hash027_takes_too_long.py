"""One verification takes longer than clients wait for.

What you see
    Logins succeed after seconds, or the client gives up first; webmail, which logs in for every
    page, is slow. passwd-file and PostgreSQL verify one after another, and everybody waits.
Why
    The cost of the hash is far above all recommendations: OWASP's parameters take a tenth of a second.
How we know
    The seconds follow from the parameters, by the speed of one core of 2025 (docs/memory.md); yours
    may take half or double.
What to do
    Set the password again with today's numbers: mailauth hash new. Or let Dovecot remember verified
    passwords: auth_cache_size.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules.hash_case import takes_long

_LONG = 2.5  # seconds, of one core: ten to thirty times what is recommended


@rule("HASH027", "One verification takes seconds", Severity.RISK, yields_to=("HASH034",), bears=Bears.ENTRY)
def takes_too_long(stored: StoredHash) -> Problem | None:
    if stored.damage is not None or stored.seconds < _LONG:
        return None
    return takes_long(stored, "")
