"""Nothing listens where clients of the service connect.

What you see
    The client says "connection refused" at once.  Dovecot logs nothing: no connection reaches it.
Why
    The protocol is not among protocols (on Debian: dovecot-imapd or dovecot-pop3d is not installed),
    every inet_listener of its login service has port = 0, Dovecot does not run, or it runs with an
    older configuration.
How we know
    doveconf says what is to listen; the kernel's table of the master's network says what does.
What to do
    Add the protocol, give the listener its port, start Dovecot, or let it read its configuration again.
"""

from mailauth.evidence import Configured, Listening
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.remedies import RELOAD, Setting, block, both, remedy, start

_PORTS = {"imap": 143, "pop3": 110, "submission": 587, "sieve": 4190}


@rule(
    "NET001",
    "Nothing listens where clients connect",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    watch="server",
)
def nothing_listens(configured: Configured, listening: Listening) -> Problem | None:
    if listening.strangers:
        return None  # NET005: it cannot listen
    for protocol in listening.asked:
        if protocol not in listening.protocols:
            return _problem(
                configured,
                listening,
                f"{protocol} is not among protocols.",
                _served(configured, listening, protocol),
            )
        if not listening.of(protocol):
            return _problem(
                configured,
                listening,
                f"Every inet_listener for {protocol} has port = 0.",
                _port(configured, listening, protocol),
            )
        if not listening.opened(protocol):
            ports = " and ".join(str(one.port) for one in listening.of(protocol))
            if not listening.runs:
                says = f"Dovecot does not run; nothing listens on port {ports} ({protocol})."
                mend = Remedy(f"Start Dovecot: {start(configured.file)}. If it ends again, its log says why.")
            else:
                says = f"Dovecot runs, but nothing listens on port {ports} ({protocol}), as configured."
                mend = remedy("Let Dovecot read its configuration again.", commands=(RELOAD,), whole=True)
            return _problem(configured, listening, says, mend)
    return None


def _problem(configured: Configured, listening: Listening, says: str, remedy: Remedy) -> Problem:
    return Problem(says, (listening, configured), Certainty.PROVEN, remedy)


def _served(configured: Configured, listening: Listening, protocol: str) -> Remedy:
    text = [Setting("protocols", " ".join((*listening.protocols, protocol)))]
    return remedy(
        f"Serve {protocol}, too.",
        config=both(*text),
        file=configured.file,
        commands=(RELOAD,),
        careful=f"On Debian the protocol has a package of its own: dovecot-{_package(protocol)}.",
    )


def _port(configured: Configured, listening: Listening, protocol: str) -> Remedy:
    one = next(each for each in listening.listeners if each.protocol == protocol)
    text = [
        block(
            "service", one.service, block("inet_listener", one.name, Setting("port", str(_PORTS[protocol])))
        )
    ]
    return remedy(
        f"Give the listener {one.name} its port.",
        config=both(*text),
        file=configured.file,
        commands=(RELOAD,),
    )


def _package(protocol: str) -> str:
    return {"imap": "imapd", "pop3": "pop3d", "submission": "submissiond", "sieve": "managesieved"}[protocol]
