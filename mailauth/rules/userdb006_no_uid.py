"""No setting and no userdb says which uid the user's mail belongs to.

What you see
    The password is accepted, and the session ends with "Internal error occurred".  The log says
    "Couldn't drop privileges: User is missing UID (see mail_uid setting)".
Why
    The userdb returned no uid or gid, or there is no userdb at all, and mail_uid and mail_gid are not
    set; or one of them names a user that this system does not have.  A name that the userdb returns, or
    the passdb as userdb_uid, must be one: "Invalid UID value 'x'" in the log; mail_uid does not help then.
How we know
    doveadm user shows what the userdb returns, doveconf mail_uid and mail_gid.
What to do
    Have the userdb return uid and gid, or set mail_uid and mail_gid to the user that owns the mail.  Make
    the user that is named, or correct the name.
"""

from mailauth.evidence import Configured, UserdbAnswer
from mailauth.evidence.userdb import Refused, UserdbSaid
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, Setting, both, remedy


@rule("USERDB006", "The user has no uid or gid", Severity.BLOCKS_LOGIN, bears=Bears.MAIL)
def no_uid(configured: Configured, answer: UserdbAnswer) -> Problem | None:
    missing = [name for name, value in (("uid", answer.uid), ("gid", answer.gid)) if value is None]
    if answer.said is not UserdbSaid.FOUND or not missing:
        return None
    named = {one.name for one in answer.refused}
    absent = [name for name in missing if name not in named]
    says = [_no_such(answer.user, one) for one in answer.refused]
    does = [_make(one) for one in answer.refused]
    if absent:
        settings = " and ".join(f"mail_{name}" for name in absent)
        verb = "are" if len(absent) > 1 else "is"
        says.append(
            f"The userdb returns no {' and no '.join(absent)} for {answer.user!r}, and {settings} {verb} not"
            " set."
        )
        does.append("Name the user that owns the mail; vmail is what most call it.")
    lines = [Setting(f"mail_{name}", "vmail") for name in absent]
    return Problem(
        says=" ".join(says),
        because=(answer, configured),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary=" ".join(does),
            config=both(*lines) if lines else {},
            file=configured.file,
            commands=(RELOAD,) if lines else (),
        ),
    )


_OF = {"uid": "user", "gid": "group"}


def _no_such(user: str, one: Refused) -> str:
    if one.by:
        return f"{one.by} is {one.text!r}, and this system has no such {_OF[one.name]}."
    return (
        f"{user!r} is given the {one.name} {one.text!r}, which is no {_OF[one.name]} of this system: Dovecot"
        " takes that for an internal failure."
    )


def _make(one: Refused) -> str:
    if one.by:
        return f"Make the {_OF[one.name]} {one.text!r}, or set {one.by} to the {_OF[one.name]} of the mail."
    return (
        f"Make the {_OF[one.name]} {one.text!r} on the system that Dovecot runs on, or correct the {one.name}"
        f" that the userdb, or the passdb as userdb_{one.name}, returns: the number or the name of a"
        f" {_OF[one.name]} that is there."
    )
