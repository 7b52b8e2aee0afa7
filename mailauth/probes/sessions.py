"""How many sessions a user has open, where the log says that Dovecot turned one more away."""

from collections import Counter

from mailauth import digits
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
    found = tuple((service, ip, count, _most(scene, service)) for (service, ip), count in open_.most_common())
    return OpenSessions(asked, name, found)


def _most(scene: Scene, service: str) -> int:
    """What mail_max_userip_connections is for the protocol."""
    tree = scene.config.tree
    blocks = [block for block in tree.all("protocol") if block.name == service]
    text = tree.get("mail_max_userip_connections", "10")
    for block in blocks:
        text = block.get("mail_max_userip_connections", text)
    return digits.number(text) or 0  # "unlimited"
