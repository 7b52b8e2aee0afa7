"""What a log tells of failed logins, as a report: who fails, why, how often, from where."""

from collections import Counter
from dataclasses import field
from datetime import datetime, timedelta
from pathlib import Path

from mailauth.dovecot import lognameless
from mailauth.dovecot.logcensus import Census, Pattern, Trouble
from mailauth.dovecot.lognameless import NamelessRow
from mailauth.dovecot.logs import MOST_LINE
from mailauth.dovecot.logstamp import DEFAULT_STAMP
from mailauth.dovecot.logtally import STALE_FROM, Group, Pair
from mailauth.dovecot.messages import LogKind, Why
from mailauth.records import dataclass

_HOUR, _DAY = 3600.0, 86400.0
_STILL = 15.0  # seconds before the log's end in which a flood that goes on has a line
_NOW = timedelta(minutes=1)  # since the last line of a log that is written
FLOOD = "LOG006"
READING = 600.0
"""Seconds that logs are read; what is left then is not looked at, and that is said."""
_OF_CLIENTS = (Pattern.STALE, Pattern.STEADY)
_OF_PASSWORDS = (Why.MISMATCH, Why.NOT_TOLD, Why.OTHER)


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user who fails.  ``interval``: seconds between two failures from ``address``.

    ``works``: since when logins work from each address that failed, with no failure after; "" where not so.
    ``reason``: Dovecot's words; ``cause``: what they come to.
    """

    user: str
    failures: int
    reason: str
    cause: str
    addresses: int
    address: str
    interval: float | None
    same_password: bool | None
    pattern: Pattern
    says: str
    first: str
    last: str
    works: str = ""


def nameable(name: str) -> bool:
    """Whether a row shows the user's name whole: nothing of it was cut off or escaped."""
    return bool(name) and "\\" not in name and not name.endswith("\u2026")


@dataclass(frozen=True, slots=True)
class KeptOut:
    """A finding that keeps a user out: its code and title, how certain it is, and what it says."""

    code: str
    title: str
    certainty: str
    says: str


@dataclass(frozen=True, slots=True)
class UserLooked:
    """A user of the log, looked at without a password: what blocks each login, and what is undecided.

    ``typed``: the name that a client sends, where Dovecot logs what it makes of that.
    """

    user: str
    blocking: list[KeptOut]
    undecided: list[str]
    typed: str = ""


@dataclass(frozen=True, slots=True)
class AddressRow:
    """An address that tries many names; ``users`` counts up to 200 of them."""

    address: str
    failures: int
    users: int
    examples: list[str]
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class TroubleRow:
    """What Dovecot says of itself, or of a server that it asks.

    ``rate``: lines a second, of the last ones without a pause; ``says``: what it comes to, where that is
    known.  ``code``: LOG006 where these fill the log without a pause to its end; ``bytes_per_day``: at this
    rate.
    """

    kind: str
    service: str
    count: int
    text: str
    says: str
    rate: float
    last: str
    code: str = ""
    bytes_per_day: int | None = None


_KEEPS_OUT = frozenset(one.value for one in (LogKind.NO_START, LogKind.PANIC, LogKind.MAIL_FAILED))


