"""TLS with the database server fails.

What you see
    Every login fails with a temporary error.  The log says "TLS/SSL error" or "certificate verify failed".
Why
    Dovecot's settings ask for TLS, and the server offers none, shows a certificate that the CA of the
    settings has not signed or that is for another name, or a file of the settings cannot be read.
    2.3.19 and older then try again without TLS: logins can work, with nothing encrypted.
How we know
    The server was connected to with the same TLS settings, as the client library of this Dovecot applies
    them.
What to do
    Correct the CA file, the certificate or the host's name; certificates are verified for the name that
    stands in the settings.
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule("DB013", "TLS with the database server fails", Severity.BLOCKS_LOGIN)
def tls_with_the_database(lookups: LookedUp) -> Problem | None:
    advice = (
        "Correct the TLS settings in <place> (the CA file, the host's name), or the server's certificate."
    )
    return database_case.problem(lookups, advice, Failing.TLS)
