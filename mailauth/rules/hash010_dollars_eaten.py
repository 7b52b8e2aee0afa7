"""Parts that begin with $ were replaced by nothing, or the $ was escaped and stored so.

What you see
    Every password fails. The log says "Password mismatch", as for a wrong password.
Why
    In double quotes a shell replaces $argon2id, $v, $m, $2 or $6 by its value, which is empty;
    Docker Compose and .env files do the same. To prevent that, people write a
    backslash before each $, or each $ twice; where nothing is replaced, this is stored unchanged.
How we know
    The string looks as a shell leaves such a hash: the parameters without their $, or each $
    twice.
What to do
    Set the password again, with the hash in single quotes. Where each $ is doubled or has a
    backslash before it, mailauth hash show prints the repaired string.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule(
    "HASH010",
    "A shell or Compose took parts of the hash for variables",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def dollars_eaten(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.SHELL)
    if found is None:
        return None
    return hash_case.problem(
        stored,
        found,
        f"The stored string ({stored.length} bytes) is what a shell makes of a hash: {found.detail}.",
    )
