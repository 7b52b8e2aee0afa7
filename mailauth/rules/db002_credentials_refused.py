"""The database server refuses Dovecot's credentials.

What you see
    Every login fails with a temporary error, often after a minute.  The log says "Access denied for
    user" or "password authentication failed".
Why
    The user name, the password, or the host that Dovecot connects from is not one that the server lets
    in, or the account's password has expired; in PostgreSQL the role may lack CONNECT, or the database take
    no connections.  On a local socket the server may ask which user of the
    system the process runs as.  An account with REQUIRE SSL, a server with require_secure_transport, or
    hostssl in pg_hba.conf is refused in the same words where Dovecot's settings ask for no TLS: Dovecot's
    MariaDB client takes none by itself.
How we know
    The password query was sent to the same server, with the same credentials, as the same user of the
    system; the reason is the server's own code (SQLSTATE, error number, errno), not its text.
What to do
    Correct user and password in the SQL settings, or in the option file (my.cnf) that they come from (a
    secret read from a file counts with the line break at its end), turn TLS on in them, or correct the
    server's list of who may come from where (pg_hba.conf; MariaDB's 'user'@'host'); then doveadm reload.
"""

from dataclasses import replace

from mailauth.dovecot.version import Dialect
from mailauth.evidence import Configured, LookedUp
from mailauth.finding import Bears, Problem, Remedy, Severity, rule
from mailauth.remedies import RELOAD, remedy
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule(
    "DB002",
    "The database server refuses Dovecot's credentials",
    Severity.BLOCKS_LOGIN,
    bears=Bears.CONNECTION,
    watch="server",
)
def credentials_refused(lookups: LookedUp, configured: Configured) -> Problem | None:
    advice = "Correct user and password in <place>, or the server's list of who may connect."
    found = database_case.problem(lookups, advice, Failing.CREDENTIALS)
    failed = lookups.failures(Failing.CREDENTIALS)
    if found is None:
        return None
    answer, failure = failed[0]
    if failure.code in _EXPIRED:
        mend = Remedy(
            summary="Set the account's password again (ALTER USER ... IDENTIFIED BY ...), to the one in"
            f" {database_case.place_of(answer, failure)}, and have it not expire (PASSWORD EXPIRE NEVER)."
        )
        return replace(found, says=f"{found.says} The account's password has expired.", remedy=mend)
    told = [mend for code, said, mend in _BARRED if failure.code == code and said in failure.says]
    if told:
        return replace(found, remedy=Remedy(summary=told[0]))
    if failure.account:
        mend = remedy(
            summary="Correct user and password in that option file, name the group that has them with"
            f" option_group, or set them in {database_case.place_of(answer, failure)}.",
            commands=(RELOAD,),
        )
        return replace(found, says=f"{found.says} Dovecot takes {failure.account}.", remedy=mend)
    if not all(failure.with_tls for _, failure in failed):
        return found
    setting = _TLS[answer.driver, configured.version.dialect]
    place = database_case.place_of(answer, failure)
    mend = remedy(summary=f"Turn TLS on in {place}: {setting}.", commands=(RELOAD,))
    says = f"{found.says} Refused without TLS: with TLS the server accepts the same user and password."
    return replace(found, says=says, remedy=mend)


_EXPIRED = ("1820", "1862")
# The account is there, and lets nobody in: the code, some of the server's words, what to do.
_BARRED = (
    ("4151", "locked", "Unlock that account on the server: ALTER USER ... ACCOUNT UNLOCK."),
    ("3118", "locked", "Unlock that account on the server: ALTER USER ... ACCOUNT UNLOCK."),
    ("28000", "not permitted to log in", "Let that role log in: ALTER ROLE ... LOGIN."),
    ("42501", "", "Let that role connect to the database: GRANT CONNECT ON DATABASE ... TO ...."),
    ("55000", "", "Let the database take connections: ALTER DATABASE ... ALLOW_CONNECTIONS true."),
)
_TLS: dict[tuple[str, Dialect], str] = {
    ("mysql", "2.3"): "ssl_ca=FILE, with the CA of the server's certificate, in connect",
    ("mysql", "2.4"): "ssl = yes in the mysql block, and ssl_client_ca_file = FILE",
    ("pgsql", "2.3"): "sslmode=require in connect",
    ("pgsql", "2.4"): "sslmode = require in parameters",
}
