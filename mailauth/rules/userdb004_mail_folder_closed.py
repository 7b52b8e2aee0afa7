"""The user's uid may not open the mail folder, or cannot make it.

What you see
    The password is accepted, the session begins, and opening the inbox fails with "[SERVERBUG] Internal
    error occurred".  The log says "stat(...) failed: Permission denied" or "mkdir(...) failed:
    Permission denied (euid=... missing +w perm".
Why
    Dovecot opens mail as the uid that the userdb returned.  After a restore, a copy by root or a change
    of the uid, the folders belong to somebody else.
How we know
    A child process with that uid tried each folder of the path; nothing was written.  Behind a closed
    folder, root held the next ones open, and the child tried them one by one.
What to do
    Give the folder to that uid, or let it enter each folder that is closed.
"""

from mailauth.evidence import MailAccess, UserdbAnswer
from mailauth.evidence.userdb import ClosedFolder
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
    if not access.closed:
        return None
    what = "open" if access.exists else "make"
    return Problem(
        says=f"uid {access.uid} cannot {what} {access.path}: it may not {access.refused}.",
        because=(access, answer),
        certainty=Certainty.PROVEN,
        remedy=_remedy(access),
    )


def _remedy(access: MailAccess) -> Remedy:
    """The row names the folder: by command no other user's is given away, and none of the system's.

    One remedy for all that is closed; in words only, where one of them is for a person to judge.
    """
    careful = "Check first whose mail is there too: the uid of one user should not own another's."
    words = [said for one in access.closed if (said := _by_hand(access, one))]
    if not words:
        commands = tuple(command for one in access.closed for command in _commands(access, one))
        return remedy("Let the uid in.", commands=commands, careful=careful)
    others = [_in_words(access, one) for one in access.closed if not _by_hand(access, one)]
    return Remedy(" ".join([*words, *others]), careful=careful)


def _by_hand(access: MailAccess, closed: ClosedFolder) -> str:
    """What a person has to do about it; "" where a command does it."""
    if closed.needs == "enter" and not of_mail(closed.folder):
        return (
            f"Correct what the userdb returns: {closed.folder} is no folder for mail; or let"
            f" {access.uid}:{access.gid} enter it by hand."
        )
    if access.exists and closed.needs != "enter" and " of 0:" not in closed.mode:
        return (
            f"Give {access.path} to {access.uid}:{access.gid}, with all that is in it, if nobody else's mail"
            " is there; or correct what the userdb returns."
        )
    return ""


def _in_words(access: MailAccess, closed: ClosedFolder) -> str:
    ids = f"{access.uid}:{access.gid}"
    if closed.needs == "enter":
        return f"Let {ids} enter {closed.folder}, too."
    return f"Give {access.path} to {ids}, too." if access.exists else f"Make {access.path} for {ids}, too."


def _commands(access: MailAccess, closed: ClosedFolder) -> tuple[Words, ...]:
    stop, uid, gid = closed.folder, str(access.uid), str(access.gid)
    if closed.needs == "enter":
        if closed.mode.startswith("mode 0700"):  # no group has anything to lose
            return (("chgrp", "--", gid, stop), ("chmod", "--", "g+x", stop))
        return (("chmod", "--", "a+x", stop),)
    if access.exists:
        return (("chown", "-R", "--", f"{uid}:{gid}", access.path),)
    return (("install", "-d", "-m", "0700", "-o", uid, "-g", gid, "--", access.path),)
