"""One client retries a failing login without end, and the log grows with it.

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
    It depends on why it fails, which the log has.  "Password mismatch" is also what Dovecot says where
    the process that verifies has no memory for the hash: then the client is right, and the limit is to be
    raised.  Where the password is wrong, set the right one in that client, or remove its account, and ban
    the address until then (fail2ban's filter "dovecot").  Where the server fails ("Temporary
    authentication failure"), the client is right to try again: repair the server.  Without an address it
    is a program on this machine: a script, a health check.  mailauth log shows who else fails.
"""

from enum import Enum

from mailauth.counted import times
from mailauth.dovecot.messages import Why
from mailauth.dovecot.sizes import show_size
from mailauth.evidence import (
    ContainerLog,
    Filesystems,
    LogStream,
    LogStreams,
    StoredHash,
    StoreMemory,
    Trials,
    UserName,
)
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule
from mailauth.rules import flood_case, memory_case

_AT_LEAST = 30
_STILL = 3  # intervals without a failure, after which it has stopped
_SHORTEST = 30.0  # seconds
_DAY = 86400
_MUCH = 1e9 / _DAY  # bytes a second: a disk is worth a word


class _Room(Enum):
    """Whether the process that verifies has the memory for the hash."""

    FITS = "it has"
    SHORT = "it has not"
    OPEN = "not known"


@rule("LOG001", "A client retries a failing login without end", Severity.RISK)
def grows_without_bound(
    log: LogStreams,
    name: UserName | None,
    stored: StoredHash | None,
    trials: Trials | None,
    memory: StoreMemory | None,
    disks: Filesystems | None,
    container: ContainerLog | None,
) -> Problem | None:
    found = [one for one in log.streams if _goes_on(one)]
    if not found:
        return None
    rooms = [_room(one, name, stored, trials, memory) for one in found]
    rate = sum(_rate(one) for one in found)
    lands = flood_case.lands(rate, disks, container) if rate >= _MUCH else ""
    return Problem(
        says=" ".join(_says(one) for one in found) + lands,
        because=(log,),
        certainty=Certainty.PROVEN,
        remedy=_remedy(found, rooms),
    )


def _room(
    one: LogStream,
    name: UserName | None,
    stored: StoredHash | None,
    trials: Trials | None,
    memory: StoreMemory | None,
) -> _Room:
    """By the user's own hash, where that was looked at; else by all of them."""
    names = {each.casefold() for each in (name.given, name.looked_up)} if name else set()
    if one.user.casefold() in names and stored is not None:
        if trials is not None:
            return _Room.SHORT if memory_case.short_of_memory(trials, stored.memory) else _Room.FITS
        return _Room.OPEN if stored.memory.total else _Room.FITS
    if memory is None or not memory.fits:
        return _Room.OPEN
    return _Room.OPEN if any(each.harms for fit in memory.fits for each in fit.services) else _Room.FITS


_BAN = "ban its address until then."
_STOP = f"Stop that client, or give it the right password; {_BAN}"
# A mismatch in the log is a wrong password, or no memory for the hash (messages_requests.MISMATCHES).
_MISMATCH = {
    _Room.FITS: _STOP,
    _Room.SHORT: (
        "Leave that client alone: its password may be right. The process that verifies has no memory for the"
        " hash of {user} (MEM001), which Dovecot logs in the same words. Raise that limit first."
    ),
    _Room.OPEN: (
        "See first whether the password of {user} is wrong: Dovecot logs the same where the process that"
        " verifies has no memory for the hash, and then that client is right. mailauth diagnose tells these"
        f" apart. If it is wrong: stop that client, or give it the right password; {_BAN}"
    ),
}
# What to do about each other kind of failure.
_ADVICE = {
    Why.UNKNOWN: f"Take the account of {{user}}, whom no passdb has, out of that client; {_BAN}",
    Why.DISABLED: f"Enable {{user}}, or take the account out of that client; {_BAN}",
    Why.ADDRESS: "Allow {user} to log in from {ip} (allow_nets), or take the account out of that client.",
    Why.POLICY: "Ask the policy server why it refuses {user} from {ip}.",
    Why.NAME: f"Correct the user name in that client; {_BAN}",
    Why.SCHEME: "Repair what is stored for {user}, which no password matches: mailauth diagnose says why.",
    Why.SERVER: (
        "Leave that client alone: it fails by an error of the server's own, whatever its password is. See"
        " what mailauth diagnose says of {user}, and doveadm log errors."
    ),
    Why.NOT_TOLD: (
        "Set auth_verbose = yes to see why it fails, then: doveadm reload. If the password is wrong, give"
        f" that client the right one; {_BAN}"
    ),
}
_HERE = (
    " It is a program on this machine, since the log has no address of it: a script or a health check with"
    " doveadm auth test, or a server that does not tell its client's address."
)


def _remedy(found: list[LogStream], rooms: list[_Room]) -> Remedy:
    advice = [_advice(one, room) for one, room in zip(found, rooms, strict=True)]
    banned = any(_BAN in one for one in advice)
    careful = "Banning the address of a webmail or a proxy locks out everybody behind it." if banned else ""
    return Remedy(summary=" ".join(dict.fromkeys(advice)), careful=careful)


def _advice(one: LogStream, room: _Room) -> str:
    text = _MISMATCH[room] if one.why is Why.MISMATCH else _ADVICE.get(one.why, _STOP)
    text = text.format(user=repr(one.user), ip=one.ip or "this machine")
    return text if one.ip else text.replace(f"; {_BAN}", ".") + _HERE


def _goes_on(one: LogStream) -> bool:
    if one.count < _AT_LEAST or not one.proven or not (one.steady or one.same_password):
        return False
    return one.ago <= max(_SHORTEST, _STILL * one.interval)


def _rate(one: LogStream) -> float:
    """Bytes a second."""
    return one.size / max(one.seconds, 1.0)


def _says(one: LogStream) -> str:
    why = f" ({one.why.value})" if one.why not in (Why.NOT_TOLD, Why.OTHER) else ""
    same = {True: ", with the same password each time", False: ", with different passwords", None: ""}
    return (
        f"{one.user!r} fails from {one.ip or 'this machine'}: {times(one.count)} in {one.seconds:.0f} s, one"
        f" every {one.interval:.1f} s{why}{same[one.same_password]}; that is"
        f" {show_size(int(_rate(one) * _DAY))} of log a day."
    )
