"""The login fails, and no check explains it.

What you see
    A real login was refused, and all of mailauth's checks found nothing that blocks it.
Why
    The refusal comes from a part that was not checked: a passdb whose driver mailauth does not read yet
    (PAM, LDAP, Lua, an OAuth2 server, ...), a plugin, a policy server; or it is a cause that mailauth
    does not know.
How we know
    The login was made now, through the auth socket and with doveadm auth test, and failed.  Where Dovecot
    logs that it was refused for its address, that is a risk: the client's own address may be an allowed one.
What to do
    Read what Dovecot logs of it, with auth_verbose = yes, and the log of what it asks: PAM's is the
    system's log of authentication, an LDAP server has its own.
"""

from mailauth.evidence import Configured, Logins, LogWindow, LookedUp, PamLog, UserInLog
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import LOG_ERRORS, LOG_FIND, remedy
from mailauth.rules import log_case

_ELSEWHERE = " It was refused for the address of mailauth's own login; from the client's it may work."
_ENDS = frozenset({"return", "return-fail"})
_FROM = "Name the client's address: mailauth diagnose --login --from-address ADDRESS -p USER."


@rule(
    "AUTH016",
    "The login fails, and no check explains it",
    Severity.BLOCKS_LOGIN,
    last=True,
    yields_to=("PAM004",),
    bears=Bears.NOTHING,
)
def unexplained(
    logins: Logins,
    lookups: LookedUp | None,
    log: UserInLog | None,
    window: LogWindow | None,
    pam: PamLog | None,
    configured: Configured | None,
) -> Problem | None:
    failed = [reply for reply in logins.replies if not reply.ok]
    if not failed:
        return None
    codes = sorted({reply.code for reply in failed if reply.code})
    inside = " (an internal failure of a passdb, and no word on the password)" if "temp_fail" in codes else ""
    says = f"{' and '.join(reply.way for reply in failed)} refused the login"
    says += f": {', '.join(codes)}{inside}." if codes else "."
    unseen = lookups.unseen if lookups else ()
    if unseen:
        says += f" What says no may be {' or '.join(one.passdb for one in unseen)}:"
        says += f" {'; '.join(one.reason.removesuffix('.') for one in unseen)}."
    says += _ends_there(lookups, configured)
    logged = log_case.of_all(log)
    if logged:
        says += f" {logged}{log_case.of_auth(window)}"
    if pam and pam.lines:
        says += f" PAM's modules say of this user, in {pam.source}: {pam.seen}."
    of_address = log is not None and log.of_our_address
    says += _ELSEWHERE if of_address else ""
    told = (lookups, log if logged else None, pam if pam and pam.lines else None)
    also = tuple(one for one in told if one)
    return Problem(
        says=says,
        because=(logins, *also),
        certainty=Certainty.PROVEN,
        severity=Severity.RISK if of_address else None,
        remedy=remedy(
            summary=_FROM if of_address else "Read what Dovecot logs of it, with auth_verbose = yes.",
            commands=(LOG_FIND, LOG_ERRORS),
        ),
    )


def _ends_there(lookups: LookedUp | None, configured: Configured | None) -> str:
    """Passdbs that were not looked into, and whose refusal ends the login before others are asked."""
    if lookups is None or configured is None:
        return ""
    unseen = {one.number for one in lookups.unseen}
    last = max((one.number for one in configured.config.passdbs if not one.deny), default=0)
    ends = [
        f"{one.label} has result_failure = {one.result_failure}"
        + (f" ({place})" if (place := one.place_of("result_failure")) else "")
        for one in configured.config.passdbs
        if one.number in unseen and one.number < last and one.result_failure in _ENDS
    ]
    told = " and ".join(ends)
    return f" {told}: whom it does not let in, no later passdb is asked about." if ends else ""
