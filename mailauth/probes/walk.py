"""Follow the passdbs as Dovecot does: which are asked, in which order, and what comes of it.

What a passdb says is asked once; the way through them depends on the password, so it is followed for
each question again: if every hash matched, if none did, if only this one did.  A passdb that could not be
asked may say anything: each is followed, and where they come to different ends the way is open.

Source: auth_request_want_skip_passdb(), auth_request_handle_passdb_callback() and what they call,
Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-request.c; auth_preinit(), src/auth/auth.c.
"""

import ipaddress
import itertools
import re
from collections.abc import Callable
from dataclasses import field, replace
from enum import Enum

from mailauth.dovecot.authconfig import AuthConfig, Passdb
from mailauth.errors import CannotObserve
from mailauth.evidence import End, Said, Step, UserName
from mailauth.records import dataclass
from mailauth.stores.store import Outcome, Record

_MOST = 64  # steps: what goes on longer goes in circles
_MOST_UNSEEN = 5  # passdbs: 4 answers each are 1,024 ways
# Values that are nobody's secret; "pass" and its like are left out.
_SHOWN = ("nologin", "allow_nets", "allow_real_nets", "fail", "nopassword", "user", "username", "domain")
# What of an entry decides a login: the others need not be worked out.
DECIDES = (*_SHOWN, "noauthenticate")

_NETS = ("allow_nets", "allow_real_nets")
# Another server takes the session over
PROXIED = frozenset({"proxy", "proxy_maybe"})

Values = dict[str, str]


class While(Enum):
    """What becomes of logins while a passdb gives no answer."""

    OPEN = "some are let in, or it is not asked"
    CLOSED = "nobody is let in"
    ANYBODY = "any password is let in"


@dataclass(frozen=True, slots=True)
class WalkEntry:
    """What one passdb has of one name: the record, and its fields as Dovecot takes them."""

    passdb: Passdb
    record: Record
    values: Values = field(repr=False)

    @property
    def restricts(self) -> tuple[tuple[str, str], ...]:
        """The fields that decide a login, and what they hold."""
        return tuple((name, self.values[name]) for name in _SHOWN if name in self.values)


@dataclass(slots=True)
class Road:
    """The passdbs, and who can ask them: ``ask(passdb, user, requested)`` may raise CannotObserve."""

    config: AuthConfig
    names: UserName
    address: str
    ask: Callable[[Passdb, str, str], WalkEntry]
    mechanism: str = "PLAIN"  # in capitals: some passdbs are for some mechanisms only
    unasked: dict[int, CannotObserve] = field(default_factory=dict)  # by the passdb's number
    entries: dict[tuple[int, str, str], WalkEntry] = field(default_factory=dict)

    @property
    def by_address(self) -> bool:
        """Whether an entry, or the block of its passdb, says from where one may log in."""
        entries = (entry for entry in self.entries.values() if not entry.passdb.deny)
        return any(entry.values.keys() & set(_NETS) for entry in entries)

    def seen(self, passdb: Passdb, user: str, requested: str) -> WalkEntry | None:
        """What the passdb has of the user; asked once.  None: it could not be asked."""
        key = (passdb.number, user, requested)
        if key not in self.entries and passdb.number not in self.unasked:
            try:
                self.entries[key] = self.ask(passdb, user, requested)
            except CannotObserve as why:
                self.unasked[passdb.number] = why
        return self.entries.get(key)


@dataclass(slots=True)
class _State:
    """Of one walk."""

    user: str
    requested: str
    verified: bool = False  # the password was, in an earlier passdb
    success: bool = False
    by: int = 0  # the passdb that took the password; 0: none did
    failed_inside: bool = False  # some passdb had an internal failure
    nologin: bool = False
    steps: list[Step] = field(default_factory=list)


def walk(road: Road, matches: Callable[[WalkEntry], bool]) -> End:
    """Where the way ends if ``matches`` says which entry's hash the password is right for.

    Raises CannotObserve where it never ends.
    """
    unseen: list[int] = []
    while True:
        possible = itertools.product(*(_possible(road, number) for number in unseen))
        ends = [_walk(road, matches, dict(zip(unseen, answers, strict=True))) for answers in possible]
        reached = sorted({number for end in ends for number in _unseen(end)})
        if reached == unseen:
            break
        unseen = reached
        if len(unseen) > _MOST_UNSEEN:  # too many ways to be followed: it is open
            return replace(ends[0], unseen=tuple(unseen))
    if len({end.lets_in for end in ends}) == 1:
        return ends[0]
    return replace(ends[0], unseen=tuple(unseen))


