"""auth may not use the socket by which it asks its workers.

What you see
    Every login of a passdb that workers ask (mysql, sqlite, pam, ...) hangs or fails, also with doveadm
    auth test.  The log says "connect(auth-worker) failed: Permission denied" or the like.
Why
    The process auth runs as default_internal_user and connects to the socket auth-worker in base_dir.  A
    unix_listener auth-worker with another owner or a mode without its w shuts it out; so does another
    user of service auth, where the listener kept the default one.
How we know
    The socket's mode and owner were compared with the user that auth runs as.
What to do
    Leave that listener as it is by default, mode 0600 of the user that auth runs as.
"""

from mailauth.evidence import Configured, WorkerSocket
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, Setting, block, both, remedy


@rule("CONF020", "auth cannot ask its workers", Severity.BLOCKS_LOGIN, bears=Bears.AUTH, watch="server")
def worker_socket(configured: Configured, socket: WorkerSocket) -> Problem | None:
    if socket.allowed:
        return None
    inner = (Setting("mode", "0600"), Setting("user", socket.user))
    text = [block("service", "auth-worker", block("unix_listener", "auth-worker", *inner))]
    return Problem(
        says=(
            f"{socket.path} has mode {socket.mode:04o} and belongs to {socket.owner}: auth, which runs as"
            f" {socket.user}, cannot connect."
        ),
        because=(socket, configured),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary="Let it connect.",
            config=both(*text),
            file=configured.file,
            commands=(RELOAD,),
        ),
    )
