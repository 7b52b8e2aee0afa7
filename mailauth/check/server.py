"""Dovecot runs and greets, its ports are open, its files can be written, each store answers a lookup."""

import time
from collections.abc import Callable

from mailauth.check.asked import Server
from mailauth.check.outcome import (
    CheckLine,
    Metric,
    Outcome,
    Status,
    of_error,
    of_finding,
    outcome,
    over,
    under,
)
from mailauth.check.stores import (
    OF_STORES,
    ask_accounts_of_passdbs,
    ask_directories_of_passdbs,
    ask_stores,
    ask_stores_of_userdbs,
)
from mailauth.check.watched import watched
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.errors import CannotObserve
from mailauth.evidence import (
    AuthStart,
    Certificates,
    Configured,
    LastWords,
    Running,
    Unobserved,
)
from mailauth.judging import apply
from mailauth.looking import Facts, look_by, see, skip
from mailauth.probes.log_start import observe_auth_start, observe_last_words
from mailauth.probes.scene import Scene
from mailauth.probes.startup import observe_running
from mailauth.probes.table import probes_for
from mailauth.rules.auth012_no_answer import no_answer
from mailauth.rules.auth014_does_not_start import auth_does_not_start

NAME = "server"
_GREETING_SECONDS = 5.0
# All that diagnose knows of the server itself, and that keeps users out, or soon does; stores: stores.py.
_RULES = tuple(rule for rule in watched(NAME) if OF_STORES.isdisjoint(rule.needs))
_SEEN_APART = frozenset({Running, AuthStart})
_PROBES = probes_for({kind for rule in _RULES for kind in rule.needs} - _SEEN_APART)


def check_server(server: Server, so_far: Callable[[Outcome], None]) -> Outcome:
    """_RULES judge, and those about stores; how soon auth greets is judged by its limits."""
    scene = Scene(server.dovecot, server.config, host=server.asked.host)
    facts: Facts = {Configured: Configured("doveconf -a", server.config)}
    running = see(facts, Running, lambda: observe_running(scene))
    if running is not None and running.pid is None:
        skip(facts, (*(one.kind for one in _PROBES), AuthStart), "Dovecot does not run")
        see(facts, LastWords, lambda: observe_last_words(scene))
        return outcome(NAME, _judged(facts))
    said, metrics = _greeting(server)
    if said[0].status is Status.OK:
        facts[AuthStart] = AuthStart("the greeting", starts=True)
    else:
        so_far(outcome(NAME, said, metrics))
        see(facts, AuthStart, lambda: observe_auth_start(scene))
    look_by(_PROBES, facts, scene)
    judged = _judged(facts)
    said = [*(said if not _explained(facts, judged) else []), *judged]
    said += ask_stores(server)
    so_far(outcome(NAME, [*said, _LATE_DIRECTORIES], metrics))
    said += ask_directories_of_passdbs(server)
    said += ask_accounts_of_passdbs(server)
    so_far(outcome(NAME, [*said, _LATE], metrics))
    said += ask_stores_of_userdbs(server)
    certificates = facts[Certificates]
    if isinstance(certificates, Certificates):
        found, more = _certificate(server, certificates)
        said += found
        metrics += more
    return outcome(NAME, said, metrics)


_LATE_DIRECTORIES = CheckLine(Status.CRITICAL, "the directories do not answer in time")
_LATE = CheckLine(Status.CRITICAL, "the userdbs do not answer in time")


def _greeting(server: Server) -> tuple[list[CheckLine], list[Metric]]:
    """Whether auth greets, and how soon."""
    path = f"{server.config.base_dir}/auth-client"
    warning, critical = server.asked.limits.greeting
    began = time.monotonic()
    try:
        AuthSocket(
            server.dovecot.path(path), timeout=min(_GREETING_SECONDS, server.asked.timeout / 2)
        ).close()
    except CannotObserve as why:
        return [CheckLine(of_error(why), str(why), "" if why.ours else "AUTH012")], []
    took = time.monotonic() - began
    status = over(took, warning, critical)
    metric = Metric("server_greeting_seconds", took, "greeting", {}, f"{warning:g}", f"{critical:g}")
    code = "" if status is Status.OK else "AUTH010"
    return [CheckLine(status, f"auth greets after {took:.3f} s", code)], [metric]


def _explained(facts: Facts, judged: list[CheckLine]) -> bool:
    """Whether a rule names what keeps auth from starting, or from its socket: why it does not greet."""
    start = facts.get(AuthStart)
    causes = no_answer.yields_to
    if isinstance(start, AuthStart) and not start.starts:
        causes |= auth_does_not_start.yields_to | {auth_does_not_start.code}
    return any(one.status is Status.CRITICAL and one.code in causes for one in judged)


def _judged(facts: Facts) -> list[CheckLine]:
    """What the rules say of what was seen, and what could not be seen."""
    findings, _ = apply(_RULES, [facts])
    said = [of_finding(finding) for finding in findings]
    for fact in facts.values():
        if isinstance(fact, Unobserved):
            forbidden = fact.bug or fact.needs_root
            said.append(CheckLine(Status.UNKNOWN if forbidden else Status.WARNING, fact.reason))
    return said


def _certificate(server: Server, certificates: Certificates) -> tuple[list[CheckLine], list[Metric]]:
    """The one that expires first."""
    first = min(certificates.telling, key=lambda one: one.ends, default=None)
    if first is None:
        return [], []
    left = (first.ends - certificates.now).total_seconds()
    warning, critical = server.asked.limits.certificate
    metric = Metric("certificate_seconds", left, "certificate", {}, f"{warning:.0f}:", f"{critical:.0f}:")
    status = under(left, warning, critical)
    if left <= 0:
        return [], [metric]  # NET003 says it
    return [CheckLine(status, f"the certificate of {first.place} ends {first.ends:%Y-%m-%d}")], [metric]
