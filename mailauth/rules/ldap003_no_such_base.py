"""The base of the search is not in the directory, or is hidden.

What you see
    Every login fails as if the password were wrong; the log says "unknown user", and nothing else.
Why
    The base is misspelled, was renamed, or is hidden from the name with which Dovecot binds.  Dovecot takes
    the server's noSuchObject for "unknown user".
How we know
    The directory was searched as Dovecot searches it, and answered with result 32 (RFC 4511 appendix A.1).
What to do
    Correct the base, or let Dovecot's bind name see it.
"""

from mailauth.evidence import DirectoryAnswers, Logins
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import directory_case
from mailauth.stores.directed import Directed

_ADVICE = {Directed.BASE: "Correct the base in <settings>, or let <name> see it, by the server's rules."}


@rule(
    "LDAP003",
    "The base of the search is not in the directory, or is hidden",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    watch="server",
)
def no_such_base(answers: DirectoryAnswers, logins: Logins | None) -> Problem | None:
    return directory_case.problem(answers.those(Directed.BASE), answers, logins, _ADVICE)
