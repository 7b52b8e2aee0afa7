"""The directory has no entry for this user.

What you see
    The login fails as if the password were wrong; the log says "unknown user".
Why
    The filter matches no entry below the base: the user is not there, has another attribute or object class
    than the filter asks for, or is hidden from the name with which Dovecot binds.
How we know
    The directory was searched as Dovecot searches it, and returned none.  It is shown where no other passdb
    could have the user.
What to do
    Search with the filter and the base that are named; leave out one part of the filter after the other.
"""

from mailauth.evidence import DirectoryAnswers, Logins, UserName
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import directory_case
from mailauth.stores.directed import Directed

_ADVICE = {
    Directed.NOBODY: (
        "Add the entry, or correct filter, base and scope in <settings>; or give the entry what the filter"
        " asks for. The server's rules decide what <name> may see."
    )
}


@rule("LDAP005", "The directory has no entry for this user", Severity.BLOCKS_LOGIN, bears=Bears.NOTHING)
def no_entry(answers: DirectoryAnswers, _user: UserName, logins: Logins | None) -> Problem | None:
    # Of a user who is asked about: that nobody has no entry is well.
    found = tuple(one for one in answers.those(Directed.NOBODY) if one.alone)
    return directory_case.problem(found, answers, logins, _ADVICE)
