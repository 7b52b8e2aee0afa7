"""auth ends when it starts: nobody can log in.

What you see
    A client gets no greeting, or "* BYE Disconnected: Auth process broken"; doveadm auth test ends with
    "Couldn't connect to auth socket" or "auth server ... disconnected".  The log has "auth: Fatal: ..." and
    "service(auth): command startup failed, throttling for 2.000 secs", then 4, 8 and up to 60.
Why
    auth reads more than doveconf does: the LDAP, SQL and dict files of 2.3, Lua scripts, the options of a
    passdb's args, plugins, and whether the mechanisms can work with the passdbs.  What it does not take
    ends it, and Dovecot tries again later and later (src/master/service-monitor.c).
How we know
    auth was asked for and did not greet, no process of it was there, and the log has its last words.
What to do
    Fix what the line names.  doveadm reload starts auth again at once.
"""

import re

from mailauth.evidence import AuthStart, LookedUp
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy
from mailauth.stores.store import OF_THE_CONNECTION

# What the master says of it, which is not why.
_MASTERS = re.compile(r"service\(auth\): (?:command startup failed|child [0-9]+ killed)")

# What names the same fault more exactly: a setting, a driver, a file or a limit.
_NAMED = (
    *("MEM006", "CONF001", "CONF002", "CONF003", "CONF004", "CONF005", "CONF006", "CONF009", "CONF010"),
    *("CONF012", "CONF014", "CONF015", "CONF018", "CONF019", "CONF021", "DB014", "LUA001"),
)


@rule(
    "AUTH014",
    "auth does not start",
    Severity.BLOCKS_LOGIN,
    yields_to=_NAMED,
    bears=Bears.START,
    watch="server",
)
def auth_does_not_start(start: AuthStart, lookups: LookedUp | None) -> Problem | None:
    if start.starts:
        return None
    if lookups and lookups.failures(*OF_THE_CONNECTION) and _MASTERS.search(start.words):
        return None  # 2.3's auth is killed by signal 11 where PostgreSQL does not take its first connection
    meaning = f" ({start.says})" if start.says else ""
    return Problem(
        says=f"auth ends as it starts, so nobody can log in. Dovecot says: {start.words}{meaning}.",
        because=(start,),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Fix what that line names; auth starts with the next reload.",
            commands=(RELOAD,),
        ),
    )
