"""A login of a user made for it, by each way in: the auth socket, and every open port that takes a password.

auth is asked first, and told not to count a failure towards its penalty; where it says no, no other way is
tried.  A canary that was refused is left alone for a while, unless its file changes: a password that is
wrong in every run would look like somebody who guesses.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from mailauth.check import keep
from mailauth.check.asked import Server
from mailauth.check.outcome import Metric, Outcome, Said, Status, ago, outcome, over
from mailauth.clients.door import Answer, Door, Tls, Told
from mailauth.clients.sasl import MECHANISMS, Mechanism
from mailauth.clients.talk import PROTOCOLS, client_of, converse
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.errors import AS_ROOT, CannotObserve
from mailauth.evidence import Listening
from mailauth.evidence.network import ANY
from mailauth.probes.network import in_network, observe_listening
from mailauth.probes.scene import Scene

NAME = "canary"
_AUTH = "auth"
_MOST_DOORS = 8
_LOOPBACK = {4: "127.0.0.1", 6: "::1"}
_WHY = "mailauth diagnose --login -p {} finds out why"


@dataclass(frozen=True, slots=True)
class Kept:
    """The last refusal, and of which credentials; ``at``: seconds since 1970."""

    version: str
    user: str
    at: float
    says: str


@dataclass(frozen=True, slots=True)
class Tried:
    """One way; ``seconds``: None where it was not gone."""

    way: str
    status: Status
    says: str
    seconds: float | None = None
    refused: bool = False


def check_canary(server: Server, so_far: Callable[[Outcome], None]) -> Outcome:
    """CRITICAL where a way does not let the canary in, or takes longer than the limits say."""
    assert server.asked.canary
    path = server.state / "canary.json"
    kept = keep.load(path, Kept)
    if kept and (left := _pause(server, kept)) > 0:
        told = f"{kept.says} (asked {ago(time.time() - kept.at)}, and not again for {left:.0f} s)"
        return outcome(NAME, [Said(Status.CRITICAL, told)])
    tried: list[Tried] = []
    for one in _ways(server):
        tried.append(one)
        so_far(_outcome(server, tried, f"no answer within {server.asked.timeout:g} s"))
    if refused := next((one for one in tried if one.refused), None):
        canary = server.asked.canary
        keep.save(path, Kept(canary.version, canary.user, time.time(), refused.says))
    else:
        path.unlink(missing_ok=True)
    return _outcome(server, tried)


def _pause(server: Server, kept: Kept) -> float:
    """Seconds for which a canary that was refused is still to be left alone."""
    canary = server.asked.canary
    assert canary
    if (kept.version, kept.user) != (canary.version, canary.user):
        return 0.0
    return kept.at + server.asked.pause - time.time()


def _ways(server: Server) -> Iterator[Tried]:
    first = _by_auth(server)
    yield first
    if first.status is Status.CRITICAL:
        return
    yield from _by_doors(server)


def _by_auth(server: Server) -> Tried:
    canary = server.asked.canary
    assert canary
    path = server.dovecot.path(f"{server.config.base_dir}/auth-client")
    try:
        with AuthSocket(path, timeout=server.asked.timeout) as socket:
            reply = socket.plain(canary.user, canary.password.raw)
    except CannotObserve as why:
        return Tried(_AUTH, Status.UNKNOWN if AS_ROOT in str(why) else Status.CRITICAL, str(why))
    if reply.ok and not any(field.partition("=")[0] == "nologin" for field in reply.fields):
        return Tried(_AUTH, Status.OK, "yes", reply.seconds)
    if reply.code == "temp_fail":
        says = f"auth cannot tell whether {canary.user} may log in (temp_fail)"
        return Tried(_AUTH, Status.CRITICAL, f"{says}; {_WHY.format(canary.user)}", reply.seconds)
    says = f"auth refuses {canary.user}{f' ({reply.code})' if reply.code else ''}; {_WHY.format(canary.user)}"
    return Tried(_AUTH, Status.CRITICAL, says, reply.seconds, refused=True)


def _by_doors(server: Server) -> Iterator[Tried]:
    """Every open port of a protocol that takes a login."""
    canary = server.asked.canary
    assert canary
    scene = Scene(server.dovecot, server.config)
    try:
        listening = observe_listening(scene)
    except CannotObserve as why:
        yield Tried("ports", Status.UNKNOWN if AS_ROOT in str(why) else Status.CRITICAL, str(why))
        return
    if not isinstance(listening, Listening):
        return
    doors = list(_doors(server, listening))[:_MOST_DOORS]
    for protocol in {door.protocol for door in doors}:
        client_of(protocol)
    absent = [one for one in listening.asked if one in PROTOCOLS and one not in {d.protocol for d in doors}]
    for protocol in absent:
        yield Tried(protocol, Status.CRITICAL, f"{protocol}: no port is open")
    let_in = False
    for door in doors:
        one = _by_door(server, scene, door)
        let_in = let_in or one.status is not Status.OK or one.seconds is not None
        yield one
    if doors and not let_in:
        yield Tried("ports", Status.CRITICAL, "no port takes a password")


def _by_door(server: Server, scene: Scene, door: Door) -> Tried:
    """A session until the inbox is open, by the first mechanism that is offered."""
    canary = server.asked.canary
    assert canary
    way = f"{door.protocol}{'' if door.tls == 'plain' else '+' + door.tls}"
    told = in_network(scene, partial(_session, door, canary.user, canary.password.raw))
    if told.answer is Answer.IN:
        return Tried(way, Status.OK, "yes", told.total)
    if told.answer is Answer.NOT_OFFERED:
        return Tried(way, Status.OK, f"{door} takes no password ({told.said})")
    says = f"{door}: {told.step.value}: {told.answer.value}: {told.said}"
    return Tried(way, Status.CRITICAL, says, told.total, refused=told.answer is Answer.REFUSED)


def _session(door: Door, user: str, password: bytes) -> Told:
    offered = converse(door, None, user, password)
    if offered.answer is Answer.NOT_OFFERED and door.tls == "starttls":
        door = replace(door, tls="plain")
        offered = converse(door, None, user, password)
    mechanism = _mechanism(offered)
    if offered.answer is not Answer.IN:
        return offered
    if mechanism is None:
        return replace(offered, answer=Answer.NOT_OFFERED, said=", ".join(offered.offered) or "no mechanism")
    return converse(door, mechanism, user, password)


def _mechanism(offered: Told) -> Mechanism | None:
    names = {name.upper() for name in offered.offered}
    return next((one for one in MECHANISMS if one.name in names), None)


def _doors(server: Server, listening: Listening) -> Iterator[Door]:
    """Each port once, as a client on this machine comes to it."""
    tree = server.config.tree
    proxied = {
        one.name
        for block in tree.all("service")
        for one in block.all("inet_listener")
        if one.get("haproxy") == "yes"
    }
    secured = tree.get("ssl", "yes") != "no"
    seen: set[int] = set()
    for protocol in (one for one in listening.asked if one in PROTOCOLS):
        for listener in listening.of(protocol):
            if listener.name in proxied:
                continue
            for endpoint in listening.open:
                if endpoint.port != listener.port or endpoint.port in seen:
                    continue
                seen.add(endpoint.port)
                address = endpoint.address
                host = _LOOPBACK[address.version] if address == ANY[address.version] else str(address)
                tls: Tls = "tls" if listener.tls else "starttls" if secured else "plain"
                yield Door(protocol, host, endpoint.port, tls, timeout=server.asked.timeout)


def _outcome(server: Server, tried: list[Tried], otherwise: str = "") -> Outcome:
    """``otherwise``: what is wrong with the way that is gone now, should it not come to an end."""
    warning, critical = server.asked.limits.canary
    said: list[Said] = []
    metrics: list[Metric] = []
    for one in tried:
        status, says = one.status, one.says
        if status is Status.OK and one.seconds is not None:
            status = over(one.seconds, warning, critical)
            says = f"{one.way} lets {server.asked.canary.user if server.asked.canary else ''} in after"
            says += f" {one.seconds:.2f} s"
        said.append(Said(status, says))
        labels = {"way": one.way}
        metrics.append(Metric("canary_up", float(one.status is Status.OK), "", labels))
        if one.seconds is not None:
            perf = f"canary_{one.way}"
            metrics.append(
                Metric("canary_seconds", one.seconds, perf, labels, f"{warning:g}", f"{critical:g}")
            )
    if otherwise:
        said.append(Said(Status.CRITICAL, otherwise))
    return outcome(NAME, said, metrics)