def while_failing(config: AuthConfig, road: Road | None, passdb: Passdb) -> While:
    """What becomes of logins while the passdb fails (result_internalfail), whatever the others say.

    What they are known to say of this user counts; without a ``road`` nobody is asked about.
    """

    def failing(asked: Passdb, user: str, requested: str) -> WalkEntry:
        told = road.seen(asked, user, requested) if road and asked.number != passdb.number else None
        if told is None:
            raise CannotObserve("it is what fails, or was not asked.")
        return told

    names = road.names if road else UserName("nobody", "nobody", "nobody", "")
    way = Road(config, names, road.address if road else "", failing, road.mechanism if road else "PLAIN")
    right, wrong = _ends(way, passdb.number, lambda _: True), _ends(way, passdb.number, lambda _: False)
    if any(passdb.number not in _unseen(end) for end in right):
        return While.OPEN
    if not any(end.lets_in for end in right):
        return While.CLOSED
    return While.ANYBODY if all(end.lets_in for end in wrong) else While.OPEN


def _ends(way: Road, fails: int, matches: Callable[[WalkEntry], bool]) -> list[End]:
    """Where the way may end while a passdb fails, by what the others may say that could not be asked."""
    unseen = [fails]
    while True:
        answers = [(Said.FAILURE,) if one == fails else _possible(way, one) for one in unseen]
        ends = [
            _walk(way, matches, dict(zip(unseen, said, strict=True))) for said in itertools.product(*answers)
        ]
        more = {number for end in ends for number in _unseen(end)} - set(unseen)
        if not more or len(unseen) + len(more) > _MOST_UNSEEN:
            return ends
        unseen += sorted(more)


def _unseen(end: End) -> set[int]:
    """The passdbs on the way that could not be asked."""
    return {step.number for step in end.steps if step.said is Said.UNASKED}


def _possible(road: Road, number: int) -> tuple[Said, ...]:
    """What a passdb may say that could not be asked; the first is that it has no such user."""
    passdb = next(one for one in road.config.passdbs if one.number == number)
    stops = passdb.source is None and passdb.unread.stops
    return (Said.UNKNOWN, Said.OK, Said.FAILURE, *((Said.DENIED,) if stops else ()))


def _walk(road: Road, matches: Callable[[WalkEntry], bool], assumed: dict[int, Said]) -> End:
    """One way; ``assumed``: what a passdb says that could not be asked, else that it has no such user."""
    at = _State(road.names.looked_up, road.names.requested)
    mains = [passdb for passdb in road.config.passdbs if not passdb.master]
    masters = [passdb for passdb in road.config.passdbs if passdb.master]
    if at.requested and not masters:
        return End(Said.REFUSED, 0, at.user, steps=())
    rest = without_useless(masters if at.requested else mains)
    mains = without_useless(mains)
    passdb, rest = _next(rest, at, road.mechanism)
    if passdb is None:
        return End(Said.FAILURE, 0, at.user, steps=tuple(at.steps))
    while len(at.steps) < _MOST:
        said = _ask(road, passdb, at, matches)
        at.steps.append(Step(passdb.number, passdb.label, said, mismatch=_stranger(road, passdb, at, said)))
        said = assumed.get(passdb.number, Said.UNKNOWN) if said is Said.UNASKED else said
        if final := _final(passdb, said):
            return _end(final, passdb, at)
        rule = _rule(passdb, said)
        onwards = rule.startswith("continue")
        _count(at, passdb, said, rule)
        if at.requested and said is Said.OK:
            at.user, at.requested, rest = at.requested, "", mains
        following, rest = _next(rest, at, road.mechanism)
        if onwards and following is not None:
            at.failed_inside = at.failed_inside or said is Said.FAILURE
            passdb = following
            continue
        return _end(_result(said, at), passdb, at)
    raise CannotObserve("the passdbs of this configuration go in circles.")


def _count(at: _State, passdb: Passdb, said: Said, rule: str) -> None:
    """What the passdb's answer leaves behind for the next."""
    if not at.by and (said is Said.OK or rule.endswith("-ok")):
        at.by = passdb.number
    onwards = rule.startswith("continue")
    if said is Said.OK and onwards and rule != "continue-fail":
        at.verified = True
    if rule.endswith("-ok"):
        at.success = True
        at.verified = at.verified or onwards
    elif rule.endswith("-fail"):
        at.success, at.by = False, 0


def _final(passdb: Passdb, said: Said) -> Said | None:
    """What ends the way whatever the rules of the passdb are."""
    if passdb.deny and said is not Said.UNKNOWN:
        return Said.FAILURE if said is Said.FAILURE else Said.DENIED
    return said if said is Said.DENIED else None


def _result(said: Said, at: _State) -> Said:
    if said is Said.NEXT and not at.success:
        return Said.FAILURE
    if at.success:
        return Said.OK
    if at.failed_inside:
        return Said.FAILURE
    # The password was right, and nothing made that a success: auth_request_success()
    return Said.REFUSED if said is Said.OK else said


def _end(said: Said, passdb: Passdb, at: _State) -> End:
    nologin = at.nologin and said is Said.OK
    number = at.by if said is Said.OK and at.by else passdb.number
    return End(said, number, at.user, nologin=nologin, steps=tuple(at.steps))


def without_useless(passdbs: list[Passdb]) -> list[Passdb]:
    """Dovecot leaves out those at the beginning that wait for an earlier success, when auth starts, too."""
    first = next((i for i, passdb in enumerate(passdbs) if passdb.skip != "unauthenticated"), len(passdbs))
    return passdbs[first:]


