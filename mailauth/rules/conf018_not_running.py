"""Dovecot is not running.

What you see
    Clients cannot connect: "Connection refused".
Why
    It was stopped, it did not start again after an upgrade or a change of its configuration, or the
    kernel killed it for want of memory.
How we know
    master.pid in base_dir names no running master.
What to do
    Start it; systemctl status dovecot or the journal say why it is down.
"""

from mailauth.evidence import Configured, Running
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule


@rule("CONF018", "Dovecot is not running", Severity.BLOCKS_LOGIN)
def not_running(configured: Configured, running: Running) -> Problem | None:
    if running.pid is not None:
        return None
    return Problem(
        says=f"No Dovecot runs with {configured.file} (see {running.source}).",
        because=(running, configured),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary="Start it: systemctl start dovecot; journalctl -u dovecot says why it went.",
            careful="Another Dovecot that runs with another file is named with --pid or -c.",
        ),
    )
