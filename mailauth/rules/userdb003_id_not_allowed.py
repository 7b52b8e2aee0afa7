"""The user's uid or gid is outside the range that Dovecot allows for mail.

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
    Where the mail belongs to that uid, lower first_valid_uid to it.  Where it does not, the userdb returns
    the wrong uid, such as a row's number.  Root can never have mail.
"""

from mailauth.evidence import Configured, UserdbAnswer
from mailauth.evidence.userdb import UserdbSaid
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, Setting, both, remedy


@rule("USERDB003", "The uid or gid is outside the allowed range", Severity.BLOCKS_LOGIN, bears=Bears.MAIL)
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
    if answer.uid != 0 and not found:
        return None
    if answer.uid == 0:
        says = "The userdb gives uid 0: root can have no mail."
    else:
        says = " ".join(_said(*one) for one in found)
    meant = answer.uid != 0 and all(_meant(answer, name, own) for name, own, _, _ in found)
    text = [_line(*one) for one in found] if meant else []
    return Problem(
        says=says + ("" if meant or answer.uid == 0 else _stranger(answer)),
        because=(answer, configured),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Allow this id, since the mail belongs to it." if meant else _other(configured, answer),
            config=both(*text) if text else {},
            file=configured.file,
            commands=(RELOAD,) if text else (),
        ),
    )


def _said(name: str, own: int, low: int, high: int) -> str:
    limit = f"first_valid_{name} is {low}" + (f", last_valid_{name} {high}" if high else "")
    return f"The {name} is {own}, and {limit}."


def _meant(answer: UserdbAnswer, name: str, own: int) -> bool:
    """Whether mail is meant to belong to this id: it does, or the account is made for mail."""
    if answer.owner is not None:
        return own == answer.owner[0 if name == "uid" else 1]
    if name == "gid":
        return own >= _FIRST_OF_PACKAGES
    return "mail" in answer.account or bool(answer.account and own >= _FIRST_OF_PACKAGES)


def _stranger(answer: UserdbAnswer) -> str:
    """What speaks against this uid."""
    if answer.owner is not None:
        return f" The mail that is there belongs to uid {answer.owner[0]}, gid {answer.owner[1]}."
    if answer.account:
        return f" That is the system's user {answer.account}, which has no mail."
    return f" No user of this system has the uid {answer.uid}."


def _other(configured: Configured, answer: UserdbAnswer) -> str:
    right = f": {answer.owner[0]}:{answer.owner[1]}" if answer.owner and answer.owner[0] else ""
    userdbs = configured.config.userdbs
    if userdbs and all(one.driver == "static" for one in userdbs):
        where = "its args" if configured.version.dialect == "2.3" else "its fields { }"
        return (
            f"Set uid and gid of userdb static, in {where}, to those of the user that owns the mail{right}."
        )
    return (
        "Have the userdb (its query, or the userdb_ fields of the passdb) return uid and gid of the user that"
        f" owns the mail{right}; a row's id or another column is no uid."
    )


_FIRST_OF_PACKAGES = 100  # below are the system's own: Debian policy, 9.2.2


def _line(name: str, own: int, low: int, _high: int) -> Setting:
    return Setting(f"{'first' if own < low else 'last'}_valid_{name}", str(own))
