"""A login of a user made for it, by each way in: the auth socket, and every port that takes a password.

auth is asked first, and told to count no penalty; where it says no, no port is tried.  A canary that was
refused is left alone for a while, unless its file changes: a password that is wrong in every run would
look like somebody who guesses.
"""

import time
from collections.abc import Callable, Iterator, Mapping

from mailauth.check import keep
from mailauth.check.asked import Credentials, Server
from mailauth.check.outcome import CheckLine, Metric, Outcome, Status, ago, outcome, over
from mailauth.clients.door import Answer, Step
from mailauth.errors import CannotObserve
from mailauth.evidence import Listening, Penalties
from mailauth.login.enter import attempt
from mailauth.login.judge import judge
from mailauth.login.site import Site
from mailauth.login.way import Attempt, Layer, Way
from mailauth.login.ways import Choice, mechanisms, ways
from mailauth.probes.log_place import observe_penalties
from mailauth.probes.network import observe_listening
from mailauth.probes.scene import Scene
from mailauth.records import dataclass

NAME = "canary"
_SURELY = 3  # times as long as the slowest way so far: then the next one surely ends in time
_NO = (Answer.REFUSED, Answer.TEMPORARY, Answer.UNREACHABLE)  # of auth: no port will say anything else


@dataclass(frozen=True, slots=True)
class KeptLogin:
    """The last refusal, and of which credentials; ``at``: seconds since 1970."""

    version: str
    user: str
    at: float
    says: str


def check_canary(server: Server, so_far: Callable[[Outcome], None]) -> Outcome:
    """CRITICAL where a way does not let the canary in, or takes longer than the limits say."""
    canary = server.asked.canary
    assert canary
    path = server.state / "canary.json"
    kept = keep.load(path, KeptLogin)
    if kept and (left := _pause(server, canary, kept)) > 0:
        told = f"{kept.says} (asked {ago(time.time() - kept.at)}, and not again for {left:.0f} s)"
        return outcome(NAME, [CheckLine(Status.CRITICAL, told)])
    site = _site(server)
    done: list[Attempt] = []
    held = _held(server)
    for one in _attempts(server, canary, site):
        done.append(one)
        so_far(
            _outcome(server, done, held, f"the next way gives no answer within {server.asked.timeout:g} s")
        )
    found = _outcome(server, done, held)
    if any(one.answer is Answer.REFUSED and one.way.layer is not Layer.HASH for one in done):
        keep.save(path, KeptLogin(canary.version, canary.user, time.time(), found.says))
    else:
        path.unlink(missing_ok=True)
    return found


def _pause(server: Server, canary: Credentials, kept: KeptLogin) -> float:
    """Seconds for which a canary that was refused is still to be left alone."""
    if (kept.version, kept.user) != (canary.version, canary.user):
        return 0.0
    since = time.time() - kept.at
    return server.asked.pause - since if since >= 0 else 0.0  # a clock that was set back tells nothing


def _site(server: Server) -> Site:
    """Raises CannotObserve where only root may see what listens."""
    try:
        seen = observe_listening(Scene(server.dovecot, server.config))
    except CannotObserve as why:
        if why.needs_root:
            raise
        return Site(server.dovecot, server.config, None)
    listening = seen if isinstance(seen, Listening) else None
    return Site(server.dovecot, server.config, listening)


def _attempts(server: Server, canary: Credentials, site: Site) -> Iterator[Attempt]:
    """auth; where it says no, the stored string, which costs no attempt; else each port."""
    choice = Choice(timeout=server.asked.timeout)
    choice = Choice(
        mechanisms=mechanisms(site, choice)[:1], smtp=server.asked.smtp, timeout=server.asked.timeout
    )
    every = ways(site, choice)
    first = next(way for way in every if way.layer is Layer.SOCKET)
    at_auth = attempt(first, canary.user, canary.password, site)
    yield at_auth
    if at_auth.answer in _NO:
        if at_auth.answer is Answer.REFUSED:
            for way in every:
                if way.layer is Layer.HASH:
                    yield attempt(way, canary.user, canary.password, site)
        return
    plain = {way.door.port: way for way in every if way.door and way.door.tls == "plain"}
    slowest = at_auth.seconds
    for way in _doors(every):
        if server.left < _SURELY * slowest:
            yield Attempt(way, Answer.NOT_TRIED)
            continue
        one = attempt(way, canary.user, canary.password, site)
        # Without STARTTLS there, as a client goes on that does not insist.
        if one.answer is Answer.NOT_OFFERED and one.step is Step.TLS and way.door and way.door.port in plain:
            one = attempt(plain[way.door.port], canary.user, canary.password, site)
        slowest = max(slowest, one.seconds)
        yield one


