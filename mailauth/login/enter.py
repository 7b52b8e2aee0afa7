"""Log in by each way, from the stored string outwards: each once, and a refused password never again."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace
from typing import TYPE_CHECKING

from mailauth.clients.door import Answer, Step, Told
from mailauth.clients.sasl import find
from mailauth.clients.talk import converse, prepare
from mailauth.dovecot.children import nobody
from mailauth.dovecot.entering import users_of
from mailauth.errors import CannotObserve
from mailauth.hashes import Password
from mailauth.later import later
from mailauth.login import asked
from mailauth.login.site import Site
from mailauth.login.way import HANGS, LATE, PROXIED, Attempt, Layer, Way
from mailauth.records import dataclass

if TYPE_CHECKING:
    import stamina
    import stamina.instrumentation
else:
    stamina = later("stamina")  # asyncio comes with it: 40 ms that a check without a login need not pay

REFUSALS = 8  # logins with a refused password, of all ways together
_CONNECTS = 3  # attempts to connect, with a wait between them
_LOCAL = "127.0.0.1"
_LATE_WORDS = ("timed out", "did not end within")  # of a socket, and of talk.py


@dataclass(frozen=True, slots=True)
class LoginBounds:
    """How far the logins may go.

    ``refusals``: logins with a refused password, of all ways together.  ``until``: when all ends, by
    time.monotonic(): what has no answer then is not seen.  ``begin`` is told each way before it is tried.
    """

    refusals: int = REFUSALS
    until: float = math.inf
    begin: Callable[[Way], None] = lambda _: None


class _NotConnectedError(Exception):
    """Nothing took the connection; the password was not sent."""

    def __init__(self, told: Told) -> None:
        super().__init__(told.said)
        self.told = told


def attempt(
    way: Way, user: str, password: Password, site: Site, address: str = "", left: float = math.inf
) -> Attempt:
    """One login by one way.  Never raises for what the server does: that is the answer.

    ``left``: seconds that it may take; what has no answer then is not seen.

    ``address``: where the client is, for auth; without one the auth socket gets 127.0.0.1, with no
    penalty, and doveadm nothing, so that what it makes fail holds nobody back who has an address.
    """
    try:
        match way.layer:
            case Layer.HASH:
                return asked.offline(way, user, password, site, address, left)
            case Layer.TEST | Layer.LOGIN:
                return asked.doveadm(way, user, password, site, address, left)
            case Layer.SOCKET:
                return asked.socket(way, user, password, site, address or _LOCAL, left)
            case Layer.DOOR:
                return _session_within(way, user, password, site, left)
    except CannotObserve as why:
        return Attempt(way, Answer.UNSEEN, said=str(why), ours=why.ours)


def _session_within(way: Way, user: str, password: Password, site: Site, left: float) -> Attempt:
    """One session; what it waits for longer than ``left`` seconds, and would wait for, is not seen."""
    door = way.door
    if door is None or left >= door.patience:
        return _session(way, user, password, site)
    shorter = replace(door, timeout=min(door.timeout, left), patience=left)
    found = replace(_session(replace(way, door=shorter), user, password, site), way=way)
    if found.answer is Answer.BROKEN and any(word in found.said for word in _LATE_WORDS):
        return replace(found, answer=Answer.UNSEEN, said=f"{found.said} ({asked.TIME_OVER})")
    return found


def _session(way: Way, user: str, password: Password, site: Site) -> Attempt:
    door, mechanism = way.door, find(way.mechanism)
    if way.proxied:
        return Attempt(way, Answer.NOT_TRIED, said=way.proxied)
    if door is None:
        return Attempt(way, Answer.UNREACHABLE, Step.CONNECT, way.absent)
    if mechanism is None:
        return Attempt(way, Answer.UNSEEN, said=f"mailauth does not know {way.mechanism}")
    prepare(door, mechanism)
    if not way.outside:
        door = replace(door, ours=door.ours | users_of(site.dovecot.pid))

    def talk() -> Told:
        return converse(door, mechanism, user, password.raw)

    def connected() -> Told:
        told = nobody(talk, Told) if way.outside else site.inside(talk, Told)
        if told.answer is Answer.UNREACHABLE:
            raise _NotConnectedError(told)
        return told

    stamina.instrumentation.set_on_retry_hooks(())  # it would print; what comes of it is the answer
    try:
        for trial in stamina.retry_context(
            on=_NotConnectedError, attempts=_CONNECTS, wait_initial=0.1, wait_jitter=0.1, timeout=None
        ):
            with trial:
                told = connected()
    except _NotConnectedError as why:
        told = why.told
    found = Attempt(way, told.answer, told.step, told.said, told.total, told.seconds, offered=told.offered)
    return replace(found, ours=told.ours)


@dataclass(slots=True)
class _Course:
    """What came of the ways so far, and which of the rest need not be tried, or must not."""

    refusals: int
    refused: int = 0
    done: list[Attempt] = field(default_factory=list)

    def add(self, one: Attempt) -> None:
        self.done.append(one)
        self.refused += one.answer is Answer.REFUSED and one.way.layer is not Layer.HASH

    def why_not(self, way: Way) -> str:
        """Why this way is not tried; "" where it is."""
        if way.layer is Layer.HASH or (way.layer is Layer.DOOR and way.door is None):
            return ""
        if self.refused >= self.refusals:
            return f"the password was refused {self.refused} times already"
        if any(one.code == LATE for one in self.done):
            return "auth does not answer"
        if way.layer is Layer.DOOR:
            return self._no_door(way)
        if any(one.code == HANGS for one in self._of(Layer.TEST)):
            return "auth does not greet"
        no = any(one.answer is Answer.REFUSED for one in self._of(Layer.TEST))
        if way.layer is Layer.LOGIN and no:
            return "auth refuses the password"
        if way.layer is Layer.LOGIN and any(one.code == PROXIED for one in self._of(Layer.TEST)):
            return "the user is passed on to another server, which has the userdb"
        first = next(iter(self._of(Layer.SOCKET)), None)
        if first and first.answer in (Answer.UNSEEN, Answer.UNREACHABLE):
            return "the auth socket does not answer"
        return "auth refuses the password" if no and first and first.answer is Answer.REFUSED else ""

    def missing(self, way: Way) -> Iterator[Attempt]:
        """That the mechanism is not offered there, by what the session with the first one was answered."""
        told = next(
            (one.offered for one in self._of(Layer.DOOR) if one.way.door == way.door and one.offered), ()
        )
        if told and way.mechanism not in {name.upper() for name in told}:
            yield Attempt(way, Answer.NOT_OFFERED, Step.OFFER, f"offered: {', '.join(told)}", offered=told)

    def _no_door(self, way: Way) -> str:
        at_auth = self._of(Layer.SOCKET)
        if at_auth and way.mechanism != at_auth[0].way.mechanism:
            if at_auth[0].answer is Answer.REFUSED:
                return "auth refuses the password"
            if any(one.way.mechanism == way.mechanism and not one.ok for one in at_auth):
                return f"auth does not take {way.mechanism}"
        deaf = [
            one for one in self._of(Layer.DOOR) if one.answer is Answer.BROKEN and one.step is Step.GREETING
        ]
        for one in self._of(Layer.DOOR):
            if one.way.service != way.service or one.way.door is None or way.door is None:
                continue
            if one.answer is Answer.REFUSED and one.way.mechanism == way.mechanism:
                return f"{way.service} refuses the password"
            if one.answer is Answer.UNREACHABLE and one.way.door.port == way.door.port:
                return f"nothing listens on port {way.door.port}"
            if one in deaf:
                return f"{way.service} does not greet"
        dovecots = {one.way.service for one in deaf} - {"smtp"}
        return "the login services do not greet" if len(dovecots) > 1 and way.service != "smtp" else ""

    def _of(self, layer: Layer) -> list[Attempt]:
        return [one for one in self.done if one.way.layer is layer]


def log_in(
    ways: Iterable[Way],
    user: str,
    password: Password,
    site: Site,
    *,
    address: str = "",
    bounds: LoginBounds | None = None,
) -> Iterator[Attempt]:
    """Each way in turn, as it comes.

    Of a way that is not to be asked nothing comes, unless its mechanism is not offered there.
    """
    bounds = bounds or LoginBounds()
    course = _Course(bounds.refusals)
    for way in ways:
        if way.unasked:
            yield from course.missing(way)
            continue
        if asked.by_address(course.done):
            address = address or _LOCAL
        left = bounds.until - time.monotonic()
        if why_not := course.why_not(way):
            done = Attempt(way, Answer.NOT_TRIED, said=why_not)
        elif left <= 0:
            done = Attempt(way, Answer.UNSEEN, said=f"not tried: {asked.TIME_OVER}")
        else:
            bounds.begin(way)
            done = attempt(way, user, password, site, address, left)
        course.add(done)
        yield done
