"""Dovecot makes this user's address wait before each attempt: the penalty for failed logins.

What you see
    The right password works, after 8 or 15 seconds; programs with a shorter timeout give up.  After the
    log's last failure from that address it ends by itself within 15 seconds.
Why
    anvil counts failures per address (an IPv6 address by its /48) and auth waits 4, 8, then 15 seconds
    before it looks at the next attempt from there.  One stale client holds back all that share its
    address: a family, an office, a webmail, a proxy that passes no address on (auth-penalty.c, Dovecot
    2.3.19.1 and 2.4.1; the same password again does not raise it).  2.4 counts nothing where
    auth_failure_delay = 0 (measured).
How we know
    anvil was asked, as doveadm penalty does, and the log has failures of this user from that address.
What to do
    Stop the client that fails: mailauth log names it.  A login that works ends the penalty.
    Where the address is a webmail's or a proxy's, switch the penalty off: the text below.
"""

from mailauth.evidence import Configured, Penalties, UserInLog
from mailauth.finding import Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, Setting, block, both, remedy

_FROM = 2  # one failure is a typing error: 4 seconds
_OFF = [block("service", "anvil", block("unix_listener", "anvil-auth-penalty", Setting("mode", "0")))]


@rule("AUTH006", "Dovecot delays logins from the user's address after failures", Severity.RISK)
def held_back(configured: Configured, penalties: Penalties, log: UserInLog) -> Problem | None:
    found = [one for one in penalties.addresses if one.level >= _FROM and one.ip in log.addresses]
    if not found:
        return None
    return Problem(
        says=" ".join(f"Each attempt from {one.ip} waits {one.seconds} seconds." for one in found),
        because=(penalties, log),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Stop the client that fails; or switch the penalty off where many share the address.",
            config=both(*_OFF),
            file=configured.file,
            commands=(RELOAD,),
            careful="Without the penalty guessing is faster: have fail2ban, or auth_failure_delay, instead.",
        ),
    )
