"""Whether each store answers a lookup, as Dovecot would look a user up who is not there."""

from mailauth.check.asked import Server
from mailauth.check.outcome import Said, Status, of_finding
from mailauth.errors import AS_ROOT
from mailauth.evidence import Configured, LookedUp
from mailauth.judging import apply
from mailauth.probes.lookup import ask_each, observe_user_name
from mailauth.probes.scene import Scene
from mailauth.probes.variables import cannot_look_up
from mailauth.rules import RULES

NOBODY = "mailauth-nobody"
_CODES = tuple(f"DB{number:03}" for number in range(1, 13))


def ask_stores(server: Server) -> list[Said]:
    """One lookup each; the DB rules judge.  Raises CannotObserve."""
    if misread := cannot_look_up(server.config):
        return [Said(Status.CRITICAL, misread, "CONF003")]
    scene = Scene(server.dovecot, server.config, NOBODY)
    names = observe_user_name(scene)
    seen = ask_each(Scene(server.dovecot, server.config, NOBODY, names=names))
    facts = {LookedUp: seen, Configured: Configured("doveconf -a", server.config)}
    findings, _ = apply([rule for rule in RULES if rule.code in _CODES], [facts])
    said = [of_finding(finding) for finding in findings]
    said += [not_seen(one.passdb, one.reason) for one in seen.unseen]
    if answered := [one.passdb for one in seen.answers if one.failure is None]:
        said.append(Said(Status.OK, f"{', '.join(answered)}: answers"))
    return said


def not_seen(passdb: str, why: str) -> Said:
    """A passdb that Dovecot can ask, and we cannot: that is no fault of the server's, and not well either."""
    return Said(Status.UNKNOWN if AS_ROOT in why else Status.OK, f"{passdb}: {why}", unseen=passdb)
