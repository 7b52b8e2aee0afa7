"""There is no passdb: nobody can log in.

What you see
    No login works: the auth process does not start.  The log says "No passdbs specified in
    configuration file. PLAIN mechanism needs one".
Why
    The passdb was commented out, is for master users only, or the file that has it is not included
    (Debian's auth-*.conf.ext are included one by one from 10-auth.conf).
How we know
    doveconf reports no passdb.
What to do
    Include the file that has the passdb, or write one.
"""

from mailauth.evidence import Configured, Startup
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy

# These bring their own proof of who the client is
_WITHOUT_A_PASSDB = frozenset({"EXTERNAL", "ANONYMOUS", "GSSAPI", "GSS-SPNEGO"})


@rule("CONF014", "There is no passdb", Severity.BLOCKS_LOGIN, bears=Bears.NEXT_START, watch="server")
def no_passdb(configured: Configured, startup: Startup) -> Problem | None:
    if startup.passdbs or set(startup.mechanisms) <= _WITHOUT_A_PASSDB:
        return None
    masters = " but for master users (master = yes)" if configured.config.passdbs else ""
    return Problem(
        says=f"{configured.file} and the files it includes have no passdb{masters}; the auth process does not"
        " start.",
        because=(startup, configured),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Include the file that has the passdb, or write one; doveconf -n passdb shows it then.",
            commands=(RELOAD,),
        ),
    )
