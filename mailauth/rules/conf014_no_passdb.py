"""There is no passdb: nobody can log in.

What you see
    No login works: the auth process does not start.  The log says "No passdbs specified in
    configuration file. PLAIN mechanism needs one".
Why
    The passdb was commented out, is for master users only, or the file that has it is not included
    (Debian's auth-*.conf.ext are included one by one from 10-auth.conf).  A passdb with
    skip = unauthenticated counts only after another: it waits for the success of one before it.  Or, in 2.4,
    two blocks have one name: they are one passdb, and what either of them sets (master = yes) counts for it.
How we know
    doveconf reports no passdb that auth_preinit() (src/auth/auth.c) keeps.
What to do
    Include the file that has the passdb, or write one.
"""

from mailauth.evidence import Configured, Startup
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy
from mailauth.rules import passdb_case

# These bring their own proof of who the client is
_WITHOUT_A_PASSDB = frozenset({"EXTERNAL", "ANONYMOUS", "GSSAPI", "GSS-SPNEGO"})
_BY_TOKEN = frozenset({"XOAUTH2", "OAUTHBEARER"})  # of 2.4: its oauth2 settings judge the token


@rule("CONF014", "There is no passdb", Severity.BLOCKS_LOGIN, bears=Bears.NEXT_START, watch="server")
def no_passdb(configured: Configured, startup: Startup) -> Problem | None:
    old = configured.config.version.dialect == "2.3"
    none_needed = _WITHOUT_A_PASSDB if old else _WITHOUT_A_PASSDB | _BY_TOKEN
    if startup.passdbs or set(startup.mechanisms) <= none_needed:
        return None
    waiting = [one for one in configured.config.passdbs if not one.master]
    masters = " except for master users (master = yes)" if configured.config.passdbs else ""
    has = f"have no passdb{masters}"
    mend = "Include the file that has the passdb, or write one; doveconf -n passdb shows it then."
    if startup.one and masters:
        has += f": {passdb_case.of_one_name(startup)}"
        mend = "Give each passdb block a name of its own, and its driver = ... inside; then reload."
    if comments := passdb_case.not_included(startup):
        has += f" (these lines include one, and are comments: {comments})"
        mend = f"Take the # from {startup.commented[0].place}; doveconf -n passdb shows the passdb then."
    if waiting:  # nothing else makes a passdb of no use
        skips = " and ".join(f"{one.label} ({one.place_of('skip')})" for one in waiting)
        has = f"have no passdb that is asked first: {skips} has skip = unauthenticated, which waits for the"
        has += " success of one before it"
        mend = f"Take skip = unauthenticated out of {waiting[0].label}, or write the passdb before it."
    return Problem(
        says=f"{configured.file} and the files it includes {has}; the auth process does not start.",
        because=(startup, configured),
        certainty=Certainty.PROVEN,
        remedy=remedy(summary=mend, commands=(RELOAD,)),
    )
