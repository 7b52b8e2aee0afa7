"""A hash under {CRYPT} is verified by the system's libcrypt, which does not know this algorithm.

What you see
    Every password fails. The log says "Password mismatch", as for a wrong password. Or it says
    "crypt() failed".
Why
    The id between the first two $ chooses the algorithm. libxcrypt, Debian's libcrypt, has $y$ $gy$
    $7$ $6$ $5$ $2?$ $sha1$ $md5 $1$ $3$ and DES, from 4.5 on $sm3$ and $sm3y$; other systems have more or
    fewer (OpenBSD, Solaris, musl), so that a hash which came from one cannot be verified on another.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; the id is none that libxcrypt has, and no other software's that mailauth
    knows.  Or the libcrypt beside that Dovecot was read, and does not have it.
What to do
    Set the user's password again.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule(
    "HASH022",
    "The system's crypt(3) does not have the hash's algorithm",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def libc_lacks_it(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.LIBC)
    if found is None:
        return None
    return hash_case.problem(
        stored, found, f"{found.detail[0].upper()}{found.detail[1:]}: no password matches."
    )
