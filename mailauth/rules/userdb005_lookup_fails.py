"""The userdb lookup fails: its query, its fields, or what they hold.

What you see
    doveadm auth test succeeds, and an IMAP login fails with "Internal error occurred".  The log says
    "User query failed: no such column", "Invalid UID value 'x'", or "userdb lookup not possible with
    only userdb prefetch".
Why
    The userdb asks with a query of its own (user_query; userdb_sql_query in 2.4), which can be wrong
    where the password query is right; uid and gid must be numbers, or names of this system; userdb
    prefetch finds nothing unless the password query returns userdb_uid and its like.
How we know
    doveadm user made the lookup that an IMAP login makes, and it failed.
What to do
    The log has the database's own words.  Correct the query, then ask doveadm user again.
"""

from mailauth.evidence import UserdbAnswer
from mailauth.evidence.userdb import UserdbSaid
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule
from mailauth.rules import database_case


@rule(
    "USERDB005",
    "The userdb lookup fails",
    Severity.BLOCKS_LOGIN,
    yields_to=("CONF012", *database_case.CAUSES),
)
def lookup_fails(answer: UserdbAnswer) -> Problem | None:
    if answer.said is not UserdbSaid.FAILED:
        return None
    return Problem(
        says=f"The userdbs ({', '.join(answer.userdbs)}) fail for {answer.user!r}: {answer.words}",
        because=(answer,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary="Dovecot's log says why: doveadm log errors; correct the userdb's query or fields, and"
            f" ask again: doveadm user {answer.user}",
        ),
    )
