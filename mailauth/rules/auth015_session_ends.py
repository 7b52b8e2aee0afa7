"""The mail service ends each session after the login, and the log says why.

What you see
    The password is accepted, and then the connection is closed: "* BYE Internal error occurred", or
    nothing at all.  doveadm auth test succeeds.
Why
    The mail process cannot begin the session: a plugin that is not installed or lacks another one, a
    userdb field that is malformed, a namespace or quota that is set wrongly; or the vsz_limit of the login
    or mail process is too small for the program and its libraries.
How we know
    Dovecot logged it, since it last started or was reloaded, and no session has ended as it should.  What it
    logged of one other user only, whose mail may be what is broken, is a risk.
What to do
    mailauth diagnose --login -p USER shows whether it still fails; if it does, fix what the line names, then
    doveadm reload.
"""

from mailauth.counted import times
from mailauth.evidence import Configured, LogTrouble, LogWindow, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.remedies import RELOAD, Setting, block, both, remedy
from mailauth.rules import log_case, session_case

_SHOWN = 3  # users
_NAMED = (
    *("AUTH013", "MEM006", "CONF016", "CONF002", "CONF003", "LOG003"),
    *("USERDB001", "USERDB002", "USERDB003", "USERDB004", "USERDB005", "USERDB006"),
)


@rule(
    "AUTH015",
    "The mail service ends each session after the login",
    Severity.BLOCKS_LOGIN,
    yields_to=_NAMED,
    bears=Bears.MAIL,
    watch="workers",
)
def session_ends(configured: Configured, log: LogWindow, name: UserName | None) -> Problem | None:
    first = session_case.failing(log)
    if first is None:
        return _of_some(configured, log, name)
    other = _one_other(first, name)
    means = f" ({first.says})" if first.says else ""
    return Problem(
        says=(
            f"Dovecot says, {times(first.count)} since {log.begins}, of {first.service}: {first.text}{means};"
            " no session has ended as it should since."
            + (f" All were of {other!r}: whether others' sessions end, too, is not known." if other else "")
        ),
        because=(log, configured),
        certainty=Certainty.LIKELY,  # of this user nobody has tried it
        remedy=_room(configured, first) if session_case.short(first) else _MEND,
        severity=Severity.RISK if other else None,
    )


def _of_some(configured: Configured, log: LogWindow, name: UserName | None) -> Problem | None:
    """The last session of this user, or of some, did not begin; those of others do."""
    asked = {one.casefold() for one in (name.given, name.looked_up)} if name else set()
    found = [one for one in log.broken if one.user.casefold() in asked] if name else list(log.broken)
    if not found:
        return None
    last = found[-1]
    users = ", ".join(repr(one.user) for one in found[-_SHOWN:])
    return Problem(
        says=f"Dovecot says of the last session of {users}: {last.words} ({last.says}). Other sessions have"
        " ended as they should.",
        because=(log, configured),
        certainty=Certainty.LIKELY,
        remedy=_MEND,
        severity=None if name else Severity.RISK,
    )


def _one_other(found: LogTrouble, name: UserName | None) -> str:
    """The only user of whom it was logged, who is not the one that is asked about; or ""."""
    if len(found.users) != 1:
        return ""
    [user] = found.users
    asked = {one.casefold() for one in (name.given, name.looked_up)} if name else set()
    return "" if user.casefold() in asked else user


_MEND = remedy(summary=f"{log_case.STILL} fix what that line names, and reload.", commands=(RELOAD,))


def _room(configured: Configured, found: LogTrouble) -> Remedy:
    size = "256M" if "map segment" in found.text else "1G"  # Dovecot's default_vsz_limit, or more than that
    text = [block("service", found.service, Setting("vsz_limit", size))]
    return remedy(
        summary=f"Give {found.service} room for its program and what it loads.",
        config=both(*text),
        file=configured.file,
        commands=(RELOAD,),
    )
