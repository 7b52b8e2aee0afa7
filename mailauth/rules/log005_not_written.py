"""What Dovecot logs does not reach its log file.

What you see
    The log is silent, or ends at some time, and failures leave no trace.
Why
    The log process keeps the file open that it opened when it started.  When the file is renamed or
    deleted, as logrotate does, it goes on writing there until doveadm log reopen.  And when the folder
    is not there at the next start of that process, Dovecot logs nothing: it says once, to the master's
    own log, "Can't open log file" (log/main.c, Dovecot 2.3.19.1 and 2.4.1; both measured).
How we know
    /proc/PID/fd of the log process shows which file it writes; log_path and its folder were looked at.
What to do
    doveadm log reopen, and that line in logrotate's postrotate; or make the folder.
"""

from mailauth.evidence import LogDestination
from mailauth.finding import Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, REOPEN, remedy


@rule("LOG005", "What Dovecot logs does not reach its log file", Severity.RISK, watch="server")
def not_written(log: LogDestination) -> Problem | None:
    if log.problem:
        folder = log.path.rpartition("/")[0] or "/"
        return Problem(
            says=f"Dovecot cannot write {log.path}: {log.problem}.",
            because=(log,),
            certainty=Certainty.PROVEN,
            remedy=remedy(
                summary="Make the folder of the log, or set another log_path.",
                commands=(("mkdir", "-p", "--", folder), RELOAD) if log.no_folder else (),
            ),
        )
    if not log.writes_to:
        return None
    return Problem(
        says=f"Dovecot should write {log.path}, but its log process writes to {log.writes_to}.",
        because=(log,),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Have Dovecot reopen its log, and do so whenever it is rotated.",
            commands=(REOPEN,),
            whole=True,
        ),
    )