def _next(passdbs: list[Passdb], at: _State, mechanism: str) -> tuple[Passdb | None, list[Passdb]]:
    """The first passdb that is not skipped, and those after it."""
    for i, passdb in enumerate(passdbs):
        why = _skipped(passdb, at, mechanism)
        if not why:
            return passdb, passdbs[i + 1 :]
        at.steps.append(Step(passdb.number, passdb.label, Said.SKIPPED, why))
    return None, []


def _skipped(passdb: Passdb, at: _State, mechanism: str) -> str:
    """Why the passdb is not asked; "" when it is."""
    if not passdb.takes(mechanism):
        return f"it is for other mechanisms than {mechanism}"
    if passdb.username_filter and not _accepted(passdb.username_filter, at.user):
        return "its username_filter leaves the user out"
    if passdb.skip == "authenticated" and at.verified:
        return "skip = authenticated"
    if passdb.skip == "unauthenticated" and not at.verified:
        return "skip = unauthenticated"
    return ""


def _accepted(words: str, user: str) -> bool:
    """auth_request_username_accepted(): "!" excludes; with something included, only that is."""
    patterns = [word for word in re.split(r"[ ,]+", words) if word]
    if any(_wild(word[1:], user) for word in patterns if word[0] == "!"):
        return False
    includes = [word for word in patterns if word[0] != "!"]
    return not includes or any(_wild(word, user) for word in includes)


def _wild(pattern: str, text: str) -> bool:
    parts = {"*": ".*", "?": "."}
    expression = "".join(parts.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _ask(road: Road, passdb: Passdb, at: _State, matches: Callable[[WalkEntry], bool]) -> Said:
    """What verifying against this passdb comes to; the name can be changed by it."""
    entry = road.seen(passdb, at.user, at.requested)
    if entry is None:
        return Said.UNASKED
    outcome, values = entry.record.outcome, entry.values
    if outcome is Outcome.UNKNOWN_USER:
        return Said.UNKNOWN
    if outcome is Outcome.FAILED:
        return Said.FAILURE
    if outcome is Outcome.DENIED and passdb.driver == "pam" and entry.record.kept and not matches(entry):
        return Said.MISMATCH  # PAM asks for the state of an account once the password is right
    if outcome in (Outcome.REFUSED, Outcome.DENIED):
        return Said.DENIED if outcome is Outcome.DENIED else Said.MISMATCH
    at.user = renamed(at.user, values)
    said = _verified(entry, at, matches)
    failed = "fail" in values or values.get("user") == "" or not_allowed(values, road.address)
    if said is Said.OK and failed:
        said = Said.UNKNOWN
    # A proxy sends the client on, nologin or not: client_auth_handle_reply(), src/login-common
    if said in (Said.OK, Said.NEXT) and "nologin" in values and not values.keys() & PROXIED:
        at.nologin = True
    return said


def _stranger(road: Road, passdb: Passdb, at: _State, said: Said) -> bool:
    """Whether it says of a user whom it does not have that the password is wrong, as PAM may."""
    entry = road.seen(passdb, at.user, at.requested) if said is Said.UNKNOWN else None
    return entry is not None and entry.record.mismatch


def _verified(entry: WalkEntry, at: _State, matches: Callable[[WalkEntry], bool]) -> Said:
    if "noauthenticate" in entry.values:
        return Said.NEXT
    if at.verified or "nopassword" in entry.values:
        return Said.OK
    if entry.record.outcome is Outcome.NO_PASSWORD or entry.passdb.deny:
        return Said.MISMATCH
    return Said.OK if matches(entry) else Said.MISMATCH


def _rule(passdb: Passdb, said: Said) -> str:
    if said is Said.OK:
        return passdb.result_success
    if said is Said.FAILURE:
        return passdb.result_internalfail
    if said is Said.NEXT:
        return "continue"
    return passdb.result_failure


def renamed(user: str, values: Values) -> str:
    """auth_request_try_update_username()."""
    if values.get("user"):
        user = values["user"]
    name, at, domain = user.partition("@")
    if new := values.get("username"):
        user = new if "@" in new else f"{new}{at}{domain}"
        name, at, domain = user.partition("@")
    if new := values.get("domain"):
        user = f"{name}@{new}"
    return user


def not_allowed(values: Values, address: str) -> bool:
    """The fields that say from where, and the address is not among it; an unknown one is taken as allowed."""
    nets = [values[name] for name in _NETS if name in values]
    return any(not among(text, address) for text in nets)


def among(nets: str, address: str) -> bool:
    """auth_request_validate_networks().  With no address known: whether any could be among them."""
    found = []
    for word in re.split(r"[, ]+", nets.strip()):
        try:
            found.append(ipaddress.ip_network(word, strict=False))
        except ValueError:
            continue  # "local": a client without an address; anything else Dovecot passes over
    if not address:
        return bool(found) or "local" in re.split(r"[, ]+", nets)
    client = ipaddress.ip_address(address)
    if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped:
        client = client.ipv4_mapped
    return any(client.version == net.version and client in net for net in found)
