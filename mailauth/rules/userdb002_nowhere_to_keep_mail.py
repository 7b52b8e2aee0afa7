"""The userdb returns no home, but the mail location needs one.

What you see
    The password is accepted, and the session ends at once: "Home directory not set for user. Can't
    expand ~/ for mail root dir" or "Mail storage autodetection failed with home=(not set)".
Why
    The mail location begins with ~ or %h, or is not set at all, so that Dovecot searches the home;
    the userdb returned no home, and mail_home is not set.  A home that does not begin with / is refused
    ("Relative home directory paths not supported", src/lib-storage/mail-storage-service.c of 2.3.19.1).
How we know
    doveadm user shows what the userdb returns; doveconf shows mail_home and where mail is kept.
What to do
    Have the userdb return home, or set mail_home.
"""

from mailauth.evidence import Configured, UserdbAnswer
from mailauth.evidence.userdb import UserdbSaid
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.remedies import RELOAD, Setting, remedy


@rule("USERDB002", "The user has no home, and the mail needs one", Severity.BLOCKS_LOGIN, bears=Bears.MAIL)
def nowhere_to_keep_mail(configured: Configured, answer: UserdbAnswer) -> Problem | None:
    if answer.said is not UserdbSaid.FOUND:
        return None
    if answer.home and not answer.home.startswith("/"):
        return Problem(
            says=f"The home of {answer.user!r} is {answer.home!r}: it does not begin with /, and Dovecot"
            " takes no relative one.",
            because=(answer, configured),
            certainty=Certainty.PROVEN,
            remedy=Remedy(
                summary="Have the userdb (or mail_home) give the whole path: the folder of all mail before"
                " what the store has."
            ),
        )
    if not answer.lost:
        return None
    if answer.shifted:
        return Problem(
            says=f"The userdb returns no home for {answer.user!r}, and the mail is at {answer.lost}: in"
            f" {answer.shifted} the path stands in the field before the home's (gecos).",
            because=(answer, configured),
            certainty=Certainty.PROVEN,
            remedy=Remedy(
                summary=f"Put one more colon before the path in {answer.shifted}: a line is"
                " user:password:uid:gid:gecos:home:shell:fields, and a field may be empty."
            ),
        )
    return Problem(
        says=f"The userdb returns no home for {answer.user!r}, mail_home is not set, and the mail is at"
        f" {answer.lost}.",
        because=(answer, configured),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Have the userdb return home, or say where homes are.",
            config={
                "2.3": [Setting("mail_home", "/var/vmail/%d/%n")],
                "2.4": [Setting("mail_home", _HOME_24)],
            },
            file=configured.file,
            commands=(RELOAD,),
            careful="The folder above it must belong to the user that the mail belongs to.",
        ),
    )


_HOME_24 = "/var/vmail/%{user | domain}/%{user | username}"
