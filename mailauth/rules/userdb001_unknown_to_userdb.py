"""No userdb knows the user.

What you see
    doveadm auth test succeeds, and an IMAP login fails: the connection is closed, or "Internal error
    occurred".  The log says "user not found from userdb" and "Authenticated user not found from
    userdb".
Why
    The password is looked up in a passdb, the uid and the home in a userdb.  They are two lookups,
    often of two files or queries, and the name must be in both.  A passdb that returns the field user
    gives the user another name, by which the userdb is asked.  Of several userdbs result_success,
    result_failure and skip say what each answer counts: return-fail makes a user unknown whom another
    userdb has.  A passwd-file's line is none where its uid or gid is root's or no name of this system; a
    passdb that reads the same file does not take the line either, and the log says "unknown user".
How we know
    The passdbs were asked; then doveadm user made the lookup that an IMAP login makes.  The userdbs'
    passwd-files were read for the user's line.
What to do
    Add the user to the userdb.  Where all mail belongs to one uid, userdb static needs no entries.
"""

from collections.abc import Mapping

from mailauth import digits
from mailauth.evidence import LookedUp, UserdbAnswer
from mailauth.evidence.userdb import Refused, UserdbSaid, UserdbStep
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule


@rule(
    "USERDB001",
    "No userdb knows the user",
    Severity.BLOCKS_LOGIN,
    bears=Bears.MAIL,
)
def unknown_to_userdb(answer: UserdbAnswer, lookups: LookedUp | None) -> Problem | None:
    if answer.said is not UserdbSaid.UNKNOWN:
        return None
    says, summary = _told(answer, {one.place: one.passdb for one in lookups.answers} if lookups else {})
    return Problem(
        says=f"{says}: the login fails even with the right password.",
        because=(answer,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary=summary),
    )


def _told(answer: UserdbAnswer, passdbs: Mapping[str, str]) -> tuple[str, str]:
    """What is the matter, and what to do; ``passdbs``: by the places that they have the user at."""
    refused = [(one, one.refused) for one in answer.steps if one.refused]
    both = next(((one, why) for one, why in refused if one.place in passdbs), None)
    if both:  # passwd_file_add(), src/auth/db-passwd-file.c: one reading of the file for both
        one, why = both
        says = f"Dovecot takes {one.place} for no line of {answer.user!r}, though {passdbs[one.place]} and"
        return f"{says} {one.userdb} read it: {_why(why)}", f"Correct {one.place}: {_TAKEN}"
    if refused:
        lines = "; ".join(
            f"{one.userdb} has the user at {one.place}, and {_why(why)}" for one, why in refused
        )
        says = f"{answer.user!r} is in a passdb, and Dovecot does not take the line of the userdb: {lines}"
        return says, f"Correct {refused[0][0].place}: {_TAKEN}"
    if answer.set_otherwise or any(one.has for one in answer.steps):
        told = [_step(one) for one in answer.steps if one.has is not None]
        stepped = {_rule(one) for one in answer.steps if one.has is not None}
        told += [one for one in answer.set_otherwise if one not in stepped]
        says = f"{answer.user!r} is in a passdb, and the userdbs together do not know the user: "
        return says + "; ".join(told), _COUNT
    says = f"{answer.user!r} is in a passdb and in none of the userdbs ({', '.join(answer.userdbs)})"
    if answer.renamed:
        says = (
            f"{answer.renamed}, and none of the userdbs ({', '.join(answer.userdbs)}) has a user of that name"
        )
        return says, _RENAME
    if asked := [one.told for one in answer.steps if one.told]:
        return f"{says}. {'; '.join(asked)}", _OF_DIRECTORY
    return says, _ADD


_OF_DIRECTORY = (
    "Correct the userdb's filter or base, so that they find the entry that the passdb finds; or give the"
    " entry what the filter asks for."
)
_TAKEN = (
    "uid and gid (the third and the fourth field) are numbers other than 0, or names that the system has on"
    " which Dovecot runs; or make the user or group there that the line names."
)
_COUNT = (
    "Add the user to each userdb whose answer decides; or have a userdb that has the user end the lookup"
    " (result_success = return-ok), or count (continue-ok) with result_failure = continue in those after it."
)
_RENAME = (
    "Have the passdb return as user the name that the userdb has, or none (then the name that was looked up"
    " stays): also by override_fields, default_fields or 2.4's fields { } of its block. Or have the userdb"
    " ask for the name that the passdb returns."
)
_ADD = (
    "Add the user to the userdb, under the same name; a passwd-file's uid and gid must be numbers or names"
    " that this system has."
)


def _step(one: UserdbStep) -> str:
    has = f"has the user ({one.place})" if one.has else "does not have the user"
    return f"{one.userdb} {has}, {one.setting} = {one.value}{', and that decides' if one.decides else ''}"


def _rule(one: UserdbStep) -> str:
    return f"{one.userdb}: {one.setting} = {one.value}"


def _why(refused: Refused) -> str:
    if not refused.name:
        return "the line ends before its uid and gid"
    kind = "user" if refused.name == "uid" else "group"
    what = f"is no {kind} of this system"
    if digits.are(refused.text) or refused.text == "root":
        what = "is root's, which can have no mail"
    return f"its {refused.name} {refused.text!r} {what}"
