"""One client retries a failing login for ever, and the log grows with it.

What you see
    The log, or the disk, fills with the same failure: one user, one address, at steady intervals.
Why
    A program does not give up as a person does.  Each attempt takes two or three lines of log, and a
    worker's time.  It goes on until somebody stops it: fail2ban bans an address for a while only, and
    where the log is not rotated, or a container keeps it without a limit, the disk fills.
How we know
    Counted in the log since Dovecot last started or was reloaded: at least 30 failures of one user from
    one address, at steady intervals, the last one not long ago.  Where there are several passdbs, and the
    client has no session in the log (Postfix, Exim), one passdb's no is not counted: the next may say yes.
What to do
    It depends on why it fails, which the log has.  Where the password is wrong, set the right one in that
    client, or take its account away, and ban the address until then (fail2ban's filter "dovecot").  Where
    the server fails ("Temporary authentication failure"), the client is right to come again: mend the
    server.  mailauth log shows who else fails.
"""

from mailauth.dovecot.messages import Why
from mailauth.dovecot.sizes import show_size
from mailauth.evidence import LogStream, LogStreams
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule

_AT_LEAST = 30
_STILL = 3  # intervals without a failure, after which it has stopped
_SHORTEST = 30.0  # seconds
_DAY = 86400


@rule("LOG001", "A client retries a failing login for ever", Severity.RISK)
def grows_without_bound(log: LogStreams) -> Problem | None:
    found = [one for one in log.streams if _goes_on(one)]
    if not found:
        return None
    return Problem(
        says=" ".join(_says(one) for one in found),
        because=(log,),
        certainty=Certainty.PROVEN,
        remedy=_remedy(found),
    )


_BAN = "ban its address until then."
_STOP = f"Stop that client, or give it the right password; {_BAN}"
# What to do about each kind of failure.
_ADVICE = {
    Why.UNKNOWN: f"Take the account of {{user}}, whom no passdb has, out of that client; {_BAN}",
    Why.DISABLED: f"Enable {{user}}, or take the account out of that client; {_BAN}",
    Why.ADDRESS: "Allow {user} to log in from {ip} (allow_nets), or take the account out of that client.",
    Why.POLICY: "Ask the policy server why it refuses {user} from {ip}.",
    Why.NAME: f"Correct the user name in that client; {_BAN}",
    Why.SCHEME: "Mend what is stored for {user}, which no password matches: mailauth diagnose says why.",
    Why.SERVER: (
        "Leave that client alone: it fails by an error of the server's own, whatever its password is. See"
        " what mailauth diagnose says of {user}, and doveadm log errors."
    ),
    Why.NOT_TOLD: (
        "Set auth_verbose = yes to see why it fails, then: doveadm reload. If the password is wrong, give"
        f" that client the right one; {_BAN}"
    ),
}
_NO_BAN = frozenset({Why.ADDRESS, Why.POLICY, Why.SCHEME, Why.SERVER})


def _remedy(found: list[LogStream]) -> Remedy:
    told = (_ADVICE.get(one.why, _STOP).format(user=repr(one.user), ip=one.ip) for one in found)
    banned = any(one.why not in _NO_BAN for one in found)
    careful = "Banning the address of a webmail or a proxy locks out everybody behind it." if banned else ""
    return Remedy(summary=" ".join(dict.fromkeys(told)), careful=careful)


def _goes_on(one: LogStream) -> bool:
    if one.count < _AT_LEAST or not one.proven or not (one.steady or one.same_password) or not one.ip:
        return False
    return one.ago <= max(_SHORTEST, _STILL * one.interval)


def _says(one: LogStream) -> str:
    rate = one.size / max(one.seconds, 1.0) * _DAY
    why = f" ({one.why.value})" if one.why not in (Why.NOT_TOLD, Why.OTHER) else ""
    same = {True: ", with the same password each time", False: ", with different passwords", None: ""}
    return (
        f"{one.user!r} fails from {one.ip}: {one.count} times in {one.seconds:.0f} s, one every"
        f" {one.interval:.1f} s{why}{same[one.same_password]}; that is {show_size(int(rate))} of log a day."
    )
