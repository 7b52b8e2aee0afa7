"""Dovecot is not running.

What you see
    Clients cannot connect: "Connection refused".
Why
    It was stopped, it did not start again after an upgrade or a change of its configuration, or the
    kernel killed it for lack of memory.
How we know
    master.pid in base_dir names no running master.  The log's last error line is shown, where it has one:
    "service(imap-login): listen(*, 143) failed: Address already in use".
What to do
    Start it; systemctl status dovecot or the journal say why it is down.
"""

from mailauth.evidence import Configured, LastWords, Running
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.remedies import start


@rule("CONF018", "Dovecot is not running", Severity.BLOCKS_LOGIN, bears=Bears.START, watch="server")
def not_running(configured: Configured, running: Running, last: LastWords | None) -> Problem | None:
    if running.pid is not None:
        return None
    says = f"No Dovecot runs with {configured.file} (see {running.source})."
    if last and last.words:
        says += f" The last error in its log: {last.words}{f' ({last.says})' if last.says else ''}."
    return Problem(
        says=says,
        because=(running, configured, last) if last and last.words else (running, configured),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary=f"Start it: {start(configured.file)}; journalctl -u dovecot says why it stopped.",
            careful="Another Dovecot that runs with another file is named with --pid or -c.",
        ),
    )
