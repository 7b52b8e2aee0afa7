"""Nobody says which uid the user's mail belongs to.

What you see
    The password is accepted, and the session ends with "Internal error occurred".  The log says
    "Couldn't drop privileges: User is missing UID (see mail_uid setting)".
Why
    The userdb returned no uid or gid, or there is no userdb at all, and mail_uid and mail_gid are not
    set; or they name a user that this system does not have.
How we know
    doveadm user shows what the userdb returns, doveconf mail_uid and mail_gid.
What to do
    Have the userdb return uid and gid, or set mail_uid and mail_gid to the user that owns the mail.
"""

from mailauth.evidence import Configured, UserdbAnswer
from mailauth.evidence.userdb import UserdbSaid
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule


@rule("USERDB006", "The user has no uid or gid", Severity.BLOCKS_LOGIN)
def no_uid(configured: Configured, answer: UserdbAnswer) -> Problem | None:
    missing = [name for name, value in (("uid", answer.uid), ("gid", answer.gid)) if value is None]
    if answer.said is not UserdbSaid.FOUND or not missing:
        return None
    lines = "\n".join(f"mail_{name} = vmail" for name in missing)
    return Problem(
        says=f"The userdb returns no {' and no '.join(missing)} for {answer.user!r}, and"
        f" {' and '.join(f'mail_{name}' for name in missing)} is not set to one that this system has.",
        because=(answer, configured),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary="Name the user that owns the mail; vmail is what most call it.",
            config={"2.3": lines, "2.4": lines},
            file=configured.file,
            commands=("doveadm reload",),
        ),
    )
