"""How many sessions a user has open, where the log says that Dovecot turned one more away."""

from collections import Counter

from mailauth.dovecot import typed
from mailauth.dovecot.messages import Why
from mailauth.errors import CannotObserve
from mailauth.evidence import NotApplicable, OpenSessions
from mailauth.probes.log_user import observe_user_in_log
from mailauth.probes.scene import Scene

_COLUMNS = 4  # user, protocol, pid, address


def observe_sessions(scene: Scene) -> OpenSessions | NotApplicable:
    """Ask anvil, by ``doveadm who``.  Raises CannotObserve when it does not answer."""
    told = observe_user_in_log(scene)
    if isinstance(told, NotApplicable) or Why.SESSIONS not in told.whys:
        return NotApplicable(OpenSessions, "no session of this user was turned away")
    name = scene.looked_up
    asked = typed.shown(scene.dovecot, "doveadm", "who", "--", name)
    ran = scene.dovecot.run("doveadm", "-f", "tab", "who", "-1", "--", name)
    if ran.status:
        raise CannotObserve(f"{asked}: {ran.err.strip() or 'no answer'}")
    rows = [line.split("\t") for line in ran.out.splitlines()[1:]]
    open_ = Counter(
        (row[1], row[3]) for row in rows if len(row) >= _COLUMNS and row[0].casefold() == name.casefold()
    )
    found = tuple(
        (service, ip, count, scene.config.sessions_from_address(service))
        for (service, ip), count in open_.most_common()
    )
    return OpenSessions(asked, name, found)