def _doors(every: tuple[Way, ...]) -> Iterator[Way]:
    """Each port once: with STARTTLS, where both are possible."""
    starts = {way.door.port for way in every if way.door and way.door.tls == "starttls"}
    for way in every:
        if way.layer is Layer.DOOR and way.door and not (way.door.tls == "plain" and way.door.port in starts):
            yield way


def _outcome(server: Server, done: list[Attempt], held: Mapping[str, int], otherwise: str = "") -> Outcome:
    """``otherwise``: what is wrong with the way that is gone now, should it not end."""
    warning, critical = server.asked.limits.canary
    user = server.asked.canary.user if server.asked.canary else ""
    judged = judge(done)
    said = [_fault(fault.name, fault.says, fault.diagnose, user) for fault in judged.faults]
    metrics: list[Metric] = []
    for one in done:
        if one.way.layer is Layer.HASH:
            continue
        name = one.way.name.removesuffix(one.way.mechanism).strip()
        if one.answer is Answer.NOT_TRIED:
            why_not = one.said or "the earlier logins took too long"
            said.append(CheckLine(Status.WARNING, f"{name} was not tried: {why_not}"))
            continue
        if one.answer in (Answer.UNSEEN, Answer.NOT_OFFERED):
            status = Status.UNKNOWN if one.ours else Status.OK
            unseen = name if one.answer is Answer.UNSEEN else ""
            said.append(CheckLine(status, f"{name}: {one.answer.value}: {one.said}", unseen=unseen))
            continue
        labels = {"way": name}
        metrics.append(Metric("canary_up", float(one.ok), "", labels))
        if one.ok:
            status = over(one.seconds, warning, critical)
            wait = held.get(one.way.door.host, 0) if one.way.door and status is not Status.OK else 0
            why = f" ({one.way.door.host} is held back for {wait} s" if wait and one.way.door else ""
            why += ", after others' failed logins from there)" if why else ""
            said.append(CheckLine(status, f"{name} lets {user} in after {one.seconds:.2f} s{why}"))
            limits = (f"{warning:g}", f"{critical:g}")
            metrics.append(Metric("canary_seconds", one.seconds, f"canary {name}".lower(), labels, *limits))
        elif not judged.faults:
            said.append(CheckLine(Status.CRITICAL, f"{name}: {one.answer.value}: {one.said}"))
    if not said or not any(one.ok or one.answer is Answer.UNSEEN for one in done):
        said = (
            said
            if judged.faults
            else [*said, CheckLine(Status.CRITICAL, "the canary cannot log in by any way")]
        )
    if otherwise:
        said.append(CheckLine(Status.CRITICAL, otherwise))
    return outcome(NAME, said, metrics)


def _held(server: Server) -> dict[str, int]:
    """The addresses that auth makes wait, and for how long: asked before, since a login that works ends it.

    Where a webmail or a proxy runs here, its users' failures count for 127.0.0.1, from where we come, too.
    """
    try:
        seen = observe_penalties(Scene(server.dovecot, server.config))
    except CannotObserve:
        return {}
    return {one.ip: one.seconds for one in seen.addresses} if isinstance(seen, Penalties) else {}


def _fault(name: str, says: str, options: tuple[str, ...], user: str) -> CheckLine:
    """The layer that breaks, and the command that looks there."""
    asks = f"; mailauth diagnose {' '.join([*options, '-p', user])} finds out why" if options else ""
    return CheckLine(Status.CRITICAL, f"{name}: {says}{asks}")
