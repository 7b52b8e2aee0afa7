"""The uid or gid of the user is one that may have no mail.

What you see
    The password is accepted, and the session ends with "Internal error occurred".  The log says "Mail
    access for users with UID 50 not permitted (see first_valid_uid in config file, uid from userdb
    lookup)" or "userdb returned 0 as uid".
Why
    first_valid_uid (500) keeps daemons' users, and root always, from having mail; so do last_valid_uid,
    first_valid_gid and last_valid_gid.  Mail of a system user with a low uid, such as Debian's vmail or
    mail, needs a lower first_valid_uid.
How we know
    doveadm user shows the uid and gid, doveconf the limits.
What to do
    Lower first_valid_uid to that uid, or give the mail to another user.  Root can never have mail.
"""

from mailauth.evidence import Configured, UserdbAnswer
from mailauth.evidence.userdb import UserdbSaid
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule


@rule("USERDB003", "The user's uid or gid may have no mail", Severity.BLOCKS_LOGIN)
def id_not_allowed(configured: Configured, answer: UserdbAnswer) -> Problem | None:
    if answer.said is not UserdbSaid.FOUND or answer.uid is None or answer.gid is None:
        return None
    found = [
        (name, own, low, high)
        for name, own, low, high in zip(
            ("uid", "gid"), (answer.uid, answer.gid), answer.lowest, answer.highest, strict=True
        )
        if own < low or (high and own > high)
    ]
    lines: tuple[str, ...] = ()
    if answer.uid == 0:
        says = "The userdb gives uid 0: root can have no mail."
    elif found:
        says = " ".join(
            f"The {name} is {own}, and first_valid_{name} is {low}"
            + (f", last_valid_{name} {high}." if high else ".")
            for name, own, low, high in found
        )
        lines = tuple(_line(*one) for one in found if one[1])
    else:
        return None
    text = "\n".join(lines)
    return Problem(
        says=says,
        because=(answer, configured),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary="Allow this id, if the mail is meant to belong to it." if lines else "Use another user.",
            config={"2.3": text, "2.4": text} if lines else {},
            file=configured.file,
            commands=("doveadm reload",),
        ),
    )


def _line(name: str, own: int, low: int, _high: int) -> str:
    return f"{'first' if own < low else 'last'}_valid_{name} = {own}"
