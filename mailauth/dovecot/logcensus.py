"""Counts what a log tells of failed logins: per user, per address, per pair; bounded memory.  Pure."""

import re
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import field
from datetime import datetime
from enum import Enum

from mailauth.dovecot import lognameless
from mailauth.dovecot.logclients import OF_LOOKUPS, of_client
from mailauth.dovecot.lognameless import Nameless
from mailauth.dovecot.logs import LogEvent
from mailauth.dovecot.logtally import (
    MOST_OTHERS,
    SAME,
    STALE_FROM,
    Group,
    K,
    Pair,
    Run,
    Unserved,
    V,
    forget,
    get,
    take_one,
)
from mailauth.dovecot.logworked import Worked
from mailauth.dovecot.messages import LogKind, Why
from mailauth.records import dataclass

_MOST_KEYS = 20_000  # users, addresses and pairs kept: some 30 MiB
_MOST_SESSIONS = 4096
_MOST_TOLD = 100  # failures of a session; Dovecot ends it before
_MOST_NAMED = 2  # users of a trouble
SPRAY_FROM = 5  # names from one address
MANY_FROM = 10  # addresses for one name
_MOST = 0.8  # of a user's failures that come from one address
_GUESSES = 4  # different passwords from one address


class Pattern(Enum):
    """What a series of failures looks like."""

    STALE = "a client that sends one password again and again"
    STEADY = "a client that retries by itself"
    GUESSING = "guessing from one address"
    SPRAYING = "guessing many names"
    SPREAD = "guessing from many addresses"
    UNPROVEN = "perhaps logins that worked"
    FEW = "too few failures to judge"
    UNCLEAR = "no pattern"


@dataclass(slots=True)
class Trouble:
    """What Dovecot says of itself: how often, when, the last one's words, and what they come to.

    ``users``: whom it names, two at most: whether it is of one user only.
    """

    kind: LogKind
    service: str
    says: str = ""
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    text: str = ""
    why: Why = Why.OTHER
    users: set[str] = field(default_factory=set)
    run: Run = field(default_factory=Run)


_TROUBLES = frozenset(
    {
        *(LogKind.QUEUED, LogKind.LIMIT, LogKind.CRASHED, LogKind.ABORTED, LogKind.NOT_RESPONDING),
        *(LogKind.NO_START, LogKind.PANIC, LogKind.BACKEND, LogKind.MAIL_FAILED, LogKind.TROUBLE),
        *(LogKind.TLS_FAILED, LogKind.NO_PROXY),
    }
)
# Of several passdbs' answers to one attempt, the one that tells most.
_TELLING_FIRST = (
    *(Why.SERVER, Why.DISABLED, Why.ADDRESS, Why.SCHEME, Why.MISMATCH),
    *(Why.SESSIONS, Why.PROXY, Why.OTHER, Why.UNKNOWN),
)


def _rank(event: LogEvent) -> int:
    why = event.why
    return _TELLING_FIRST.index(why) if why in _TELLING_FIRST else len(_TELLING_FIRST)


# Of a mail session: Dovecot logs these also of sessions that go on and end as they should.
_OF_ONE_FOLDER = ("mkdir(", "stat(", "chdir(")
# The session goes on and ends as it should, and no mail is to be had in it.
_NO_INBOX = ("Mailbox INBOX: ", "Opening INBOX failed: ")


