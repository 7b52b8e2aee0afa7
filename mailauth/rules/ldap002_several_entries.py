"""Several entries of the directory match the user's name.

What you see
    The login fails with a temporary error; the log says "LDAP search returned multiple entries".
Why
    The filter matches more than one entry below the base: the name is given twice, or the filter asks for
    something that others have, too.
How we know
    The directory was searched as Dovecot searches it, and returned two.
What to do
    Let the filter match one entry, or take the other out of the directory.
"""

from mailauth.evidence import DirectoryAnswers, Logins
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import directory_case
from mailauth.stores.directed import Directed

_ADVICE = {Directed.SEVERAL: "Make the filter or the base in <settings> narrower, so that one entry matches."}


@rule(
    "LDAP002",
    "Several entries of the directory match the user's name",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    watch="server",
)
def several_entries(answers: DirectoryAnswers, logins: Logins | None) -> Problem | None:
    return directory_case.problem(answers.those(Directed.SEVERAL), answers, logins, _ADVICE)