@dataclass(frozen=True, slots=True)
class FromLogReport:
    """The whole.

    ``unproven``: lines of a passdb that said no, where Dovecot does not log whether a later one let the
    client in.  ``unexplained``: failures of which the log gives no reason (auth_verbose = no).
    ``patterns``: how many users have each.  ``size``: bytes of log that the failures wrote;
    ``bytes_per_day``: at this rate, None where the log spans less than an hour.  ``free``: bytes that the
    filesystem of the log has left, where the log is written now.  ``partial``: reading ended in time, or a
    line was too long: what was not looked at may hold failures.  ``looked``: of the users who fail most, what
    keeps each out now; none where a copied log is read.
    ``nameless``: clients that left without a name.
    """

    sources: list[str]
    first: str
    last: str
    lines: int
    logins: int
    failures: int
    unexplained: int
    unproven: int
    users: int
    addresses: int
    patterns: dict[str, int]
    size: int
    bytes_per_day: int | None
    rows: list[UserRow]
    more_users: int
    guessing: list[AddressRow]
    more_guessing: int
    troubles: list[TroubleRow]
    notes: list[str]
    free: int | None = None
    partial: bool = False
    looked: list[UserLooked] = field(default_factory=list)
    nameless: list[NamelessRow] = field(default_factory=list)

    @property
    def keeps_out(self) -> bool:
        """Whether something else than failed logins keeps users out: what does not start, or ends at once.

        So does a server that auth connects to again and again without a pause, and auth itself where it is
        killed: all logins that wait for it are lost.
        """
        killed = (LogKind.CRASHED.value, "auth")
        return any(
            one.kind in _KEEPS_OUT or one.code or (one.kind, one.service) == killed for one in self.troubles
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read: files, how far back from the last line (None: all), one user only, or everyone.

    ``looked_up``: the name that auth makes of the user's, and logs; "" where that is not known.
    """

    paths: tuple[Path, ...]
    since: timedelta | None = timedelta(hours=24)
    rotated: bool = False
    user: str = ""
    top: int = 20
    log_timestamp: str = DEFAULT_STAMP
    ident: str = "dovecot"
    several: bool | None = None  # passdbs; None: not known
    seconds: float = READING
    looked_up: str = ""


@dataclass(slots=True)
class Read:
    """What was passed over while reading."""

    lines: int = 0
    dated: int = 0
    size: int = 0
    long: int = 0  # lines that are none of Dovecot's for their length
    own: int = 0  # lines of logins that mailauth made
    stopped: str = ""  # where, for lack of time
    sources: list[str] = field(default_factory=list)


def report(census: Census, read: Read, asked: Reading) -> FromLogReport:
    patterns = {user: census.pattern(user) for user in census.users}
    sprayed = {user for user, pattern in patterns.items() if pattern is Pattern.SPRAYING}
    own = {user: group for user, group in census.users.items() if user not in sprayed}
    sprayers = {ip: group for ip, group in census.addresses.items() if census.sprays(ip)}
    if asked.user:
        own, sprayers = dict(census.users), {}
    # An own user's old password first: it is what can be mended.
    ranked = sorted(own, key=lambda user: (patterns[user] not in _OF_CLIENTS, -own[user].count))
    seconds = (census.last - census.first).total_seconds() if census.first and census.last else 0.0
    return FromLogReport(
        sources=read.sources,
        first=_shown(census.first),
        last=_shown(census.last),
        lines=read.lines,
        logins=census.logins,
        failures=census.failures,
        unexplained=census.unexplained,
        unproven=census.unproven,
        users=len(census.users),
        addresses=sum(1 for ip in census.addresses if ip),
        patterns={one.value: many for one, many in Counter(patterns.values()).items()},
        size=census.size,
        bytes_per_day=int(census.size / seconds * _DAY) if seconds >= _HOUR else None,
        rows=[_row(census, user, own[user], patterns[user]) for user in ranked[: asked.top]],
        more_users=max(0, len(own) - asked.top),
        guessing=[_guesser(ip, group) for ip, group in census.top(sprayers, asked.top)],
        more_guessing=max(0, len(sprayers) - asked.top),
        troubles=[
            _trouble(one, census) for one in sorted(census.troubles.values(), key=lambda one: -one.count)
        ],
        notes=_notes(census, read, asked),
        partial=bool(read.stopped or read.long),
        nameless=[] if asked.user else lognameless.rows(census.nameless, asked.top),
    )


def _trouble(one: Trouble, census: Census) -> TroubleRow:
    run, last = one.run, one.last
    still = bool(last and census.last and (census.last - last).total_seconds() <= _STILL)
    return TroubleRow(
        one.kind.value,
        one.service,
        one.count,
        one.text,
        one.says,
        round(run.rate, 1),
        _shown(last),
        FLOOD if run.floods and still else "",
        int(run.bytes_rate * _DAY) if run.floods else None,
    )


def _row(census: Census, user: str, group: Group, pattern: Pattern) -> UserRow:
    pairs = census.pairs_of(user)
    most = pairs[0] if pairs else None
    same = True if pattern is Pattern.STALE else most.same_password if most else None
    beside = census.worked.beside(user, group, most.why if most else Why.NOT_TOLD)
    return UserRow(
        user=user,
        failures=group.count,
        reason=group.reason,
        cause=census.says.get(group.reason, ""),
        addresses=len(group.others - {""}),
        address=most.ip if most else min(group.others, default=""),
        interval=round(most.interval, 1) if most and most.gaps else None,
        same_password=same,
        pattern=pattern,
        says="; ".join(filter(None, (_says(pattern, group, most), beside))),
        first=_shown(group.first),
        last=_shown(group.last),
        works=_works(group, pairs),
    )


def _works(group: Group, pairs: list[Pair]) -> str:
    """Since when, where every address that failed has logged in since, and no failure came later."""
    since = [one.works for one in pairs if one.works]
    known = len(pairs) == len(group.others) and len(since) == len(pairs)
    return _shown(max(since)) if since and known and group.last and max(since) >= group.last else ""


def _says(pattern: Pattern, group: Group, most: Pair | None) -> str:
    """What the pattern is taken from."""
    every = f"one every {_period(most.interval)}" if most and most.gaps else ""
    match pattern:
        case Pattern.STALE:
            return f"the same password each time, {every}"
        case Pattern.STEADY if most and most.why not in _OF_PASSWORDS:
            return every
        case Pattern.STEADY:
            return f"{every}; the log does not show whether it is the same password each time"
        case Pattern.UNPROVEN:
            return f"{every}; a passdb said no, and Dovecot does not log whether a later one let it in"
        case Pattern.GUESSING:
            return "different passwords from one address"
        case Pattern.SPREAD:
            return f"{len(group.others)} addresses try this name"
        case Pattern.SPRAYING:
            return f"{most.ip if most else 'an address'} tries many names"
    return every if group.count >= STALE_FROM else ""


def _period(seconds: float) -> str:
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def _guesser(ip: str, group: Group) -> AddressRow:
    examples = sorted(group.others)[:3]
    return AddressRow(ip, group.count, len(group.others), examples, _shown(group.first), _shown(group.last))


def _notes(census: Census, read: Read, asked: Reading) -> list[str]:
    notes = []
    if census.unexplained:
        notes.append(
            f"Of {census.unexplained} failures the log gives no reason: set auth_verbose = yes, and"
            " auth_verbose_passwords = sha1:6 to distinguish one client's old password from guesses."
        )
    elif census.failures and not any(pair.given for pair in census.pairs.values()):
        notes.append("The log does not show which passwords are equal: auth_verbose_passwords = sha1:6 does.")
    if census.unproven:
        notes.append(
            f"{census.unproven} of these failures came from programs without a session (Postfix, Exim): where"
            " there are several passdbs, Dovecot logs that the first says no, and not that the next lets the"
            " client in. See that program's own log (Postfix: SASL ... authentication failed)."
        )
    if read.own:
        notes.append(f"Lines of logins that mailauth itself made, which are not counted: {read.own}.")
    if read.stopped:
        notes.append(
            f"Reading took longer than {asked.seconds:g} s: it ended in {read.stopped}; what follows was not"
            " looked at (--max-seconds)."
        )
    if read.long:
        notes.append(f"Lines of more than {MOST_LINE // 1024} KiB that were not looked at: {read.long}.")
    if read.lines and not census.lines:
        notes.append("No line is one of Dovecot's logins: another program's log, or another instance_name?")
    elif census.lines and not read.dated:
        notes.append("The lines have no time that can be read: name their form with --log-timestamp.")
    if census.forgotten:
        notes.append(f"{census.forgotten} failures of rare names are counted together.")
    return notes


def written(found: FromLogReport, now: datetime) -> bool:
    """Whether the log is written now, by its last line."""
    return found.last >= _shown(now - _NOW)


def _shown(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}" if when else ""
