"""The directory sends an attribute twice in one entry, and auth crashes.

What you see
    Each login of the user makes Dovecot's auth process die: "Panic: file hash.c", "assertion failed",
    signal 6.  All logins that it was at work on fail with it.
Why
    Dovecot takes the attributes of an entry into a table by their names, and asserts that none is there yet.
    A server should send each attribute once, with all its values (RFC 4511 section 4.5.2); one has sent some
    twice.
How we know
    The directory was searched as Dovecot searches it, and its entry had the attribute twice.  That auth dies
    of it was measured on 2.3.19.1 and 2.4.1.
What to do
    Update or repair the directory server; until then, leave the attribute out of what Dovecot asks for.
"""

from mailauth.evidence import DirectoryAnswers, Logins
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import directory_case
from mailauth.stores.directed import Directed

_ADVICE = {
    Directed.FOUND: (
        "Update or repair the directory server, which sends the attribute twice; until then leave it out of"
        " what Dovecot asks for, in <settings>."
    )
}


@rule(
    "LDAP009",
    "The directory sends an attribute twice, and auth crashes",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
)
def attribute_twice(answers: DirectoryAnswers, logins: Logins | None) -> Problem | None:
    found = tuple(one for one in answers.those(Directed.FOUND) if one.told.twice)
    return directory_case.problem(found, answers, logins, _ADVICE)
