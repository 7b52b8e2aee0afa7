"""The directory does not return an attribute that Dovecot needs.

What you see
    The login fails.  2.3 logs "No password returned (and no nopassword)"; 2.4 "No such attribute", with a
    temporary error.
Why
    Dovecot is to verify the password itself, and the attribute that it asks for does not come: the entry has
    none, or the server's rules hide it from the name with which Dovecot binds.  Many directories hand it out
    to nobody.  In 2.4 each %{ldap:ATTRIBUTE} of the fields is needed, whatever it is for.
How we know
    The directory was searched as Dovecot searches it, and returned the entry without that attribute.
What to do
    Let Dovecot's bind name read the attribute, or let the directory verify: auth_bind = yes (2.3), or
    bind = yes in the passdb (2.4).
"""

from mailauth.evidence import DirectoryAnswers, Logins
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import directory_case
from mailauth.stores.directed import Directed

_ADVICE = {
    Directed.FOUND: (
        "Let <name> read the attribute, by the server's rules; give the entry one; or let the directory"
        " verify: auth_bind = yes (2.3) or bind = yes (2.4) in <settings>. Of what is no"
        " password a field may have a default: %{ldap:NAME | default('x')} (2.4)."
    )
}


@rule(
    "LDAP004",
    "The directory does not return an attribute that Dovecot needs",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
)
def no_password_comes(answers: DirectoryAnswers, logins: Logins | None) -> Problem | None:
    found = tuple(one for one in answers.those(Directed.FOUND) if one.told.lacks and not one.told.twice)
    return directory_case.problem(found, answers, logins, _ADVICE)
