"""The stored string is damaged or foreign: no password can match it.

What you see
    Every password fails. The log says "Password mismatch", or an error about the stored string.
Why
    A hash that was edited, or made by software with other rules, does not satisfy the parser of its
    scheme. For Argon2 and crypt Dovecot does not log that: the library says "no", and Dovecot takes
    it for a wrong password. The accidents that have a code of their own (cut off, blanks, quotes, a
    wrong name, ...) were ruled out. Or the query returns a sound hash as password_noscheme, and then
    the {SCHEME} before it counts as a part of it.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; the first place where it breaks them is named.
What to do
    Set the user's password again, or repair the string: mailauth hash show says where it is broken,
    and gives the repaired string where nothing is lost by it.
"""

from mailauth.dovecot.drivers import Question
from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule(
    "HASH001",
    "The stored string can match no password",
    Severity.BLOCKS_LOGIN,
    yields_to=("HASH036",),
    bears=Bears.ENTRY,
    asks=Question.STRING,
)
def never_matches(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.OTHER, Kind.LOCKED)
    if found is None or found.opens:
        return None
    if found.kind is Kind.LOCKED:
        return hash_case.problem(
            stored, found, "The account is locked: what is stored matches no password.", lost=_UNLOCK
        )
    if found.scheme:
        return Problem(
            says=f"No password matches the stored string ({stored.length} bytes): {found.detail}.",
            because=(stored,),
            certainty=Certainty.LIKELY,
            remedy=Remedy(summary="Have the password query return the column AS password."),
        )
    return hash_case.problem(
        stored,
        found,
        f"The stored string ({stored.length} bytes) is no {stored.scheme} hash: {found.detail}.",
        lost=hash_case.UNKNOWN,
    )


_UNLOCK = "Where the user may log in: set the password again, or take the ! before the hash away."
