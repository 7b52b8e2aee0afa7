"""The password query has the password itself in it: the database compares.

What you see
    Nothing: logins work.
Why
    A query with %w (2.4: %{password}) in it hands the client's password to the database, which compares it;
    nopassword then tells Dovecot not to compare again.  Dovecot documents this for databases with a password
    function of their own.  What the database logs of its statements, and its list of processes, then show
    passwords in clear text.
How we know
    The variable stands in the password query.
What to do
    Where Dovecot has the scheme, return the hash as password and let Dovecot verify it.  Where it has
    not, see that the database logs no statements, and that none cross a network without TLS.
"""

from mailauth.dovecot.authconfig import SqlSource
from mailauth.dovecot.variables import used
from mailauth.evidence import Configured
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule


@rule("CONF022", "The SQL statement has the client's password in it", Severity.NOTE)
def password_in_the_statement(configured: Configured) -> Problem | None:
    found = [
        f"{passdb.label}, {passdb.source.place}"
        for passdb in configured.config.passdbs
        if isinstance(passdb.source, SqlSource)
        if "password" in used(passdb.source.query, configured.version.dialect)
    ]
    if not found:
        return None
    return Problem(
        says=f"The password query of {' and of '.join(found)} has the client's password in it: the database"
        " compares it, and whatever logs its statements logs passwords.",
        because=(configured,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary="Return the hash as password, and let Dovecot verify it; or see that the database logs no"
            " statements."
        ),
    )
