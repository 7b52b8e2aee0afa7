"""Whether each store answers a lookup, as Dovecot would look a user up who is not there."""

from mailauth.check.asked import Server
from mailauth.check.outcome import Said, Status, of_error, of_finding
from mailauth.check.watched import watched
from mailauth.dovecot.nobody import NOBODY
from mailauth.errors import CannotObserve
from mailauth.evidence import Configured, Evidence, Fact, LookedUp, Unseen
from mailauth.judging import apply
from mailauth.probes.lookup import ask_each, ask_userdbs, observe_user_name
from mailauth.probes.scene import Scene
from mailauth.probes.userdb import userdbs_fail
from mailauth.probes.variables import cannot_look_up

_RULES = tuple(rule for rule in watched("server") if LookedUp in rule.needs)


def ask_stores(server: Server) -> list[Said]:
    """One lookup each; the DB rules judge.  Raises CannotObserve."""
    if misread := cannot_look_up(server.config):
        return [Said(Status.CRITICAL, misread, "CONF003")]
    seen = look_nobody_up(server)
    said = _judged(server, seen)
    said += map(not_seen, seen.unseen)
    if answered := [one.passdb for one in seen.answers if one.failure is None]:
        said.append(Said(Status.OK, f"{', '.join(answered)}: answers"))
    return said


def look_nobody_up(server: Server) -> LookedUp:
    """What each passdb says of nobody.  Raises CannotObserve."""
    names = observe_user_name(Scene(server.dovecot, server.config, NOBODY))
    return ask_each(Scene(server.dovecot, server.config, NOBODY, names=names))


def ask_stores_of_userdbs(server: Server) -> list[Said]:
    """The same of the userdbs' databases; and whether the userdbs answer at all, by Dovecot's own word."""
    if cannot_look_up(server.config):
        return []
    scene = Scene(server.dovecot, server.config, NOBODY)
    try:
        seen = ask_userdbs(Scene(server.dovecot, server.config, NOBODY, names=observe_user_name(scene)))
    except CannotObserve as why:
        return [Said(of_error(why, Status.OK), str(why))]
    said = _judged(server, seen)
    words = "" if said else userdbs_fail(scene)
    return [Said(Status.CRITICAL, words, "USERDB005")] if words else said


def _judged(server: Server, seen: LookedUp) -> list[Said]:
    facts: dict[type[Evidence], Fact] = {
        LookedUp: seen,
        Configured: Configured("doveconf -a", server.config),
    }
    findings, _ = apply(_RULES, [facts])
    return [of_finding(finding) for finding in findings]


def not_seen(one: Unseen) -> Said:
    """A passdb that Dovecot can ask, and we cannot: that is no fault of the server's, and not well either."""
    return Said(Status.UNKNOWN if one.needs_root else Status.OK, one.text, unseen=one.passdb)
