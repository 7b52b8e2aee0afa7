"""A query, a path or a format has a filter such as 2.4's %{user | lower}, which 2.3 does not know.

What you see
    Dovecot starts, and no user is ever found.  In auth_username_format the log says
    "passwd-file(UNSUPPORTED_VARIABLE_user | lower): unknown user"; a SQL lookup fails with
    code=temp_fail, and at default verbosity the log says nothing.
Why
    2.3 takes what stands in the braces for one name.  Its filters are letters before the braces:
    %L{user} makes lower case, %{username} and %{domain} are the parts before and after the @.
How we know
    The queries, paths and formats that doveconf and the SQL file report were searched for filters.
What to do
    Write %Lu for %{user | lower}, %n for %{user | username}, %d for %{user | domain}.
"""

from mailauth.evidence import Configured, Variables
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.rules import misread_remedy


@rule(
    "CONF004",
    "2.4's filters in variables are unknown to Dovecot 2.3",
    Severity.BLOCKS_LOGIN,
    bears=Bears.FILE,
    watch="server",
)
def filters_of_2_4(configured: Configured, variables: Variables) -> Problem | None:
    if configured.version.dialect != "2.3" or not variables.misread:
        return None
    return Problem(
        says=f"{misread_remedy.told(list(variables.misread))}: Dovecot {configured.version} knows no such"
        " variable, so no user is found.",
        because=(variables, configured),
        certainty=Certainty.PROVEN,
        remedy=misread_remedy.remedy(variables),
    )
