"""A passdb or userdb needs a driver that this Dovecot does not have, or whose package is not installed.

What you see
    No login works at all: the auth process does not start.  The log says "Support not compiled in for
    passdb driver 'ldap'", "Unknown passdb driver", or "sql: Unknown database driver 'mysql'"; the
    client sees that the connection was closed, or waits.
Why
    The drivers of databases, ldap and lua are plugins in packages of their own (Debian: dovecot-mysql,
    dovecot-pgsql, dovecot-sqlite, dovecot-ldap, dovecot-auth-lua).  2.4 also has no checkpassword, shadow,
    vpopmail and dict drivers any more, and takes the name of a block without a driver setting (passdb users
    { ... }) for its driver.  One driver that is missing ends auth, for the users of all the other
    passdbs, too.
How we know
    The drivers of each version are a table, from Dovecot's source; of those that configure can leave out
    dovecot --build-options says what is built in, and of plugins the folder of auth's plugins what is there.
What to do
    Install the package, or remove the passdb; then doveadm reload.
"""

from mailauth.evidence import Startup
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy

_PACKAGES = {
    "mysql": "dovecot-mysql",
    "pgsql": "dovecot-pgsql",
    "sqlite": "dovecot-sqlite",
    "ldap": "dovecot-ldap",
    "lua": "dovecot-auth-lua",
}


@rule(
    "CONF009",
    "The driver of a passdb or userdb is not available",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NEXT_START,
    watch="server",
)
def driver_missing(startup: Startup) -> Problem | None:
    if not startup.absent and not startup.unbuilt:
        return None
    says = [f"{startup.source} has no plugin for the driver {name}." for name in startup.absent]
    says += [f"This Dovecot has no driver {name}." for name in startup.unbuilt]
    says += [
        f"{block} has no setting driver, so its name counts as the driver." for block, _ in startup.nameless
    ]
    packages = [_PACKAGES[name] for name in startup.absent if name in _PACKAGES]
    install = f"Install {' and '.join(packages)} (as Debian calls it)" if packages else "Use another driver"
    if startup.nameless:
        block, meant = startup.nameless[0]
        install = f"Write driver = {meant or 'passwd-file, sql, ldap or what it is'} into {block}"
    return Problem(
        says=" ".join(says) + " The auth process does not start without it.",
        because=(startup,),
        certainty=Certainty.PROVEN,
        remedy=remedy(summary=f"{install}, or remove the passdb; then reload.", commands=(RELOAD,)),
    )
