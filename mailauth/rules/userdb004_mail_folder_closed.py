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
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.remedies import Words, of_mail, remedy


@rule(
    "USERDB004",
    "The user's uid may not open the mail folder",
    Severity.BLOCKS_LOGIN,
    yields_to=("USERDB003",),
    bears=Bears.MAIL,
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
        remedy=_remedy(access),
    )


def _remedy(access: MailAccess) -> Remedy:
    """The row names the folder: by command no other user's is given away, and none of the system's."""
    careful = "Check first whose mail is there too: the uid of one user should not own another's."
    others = access.exists and access.needs != "enter" and " of 0:" not in access.mode
    if access.needs == "enter" and not of_mail(access.stopped_by):
        return Remedy(
            f"Correct what the userdb returns: {access.stopped_by} is no folder for mail; or let"
            f" {access.uid}:{access.gid} enter it by hand.",
            careful=careful,
        )
    if others:
        return Remedy(
            f"Give {access.path} to {access.uid}:{access.gid}, with all that is in it, if nobody else's mail"
            " is there; or correct what the userdb returns.",
            careful=careful,
        )
    return remedy("Let the uid in.", commands=_commands(access), careful=careful)


def _commands(access: MailAccess) -> tuple[Words, ...]:
    stop, uid, gid = access.stopped_by, str(access.uid), str(access.gid)
    if access.needs == "enter":
        if access.mode.startswith("mode 0700"):  # no group has anything to lose
            return (("chgrp", "--", gid, stop), ("chmod", "--", "g+x", stop))
        return (("chmod", "--", "a+x", stop),)
    if access.exists:
        return (("chown", "-R", "--", f"{uid}:{gid}", access.path),)
    return (("install", "-d", "-m", "0700", "-o", uid, "-g", gid, "--", access.path),)