@dataclass(slots=True)
class Census:
    """Everything counted.  ``forgotten``: failures of users too many to keep.

    ``several``: there is more than one passdb; None where that is not known.  Then what one passdb says of a
    client that has no session in the log (Postfix, Exim) does not prove that its login failed: Dovecot logs
    nothing of a login that the next one lets in.  ``says``: what each reason comes to.
    """

    several: bool | None = None

    users: dict[str, Group] = field(default_factory=dict)
    addresses: dict[str, Group] = field(default_factory=dict)
    pairs: dict[tuple[str, str], Pair] = field(default_factory=dict)
    troubles: dict[tuple[LogKind, str, str], Trouble] = field(default_factory=dict)
    failures: int = 0
    failing: int = 0  # after the last login that worked
    unexplained: int = 0
    logins: int = 0
    lines: int = 0
    size: int = 0  # bytes of the lines that tell of failures
    forgotten: int = 0
    unproven: int = 0
    sessions_ended: Counter[str] = field(default_factory=Counter)  # by service
    first: datetime | None = None
    last: datetime | None = None
    says: dict[str, str] = field(default_factory=dict)
    unserved: OrderedDict[str, Unserved] = field(default_factory=OrderedDict)  # by user
    broken: OrderedDict[str, Unserved] = field(default_factory=OrderedDict)  # the last mail session, by user
    last_login: datetime | None = None
    nameless: dict[tuple[str, int], Nameless] = field(default_factory=dict)
    worked: Worked = field(default_factory=Worked)
    _sessions: OrderedDict[str, list[LogEvent]] = field(default_factory=OrderedDict)
    _left: OrderedDict[str, LogEvent] = field(default_factory=OrderedDict)  # of which auth had told nothing
    _errors: OrderedDict[str, LogEvent] = field(default_factory=OrderedDict)
    _without_inbox: OrderedDict[str, None] = field(default_factory=OrderedDict)  # by session

    def add(self, event: LogEvent, size: int = 0) -> None:
        self.lines += 1
        if event.when is not None and event.when is not self.last:
            self._date(event.when)
        if event.kind is LogKind.FAILED:
            if not event.goes_on and of_client(event):
                self._fail(event, 1, size)
                if event.level == "Error" and (event.session or event.reason not in OF_LOOKUPS):
                    self._not_served(event, event.reason)
        elif event.kind is LogKind.LOGIN_FAILED:
            event = self._with_error(event)
            self._not_served(event, event.reason)
            self._leave(event, size)
        elif event.kind is LogKind.LOGGED_IN:
            self.logins += 1
            self.last_login = event.when or self.last_login
            self.unserved.pop(event.user.casefold(), None)
            self._forgive(event)
            self._works(event)
            self.worked.add(event)
            self.failing = 0
        elif event.kind is LogKind.MAIL_ENDED:
            self._end(event)
        elif event.kind in _TROUBLES:
            self._note(event, size)
        else:
            lognameless.add(self.nameless, event)

    def _date(self, when: datetime) -> None:  # clocks are set back, and files are not in order
        self.first = when if self.first is None or when < self.first else self.first
        self.last = when if self.last is None or when > self.last else self.last

    def _end(self, event: LogEvent) -> None:
        """A session ended as it should: what was logged of one without an INBOX is no other."""
        if event.session and event.session in self._without_inbox:
            return
        if event.process in self.sessions_ended or len(self.sessions_ended) < MOST_OTHERS:
            self.sessions_ended[event.process] += 1
        self.broken.pop(event.user.casefold(), None)

    def _break(self, event: LogEvent) -> None:
        """A session that cannot begin, or has no INBOX."""
        text = event.text
        if event.row is None or not event.user or text.startswith(_OF_ONE_FOLDER):
            return
        user = event.user.casefold()
        self.broken.pop(user, None)
        self.broken[user] = Unserved(event.user, text, event.row.says, event.when, event.session)
        if text.startswith(_NO_INBOX) and event.session:
            self._without_inbox[event.session] = None
        for table in (self.broken, self._without_inbox):
            if len(table) > _MOST_SESSIONS:
                table.popitem(last=False)

    def _not_served(self, event: LogEvent, words: str) -> None:
        """An error of the server's own; what auth said of a session is more than what comes after."""
        user = event.user.casefold()
        if event.why is not Why.SERVER or event.row is None:
            return
        known = self.unserved.pop(user, None)
        again = known is not None and event.session and known.session == event.session
        one = Unserved(event.user, words, event.row.says, event.when, event.session)
        self.unserved[user] = known if known and again else one
        if len(self.unserved) > _MOST_SESSIONS:
            self.unserved.popitem(last=False)

    def _fail(self, event: LogEvent, times: int, size: int) -> None:
        self._count_once(event)
        self.failures += times
        self.failing += times
        key = (event.user, event.ip)
        get(self.users, event.user, Group).sort(event, times, event.ip)
        get(self.addresses, event.ip, Group).sort(event, times, event.user)
        pair = self.pairs.get(key)
        if pair is None:
            pair = self.pairs[key] = Pair(user=event.user, ip=event.ip)
        pair.measure(event)
        pair.add(event, times)
        pair.before, pair.works = pair.works, None
        pair.tell(event, times)
        pair.size += size
        self.size += size
        if not event.session and event.given is None and self.several is not False:
            pair.unproven += times
            self.unproven += times
        if event.row and event.reason not in self.says and len(self.says) < MOST_OTHERS:
            self.says[event.reason] = event.row.says
        if len(self.pairs) > _MOST_KEYS:
            forget(self.pairs)
        if len(self.users) > _MOST_KEYS:
            self.forgotten += forget(self.users)
        if len(self.addresses) > _MOST_KEYS:
            forget(self.addresses)
        if event.session:
            told = self._sessions.setdefault(event.session, [])
            if len(told) < _MOST_TOLD:
                told.append(event)
            if len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)

    def _count_once(self, event: LogEvent) -> None:
        """On a busy machine auth's line may stand behind that of the login process."""
        if event.session and (left := self._left.pop(event.session, None)):
            self._take_back(left)
            self.unexplained -= 1

    def _leave(self, event: LogEvent, size: int) -> None:
        """The login process counts attempts: those that auth has not told of are new.

        Where auth told of more, several passdbs said no to the same attempt.
        """
        told = self._sessions.pop(event.session, [])
        error = self._errors.pop(event.session, None)
        if told and (pair := self.pairs.get((told[-1].user, told[-1].ip))):
            pair.size += size
            self.size += size
        if told:
            # A server's trouble is told by no passdb, and is why the client was sent away.
            if event.why is Why.SERVER and not any(one.why is Why.SERVER for one in told):
                self._take_back(told.pop())
                self._fail(event._replace(session=""), 1, 0)
            surplus = sorted(told, key=_rank)[max(1, event.attempts) :]
            for one in surplus:
                self._take_back(one)
        elif event.attempts > 0:
            if not error and (event.row is None or event.row.why is Why.NOT_TOLD):
                self.unexplained += event.attempts
            self._fail(event, event.attempts, size)
            self._sessions.pop(event.session, None)
            if not error and event.session and event.attempts == 1 and event.why is Why.NOT_TOLD:
                self._left[event.session] = event
                if len(self._left) > _MOST_SESSIONS:
                    self._left.popitem(last=False)

    def _with_error(self, event: LogEvent) -> LogEvent:
        """As the error says that auth logged of the same session: the login process knows less."""
        error = self._errors.get(event.session)
        if error is None:
            return event
        known = error.row is not None and event.why is Why.NOT_TOLD
        return event._replace(reason=error.text, row=error.row if known else event.row)

    def _forgive(self, event: LogEvent) -> None:
        """One passdb said no, and a later one let the same session in: that is no failed login."""
        self._errors.pop(event.session, None)
        told = self._sessions.pop(event.session, None)
        if told and told[-1].user.casefold() == event.user.casefold():
            self._take_back(told[-1])

    def _works(self, event: LogEvent) -> None:
        """What failed for a user from an address, and was repaired, is no present trouble."""
        if (pair := self.pairs.get((event.user, event.ip))) is not None:
            pair.works = pair.works or event.when

    def _take_back(self, told: LogEvent) -> None:
        self.failures -= 1
        self.failing = max(0, self.failing - 1)
        for table, key in ((self.users, told.user), (self.addresses, told.ip)):
            if (group := table.get(key)) is not None:
                group.forget(told.reason, 1)
            take_one(table, key)
        if (pair := self.pairs.get((told.user, told.ip))) is not None:
            pair.tell(told, -1)
            pair.works = pair.works or pair.before
        take_one(self.pairs, (told.user, told.ip))

    def _note(self, event: LogEvent, size: int) -> None:
        if event.kind is LogKind.MAIL_FAILED:
            self._break(event)
        if event.kind is LogKind.TROUBLE and event.session:
            self._errors[event.session] = event
            if len(self._errors) > _MOST_SESSIONS:
                self._errors.popitem(last=False)
        service = service_named(event)
        what = event.reason if event.kind is LogKind.ABORTED else what_named(event)
        key = (event.kind, service, what)
        if key not in self.troubles and len(self.troubles) >= MOST_OTHERS:
            return
        trouble = self.troubles.setdefault(key, Trouble(event.kind, service))
        trouble.count += 1
        trouble.run.add(event.when, size)
        trouble.first = trouble.first or event.when
        trouble.last, trouble.text = event.when, event.text
        trouble.says, trouble.why = event.row.says if event.row else "", event.why
        if event.user and len(trouble.users) < _MOST_NAMED:
            trouble.users.add(event.user)

    # What it looks like

    def pairs_of(self, user: str) -> list[Pair]:
        tally = self.users[user]
        found = [pair for ip in tally.others if (pair := self.pairs.get((user, ip)))]
        return sorted(found, key=lambda pair: -pair.count)

    def pattern(self, user: str) -> Pattern:
        """One client with an old password, or somebody who guesses."""
        tally = self.users[user]
        pairs = self.pairs_of(user)
        if tally.count < STALE_FROM and not any(self.sprays(pair.ip) for pair in pairs[:1]):
            return Pattern.FEW
        if not pairs:
            return Pattern.SPREAD if len(tally.others) >= MANY_FROM else Pattern.UNCLEAR
        if self.sprays(pairs[0].ip) and (tally.count < STALE_FROM or pairs[0].same_password is not True):
            return Pattern.SPRAYING
        if self.same_everywhere(user):
            return Pattern.STALE  # a telephone changes its address
        if len(tally.others) >= MANY_FROM:
            return Pattern.SPREAD
        most = pairs[0]
        if most.count < _MOST * tally.count:
            return Pattern.UNCLEAR
        if most.same_password:
            return Pattern.STALE
        if len(most.given or ()) >= _GUESSES:
            return Pattern.GUESSING
        if most.unproven * 2 > most.count:
            return Pattern.UNPROVEN
        return Pattern.STEADY if most.steady and most.same_password is None else Pattern.UNCLEAR

    def same_everywhere(self, user: str) -> bool:
        """The same password from wherever it comes."""
        given: Counter[int] = Counter()
        for pair in self.pairs_of(user):
            given.update(pair.given or {})
        told = sum(given.values())
        if told < max(STALE_FROM, self.users[user].count // 2):
            return False
        return max(given.values()) >= SAME * told

    def sprays(self, ip: str) -> bool:
        """This address fails with many names."""
        return bool(ip) and ip in self.addresses and len(self.addresses[ip].others) >= SPRAY_FROM

    def top(self, table: dict[K, V], most: int) -> list[tuple[K, V]]:
        return sorted(table.items(), key=lambda item: -item[1].count)[:most]


def service_named(event: LogEvent) -> str:
    """The service that an event is about."""
    if event.text.startswith("service("):
        return event.text.removeprefix("service(").partition(")")[0]
    if event.kind is LogKind.CRASHED:
        return event.text.partition("service(")[2].partition(")")[0] or event.process
    return "auth-worker" if event.kind in (LogKind.QUEUED, LogKind.ABORTED) else event.process


def what_named(event: LogEvent) -> str:
    """Of "service(auth): client_limit (5) reached, ..." the limit; of a crash the signal; else the words."""
    if event.kind is LogKind.LIMIT:
        return event.text.partition("): ")[2].partition(" ")[0]
    if event.kind is LogKind.CRASHED:
        return event.text.partition("killed with signal ")[2].partition(" ")[0]
    if event.kind in (LogKind.QUEUED, LogKind.NOT_RESPONDING):
        return ""
    if event.kind is LogKind.BACKEND:
        return f"{event.text.partition(': ')[0]} {event.row.words if event.row else ''}"
    return event.row.words if event.row else re.sub(r"[0-9]+", "N", event.text)


def count(events: Iterable[tuple[LogEvent, int]]) -> Census:
    """The census of events, each with the size of its line."""
    census = Census()
    for event, size in events:
        census.add(event, size)
    return census
