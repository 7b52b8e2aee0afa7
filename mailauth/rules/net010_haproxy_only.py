"""A listener accepts connections through HAProxy only, but clients connect directly.

What you see
    The server closes the connection at once, or after haproxy_timeout (3 s), without a greeting.  Dovecot
    logs "haproxy: Client not trusted", or "haproxy: Client timed out".
Why
    haproxy = yes stands in the inet_listener: then each connection has to come from haproxy_trusted_networks,
    which is empty by default, and begin with HAProxy's header (send-proxy, send-proxy-v2 there).
How we know
    From doveconf, and from what the login process logs.
    Source: master_service_haproxy_new() of Dovecot 2.3.19.1 and 2.4.1,
    src/lib-master/master-service-haproxy.c.
What to do
    Set haproxy_trusted_networks to the proxy's address, have the proxy send the header, and have clients that
    connect directly use a listener without haproxy = yes.
"""

from mailauth.counted import times
from mailauth.dovecot.conf import words
from mailauth.dovecot.messages import LogKind, Why
from mailauth.evidence import Configured, Listener, Listening, LogWindow
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy


@rule(
    "NET010", "A listener takes connections through HAProxy only", Severity.BLOCKS_LOGIN, bears=Bears.NOTHING
)
def haproxy_only(configured: Configured, listening: Listening, log: LogWindow | None) -> Problem | None:
    proxied = {
        (block.name, one.name)
        for block in configured.config.tree.all("service")
        for one in block.all("inet_listener")
        if one.get("haproxy") == "yes"
    }
    every = [one for protocol in listening.asked for one in listening.of(protocol)]
    found = [one for one in every if (one.service, one.name) in proxied]
    if not found:
        return None
    if words(configured.config.tree, "haproxy_trusted_networks"):
        return _by_the_log(configured, log, found) if log else None
    return Problem(
        says=f"haproxy = yes is set at {_shown(found)}, and haproxy_trusted_networks is empty: Dovecot closes"
        " each connection there.",
        because=(configured, listening),
        certainty=Certainty.PROVEN,
        severity=None if len(found) == len(every) else Severity.RISK,
        remedy=remedy(
            summary="Set haproxy_trusted_networks to the address of the proxy. If there is none, remove"
            " haproxy = yes.",
            commands=(RELOAD,),
        ),
    )


def _shown(found: list[Listener]) -> str:
    return ", ".join(f"inet_listener {one.name} (port {one.port})" for one in found)


def _by_the_log(configured: Configured, log: LogWindow, found: list[Listener]) -> Problem | None:
    told = log.all(LogKind.NO_PROXY)
    if not told:
        return None
    said = "; ".join(f"{one.text} ({times(one.count)}: {one.says})" for one in told)
    return Problem(
        says=f"haproxy = yes is set at {_shown(found)}. Dovecot logs of connections there: {said}.",
        because=(configured, log),
        certainty=Certainty.PROVEN,
        severity=Severity.RISK if any(one.why is Why.PROXY for one in told) else Severity.NOTE,
        remedy=remedy(
            summary="Add the proxy's address to haproxy_trusted_networks, and have it send the header"
            " (send-proxy); clients that connect directly need a listener without haproxy = yes.",
            commands=(RELOAD,),
        ),
    )
