"""The store's file is missing, unreadable or locked.

What you see
    Every login fails with a temporary error.  The log says "unable to open database file", "database
    is locked", "file is not a database" or "missing passwd file".
Why
    The path is wrong, the service that asks may not read the file, another program holds it locked, or
    it is something else than the store that it should be.
How we know
    The file was opened as the service opens it, and for SQLite asked as it asks; SQLite's or the
    system's own code is the reason.
What to do
    Correct the path or the permissions, or end the program that holds the lock (fuser names it).  Then
    reload: a worker of auth goes on with the file that it opened, also after another took its name.
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


# CONF015 says it of a passwd-file, whoever the user is
@rule(
    "DB009",
    "The store's file is missing, unreadable or locked",
    Severity.BLOCKS_LOGIN,
    yields_to=("CONF012", "CONF015"),
    bears=Bears.DATABASE,
    watch="server",
)
def file_unusable(lookups: LookedUp) -> Problem | None:
    advice = "Correct the path, the permissions or the lock of the file, and reload: a worker of auth keeps"
    advice += " the file that it opened."
    return database_case.problem(lookups, advice, Failing.FILE)
