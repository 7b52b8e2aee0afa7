"""The userdb lookup fails: its query, its fields, or what they hold.

What you see
    doveadm auth test succeeds, and an IMAP login fails with "Internal error occurred".  The log says
    "User query failed: no such column", "Invalid UID value 'x'", "userdb lookup not possible with
    only userdb prefetch", or nothing more than "Internal auth failure".
Why
    The userdb asks with a query of its own (user_query; userdb_sql_query in 2.4), which can be wrong
    where the password query is right; uid and gid must be numbers, or names of this system; userdb
    prefetch finds nothing unless the password query returns userdb_uid and similar fields.  The field
    tempfail (userdb_tempfail of a passdb) makes each login fail, whatever its value is.
How we know
    doveadm user made the lookup that an IMAP login makes, and it failed.
What to do
    The log has the database's own words.  Correct the query, then ask doveadm user again.  Where prefetch
    is the only userdb add a second one, or have the passdb return userdb_uid, userdb_gid and userdb_home.
"""

from mailauth.evidence import UserdbAnswer
from mailauth.evidence.userdb import UserdbSaid
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.rules import database_case
from mailauth.visible import visible

_SHOWN = 40
_KINDS = {"uid": "user", "gid": "group"}


@rule(
    "USERDB005",
    "The userdb lookup fails",
    Severity.BLOCKS_LOGIN,
    yields_to=("CONF012", *database_case.CAUSES),
    bears=Bears.MAIL,
)
def lookup_fails(answer: UserdbAnswer) -> Problem | None:
    if answer.said is not UserdbSaid.FAILED:
        return None
    says = f"The userdbs ({', '.join(answer.userdbs)}) fail for {answer.user!r}"
    says += f": {answer.words}" if answer.words else ""
    if answer.fileless[0]:
        says += f". {answer.fileless[0]}"
    if answer.forced:
        says += f": {answer.forced}" if not answer.words else f". {_capital(answer.forced)}"
        says += ", and with that field each login fails, whatever its value is"
    if answer.refused:
        told = " and ".join(f"{one.name} = {visible(one.text, _SHOWN)!r}" for one in answer.refused)
        says += f". The query returns {told}, which is no number, and no name of this system"
    if answer.logged:
        says += f". Dovecot logs: {answer.logged}"
    return Problem(
        says=f"{says.removesuffix('.')}.",
        because=(answer,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary=_mend(answer),
        ),
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _mend(answer: UserdbAnswer) -> str:
    if answer.userdbs and all(label.endswith("(prefetch)") for label in answer.userdbs):
        return (
            "Have the passdb return userdb_uid, userdb_gid and userdb_home, or add a second userdb after"
            " prefetch, which doveadm user and LMTP need in any case."
        )
    if answer.fileless[1]:
        return answer.fileless[1]
    if answer.forced:
        return "Take tempfail out of there, or name it only for those who are to be kept out."
    if answer.refused:
        one = answer.refused[0]
        return (
            f"Have the query return a number as {one.name}, or make that {_KINDS[one.name]} on this system."
        )
    again = f"ask again: doveadm user {answer.user}"
    if answer.logged:
        return f"Correct what that line names, in the userdb's query or fields, and {again}"
    return f"Dovecot's log says why: doveadm log errors; correct the userdb's query or fields, and {again}"
