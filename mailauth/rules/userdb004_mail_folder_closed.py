"""The user's uid does not get at the mail folder, or cannot make it.

What you see
    The password is accepted, the session begins, and opening the inbox fails with "[SERVERBUG] Internal
    error occurred".  The log says "stat(...) failed: Permission denied" or "mkdir(...) failed:
    Permission denied (euid=... missing +w perm".
Why
    Dovecot opens mail as the uid that the userdb returned.  After a restore, a copy by root or a change
    of the uid, the folders belong to somebody else.
How we know
    The way to the folder was walked in a child that is that uid; nothing was written.
What to do
    Give the folder to that uid, or let it enter the folder that is closed.
"""

from mailauth.evidence import MailAccess, UserdbAnswer
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule


@rule(
    "USERDB004",
    "The user's uid may not open the mail folder",
    Severity.BLOCKS_LOGIN,
    yields_to=("USERDB003",),
)
def mail_folder_closed(answer: UserdbAnswer, access: MailAccess) -> Problem | None:
    if not access.stopped_by:
        return None
    what = "open" if access.exists else "make"
    return Problem(
        says=f"uid {access.uid} cannot {what} {access.path}: it may not {access.needs} {access.stopped_by}"
        f" ({access.mode}).",
        because=(access, answer),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary="Let the uid in.",
            commands=_commands(access),
            careful="Look first who else's mail is there: the uid of one user should not own another's.",
        ),
    )


def _commands(access: MailAccess) -> tuple[str, ...]:
    if access.needs == "enter":
        if access.mode.startswith("mode 0700"):  # no group has anything to lose
            return (f"chgrp {access.gid} {access.stopped_by}", f"chmod g+x {access.stopped_by}")
        return (f"chmod a+x {access.stopped_by}",)
    if access.exists:
        return (f"chown -R {access.uid}:{access.gid} {access.path}",)
    return (f"install -d -m 0700 -o {access.uid} -g {access.gid} {access.path}",)
