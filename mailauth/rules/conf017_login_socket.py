"""The login processes may not use the socket by which they ask auth.

What you see
    doveadm auth test works, and a client waits for a greeting that does not come.  The log says
    "connect(login) in directory / failed: Permission denied" and "disconnected before auth was ready".
Why
    A login process runs as dovenull and connects to the socket login/login below base_dir.  A
    unix_listener login/login with a narrower mode or another owner, meant for another program, shuts
    it out; so does a socket that somebody removed while Dovecot ran, and a folder without x for it.
How we know
    The modes and owners of the socket and its folder were compared with the user that login processes
    run as.
What to do
    Leave that listener as it is by default, mode 0666: only login processes get into its folder, which
    Dovecot makes with mode 0750.
"""

from mailauth.evidence import Configured, LoginSocket
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, Setting, block, both, remedy

_TEXT = [block("service", "auth", block("unix_listener", "login/login", Setting("mode", "0666")))]


@rule(
    "CONF017", "The login processes cannot ask auth", Severity.BLOCKS_LOGIN, bears=Bears.MAIL, watch="server"
)
def login_socket(configured: Configured, socket: LoginSocket) -> Problem | None:
    if socket.allowed:
        return None
    if socket.closed:
        return Problem(
            says=f"{socket.closed} has mode {socket.mode:04o}: the login processes, which run as"
            f" {socket.user}, cannot enter it, and so cannot connect to the socket in it.",
            because=(socket,),
            certainty=Certainty.PROVEN,
            remedy=remedy(
                summary="Give the folder the mode that Dovecot makes it with.",
                commands=(("chmod", "--", "0750", socket.closed),),
                careful="A restart does it, too; a reload does not.",
            ),
        )
    what = "is not there" if socket.missing else f"has mode {socket.mode:04o}"
    return Problem(
        says=f"{socket.path} {what}: the login processes, which run as {socket.user}, cannot connect.",
        because=(socket, configured),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary="Let them connect.",
            config=both(*_TEXT),
            file=configured.file,
            commands=(RELOAD,),
            careful="A socket that was removed comes back with a restart, not with a reload.",
        ),
    )
