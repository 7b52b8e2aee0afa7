"""The password query returns no password.

What you see
    Every login fails with a temporary error.  The log says "Password query must return a field named
    'password'".
Why
    Dovecot takes the column by its name, which must be password (or password_noscheme).
How we know
    The password query was sent to the database, and the names of its columns were read.
What to do
    Name the column password: SELECT crypt AS password ...
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule(
    "DB010",
    "The password query returns no password",
    Severity.BLOCKS_LOGIN,
    bears=Bears.DATABASE,
    watch="server",
)
def no_password_field(lookups: LookedUp) -> Problem | None:
    advice = "Have the query (<place>) name its column: SELECT ... AS password."
    return database_case.problem(lookups, advice, Failing.NO_FIELD)
