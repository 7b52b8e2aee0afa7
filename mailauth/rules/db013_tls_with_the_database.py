"""TLS with the database server fails.

What you see
    Every login fails with a temporary error.  The log says "TLS/SSL error" or "certificate verify failed".
Why
    Dovecot's settings ask for TLS, and the server offers none, shows a certificate that the CA of the
    settings has not signed or that is for another name, or a file of the settings cannot be read.
    With MariaDB and MySQL, 2.3.19 and older then try again without TLS: logins work, and nothing is
    encrypted (measured on 2.3.13 and 2.3.19.1; 2.3.21.1 does not).
How we know
    The server was connected to with the same TLS settings, as the client library of this Dovecot applies
    them.
What to do
    Correct the CA file, the certificate or the host's name; certificates are verified for the name that
    stands in the settings.
"""

from dataclasses import replace

from mailauth.dovecot.version import Version
from mailauth.evidence import Configured, LookedUp
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing

_TRIES_NO_MORE = Version.parse("2.3.20")  # no release between 2.3.19.1 and 2.3.21.1 was measured


@rule(
    "DB013",
    "TLS with the database server fails",
    Severity.BLOCKS_LOGIN,
    bears=Bears.CONNECTION,
    watch="server",
)
def tls_with_the_database(configured: Configured, lookups: LookedUp) -> Problem | None:
    advice = (
        "Correct the TLS settings in <place> (the CA file, the host's name), or the server's certificate;"
        " where the server offers no TLS at all, turn it on there, or ask for none."
    )
    found = database_case.problem(lookups, advice, Failing.TLS)
    failed = lookups.failures(Failing.TLS)
    if (
        found is None
        or configured.version >= _TRIES_NO_MORE
        or any(one.driver != "mysql" for one, _ in failed)
    ):
        return found
    also = (
        " This Dovecot tries again without TLS a second later: the first logins of a new process fail, the"
        " others work where the server takes them, and nothing is encrypted."
    )
    return replace(found, says=found.says + also, certainty=Certainty.LIKELY, severity=Severity.RISK)
