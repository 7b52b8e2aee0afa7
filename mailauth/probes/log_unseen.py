"""Whose logins fail by the words of passdbs that are not looked into, as the log has them."""

from collections import Counter, OrderedDict

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.logs import LogEvent
from mailauth.dovecot.messages import LogKind
from mailauth.evidence import NotApplicable, UnseenFailures
from mailauth.probes.log_tail import Log, read_log
from mailauth.probes.scene import Scene

_MOST_USERS = 4096
_SHOWN = 3


def observe_unseen_failures(scene: Scene) -> UnseenFailures | NotApplicable:
    """Mail clients' logins only: each user whose last one failed."""
    unseen = _not_looked_into(scene.config)
    if not unseen:
        return NotApplicable(UnseenFailures, "every passdb is looked into")
    log = read_log(scene)
    if log is None:
        return NotApplicable(UnseenFailures, "there is no log file yet")
    alone = all(one.source is None for one in scene.config.passdbs if not one.deny)
    failing = _failing(log, frozenset(driver for driver, _ in unseen), alone=alone)
    words = Counter(event.reason for event in failing.values())
    causes = {
        event.row.says: None for event in failing.values() if event.row and event.row.says != event.reason
    }
    good = [event for event, _ in log.events if event.kind is LogKind.LOGGED_IN]
    logged_in = [event.when for event in good if event.when]
    names = {event.user.casefold() for event in good}
    times = [event.when for event in failing.values() if event.when]
    return UnseenFailures(
        source=log.source,
        passdbs=tuple(label for _, label in unseen),
        users=tuple(failing),
        reasons=tuple(f"{one} ({count} user{'s' * (count > 1)})" for one, count in words.most_common(_SHOWN)),
        causes=tuple(causes)[:_SHOWN],
        whys=frozenset(event.why for event in failing.values()),
        last_login=max(logged_in, default=None),
        last=max(times, default=None),
        first=min(times, default=None),
        returned=tuple(user for user in failing if user in names),
    )


def _not_looked_into(config: AuthConfig) -> list[tuple[str, str]]:
    return [(one.driver, one.label) for one in config.passdbs if one.source is None and not one.deny]


def _failing(log: Log, drivers: frozenset[str], *, alone: bool) -> OrderedDict[str, LogEvent]:
    """The last refusal of each user who has not logged in since.

    ``alone``: no other passdb is asked, so that what the login process says is of them, too: Dovecot logs no
    more of a user whom a script disables.
    """
    found: OrderedDict[str, LogEvent] = OrderedDict()
    for event, _ in log.events:
        user = event.user.casefold()
        if event.kind is LogKind.LOGGED_IN:
            found.pop(user, None)
        elif _refused(event, drivers, alone=alone):
            known = found.pop(user, None)
            if known is not None and event.kind is LogKind.LOGIN_FAILED and known.session == event.session:
                event = known  # noqa: PLW2901 - what auth said of a session is more than what comes after
            found[user] = event
            if len(found) > _MOST_USERS:
                found.popitem(last=False)
    return found


def _refused(event: LogEvent, drivers: frozenset[str], *, alone: bool) -> bool:
    if event.kind is LogKind.LOGIN_FAILED:
        return alone and bool(event.user)
    return event.kind is LogKind.FAILED and bool(event.session) and event.driver in drivers
