"""What Dovecot's log says of one user."""

import hashlib
from collections import Counter

from mailauth.counted import times
from mailauth.dovecot.logcensus import Census
from mailauth.dovecot.logs import LogEvent
from mailauth.dovecot.messages import LogKind, Why
from mailauth.dovecot.messages_servers import VERIFY_ENDS
from mailauth.dovecot.typed import shown
from mailauth.errors import CannotObserve
from mailauth.evidence import ClientFailures, NotApplicable, SentPassword, SentPasswords, UserInLog
from mailauth.probes.log_tail import Log, read_log, verbose
from mailauth.probes.scene import Scene

_SENT = 5
_REASONS = 4
_ADDRESSES = 20
_MANY = 3  # failed logins: more than a slip of the fingers


def observe_user_in_log(scene: Scene) -> UserInLog | NotApplicable:
    """What the log says of the user who is asked about."""
    names = {name.casefold() for name in (scene.user, scene.names.looked_up if scene.names else "") if name}
    log = read_log(scene, names)
    if log is None or not names:
        return NotApplicable(UserInLog, "there is no log file yet" if names else "no user is asked about")
    several = len(scene.config.passdbs) > 1
    census = Census(several)
    sent: Counter[tuple[str, int | None, bool | None]] = Counter()
    ours: Counter[str] = Counter()
    means: dict[str, None] = {}
    last: Why | None = None
    for event, size in log.events:
        if event.user.casefold() in names:
            census.add(event, size)
            if event.ours and event.kind is LogKind.FAILED:
                ours[event.reason] += 1
                last = event.why
                means[event.row.says if event.row else ""] = None
            elif event.kind is LogKind.FAILED and event.given is not None:
                sent[event.ip, event.given, _as_given(event, scene)] += 1
    reasons = _reasons(census)
    return UserInLog(
        source=log.source,
        failures=census.failures,
        logins=census.logins,
        reasons=_shown(reasons),
        addresses=tuple(sorted(ip for ip in census.addresses if ip))[:_ADDRESSES],
        sent=tuple(SentPassword(ip, count, same) for (ip, _, same), count in sent.most_common(_SENT)),
        verbose=verbose(scene),
        causes=_causes(census, reasons),
        unexplained=census.unexplained,
        of_clients=_of_clients(log, names, several=several),
        of_ours=ClientFailures(ours.total(), _shown(ours), tuple(filter(None, means))),
        whys=_whys(census),
        of_our_address=last is Why.ADDRESS and not scene.address,
    )


def _of_clients(log: Log, names: set[str], *, several: bool) -> ClientFailures:
    """Of clients' sessions only: Dovecot logs the same words of lookups that are no login, and of our own."""
    census = Census(several)
    for event, size in log.events:
        if event.user.casefold() in names and (event.session or event.row == VERIFY_ENDS):
            census.add(event, size)
    reasons = _reasons(census)
    return ClientFailures(census.failing, _shown(reasons), _causes(census, reasons), _whys(census))


def _whys(census: Census) -> frozenset[Why]:
    return frozenset(
        why for pair in census.pairs.values() for why, count in (pair.whys or {}).items() if count > 0
    )


def _reasons(census: Census) -> Counter[str]:
    reasons: Counter[str] = Counter()
    for tally in census.users.values():
        reasons.update(tally.reasons)
    return reasons


def _causes(census: Census, reasons: Counter[str]) -> tuple[str, ...]:
    """What Dovecot said more of them, each once."""
    return tuple(dict.fromkeys(census.says[one] for one in reasons if census.says.get(one)))


def _shown(reasons: Counter[str]) -> tuple[str, ...]:
    return tuple(f"{reason} ({times(count)})" for reason, count in reasons.most_common(_REASONS))


def observe_sent(scene: Scene) -> SentPasswords | NotApplicable:
    """Which passwords clients sent.  Raises CannotObserve where logins failed and Dovecot logs no reason."""
    if scene.password is None:
        return NotApplicable(SentPasswords, "no password was given to compare them with")
    told = observe_user_in_log(scene)
    if isinstance(told, NotApplicable):
        return NotApplicable(SentPasswords, told.reason)
    if told.unexplained >= _MANY and not told.verbose:
        reload = shown(scene.dovecot, "doveadm", "reload")
        raise CannotObserve(
            f"{told.source}: has {told.unexplained} failed logins of {scene.user} and no reason of any, since"
            " auth_verbose = no; set auth_verbose = yes and auth_verbose_passwords = sha1:6, then:"
            f" {reload}, and look again when it has failed."
        )
    return SentPasswords(told.source, told.sent)


def _as_given(event: LogEvent, scene: Scene) -> bool | None:
    """Whether the client sent the password that mailauth was given; None where nobody can tell."""
    if scene.password is None or not event.sha1:
        return None
    # Dovecot's own choice for its log; nothing is protected by it here.
    digest = hashlib.sha1(scene.password.raw, usedforsecurity=False).hexdigest()
    return digest.startswith(event.sha1)
