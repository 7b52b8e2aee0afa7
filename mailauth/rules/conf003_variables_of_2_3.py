"""A query, a path or a format has 2.3's %u, %n or %d, which 2.4 takes for ordinary characters.

What you see
    Dovecot starts, and no user is ever found: "unknown user", or "missing passwd file: .../%d" with
    the variable in clear.
Why
    2.4 has only %{user}, %{user | username}, %{user | domain} and similar ones.  Anything else after a
    percent sign is text, so the query asks for a user whose name is %u.
How we know
    The queries, paths and formats that doveconf reports were searched for 2.3's variables.
What to do
    Write %{user} for %u, %{user | username} for %n, %{user | domain} for %d, %{user | lower} for %Lu.
"""

from mailauth.evidence import Configured, Variables
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.rules import misread_remedy


@rule(
    "CONF003",
    "2.3's variables are taken literally by Dovecot 2.4",
    Severity.BLOCKS_LOGIN,
    bears=Bears.FILE,
    watch="server",
)
def variables_of_2_3(configured: Configured, variables: Variables) -> Problem | None:
    if configured.version.dialect != "2.4" or not variables.misread:
        return None
    return Problem(
        says=f"{misread_remedy.told(list(variables.misread))}: to Dovecot {configured.version} that is text,"
        " so no user is found.",
        because=(variables, configured),
        certainty=Certainty.PROVEN,
        remedy=misread_remedy.remedy(variables),
    )
