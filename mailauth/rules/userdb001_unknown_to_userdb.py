"""A passdb lets the user in, and no userdb knows the user.

What you see
    doveadm auth test succeeds, and an IMAP login fails: the connection is closed, or "Internal error
    occurred".  The log says "user not found from userdb" and "Authenticated user not found from
    userdb".
Why
    The password is looked up in a passdb, the uid and the home in a userdb.  They are two lookups,
    often of two files or queries, and the name must be in both.
How we know
    The passdbs were asked; then doveadm user made the lookup that an IMAP login makes.
What to do
    Add the user to the userdb.  Where all mail belongs to one uid, userdb static needs no entries.
"""

from mailauth.evidence import UserdbAnswer
from mailauth.evidence.userdb import UserdbSaid
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule


@rule("USERDB001", "A passdb lets the user in, and no userdb knows the user", Severity.BLOCKS_LOGIN)
def unknown_to_userdb(answer: UserdbAnswer) -> Problem | None:
    if answer.said is not UserdbSaid.UNKNOWN:
        return None
    return Problem(
        says=f"{answer.user!r} is in a passdb and in none of the userdbs ({', '.join(answer.userdbs)}): where"
        " the password is right the login fails all the same.",
        because=(answer,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary="Add the user to the userdb, under the same name; a passwd-file's uid and gid must be"
            " numbers or names that this system has."
        ),
    )
