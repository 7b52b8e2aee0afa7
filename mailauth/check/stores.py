"""Whether each store answers a lookup, as Dovecot would look a user up who is not there."""

from collections.abc import Callable

from mailauth.check.asked import Server
from mailauth.check.outcome import CheckLine, Status, of_error, of_finding
from mailauth.check.watched import watched
from mailauth.errors import CannotObserve
from mailauth.evidence import (
    Configured,
    DirectoryAnswers,
    Evidence,
    LookedUp,
    NotApplicable,
    SystemAccounts,
    Unseen,
)
from mailauth.judging import apply
from mailauth.probes.nobody import ask_accounts, ask_directories, ask_passdbs, ask_userdbs, of_nobody
from mailauth.probes.scene import Scene
from mailauth.probes.userdb import userdbs_fail
from mailauth.probes.variables import cannot_look_up

OF_STORES: frozenset[type[Evidence]] = frozenset({LookedUp, DirectoryAnswers, SystemAccounts})
"""What is asked here; the server's other rules need none of it."""


def ask_stores(server: Server) -> list[CheckLine]:
    """One lookup each; the DB rules judge.  Raises CannotObserve."""
    if misread := cannot_look_up(server.config):
        return [CheckLine(Status.CRITICAL, misread, "CONF003")]
    seen = look_nobody_up(server)
    said = _judged(server, seen)
    said += map(not_seen, seen.unseen)
    if answered := [one.passdb for one in seen.answers if one.failure is None]:
        said.append(CheckLine(Status.OK, f"{', '.join(answered)}: answers"))
    return said


def look_nobody_up(server: Server) -> LookedUp:
    """What each passdb says of nobody.  Raises CannotObserve."""
    return ask_passdbs(Scene(server.dovecot, server.config))


def ask_stores_of_userdbs(server: Server) -> list[CheckLine]:
    """The same of the userdbs' databases; and whether the userdbs answer at all, by Dovecot's own word."""
    if cannot_look_up(server.config):
        return []
    scene = Scene(server.dovecot, server.config)
    try:
        seen = ask_userdbs(scene)
    except CannotObserve as why:
        return [CheckLine(of_error(why, Status.OK), str(why), unseen="the userdbs")]
    said = _judged(server, seen)
    words = "" if said else userdbs_fail(of_nobody(scene))
    return [CheckLine(Status.CRITICAL, words, "USERDB005")] if words else said


def ask_directories_of_passdbs(server: Server) -> list[CheckLine]:
    """The same of directories: whether they can be reached, take Dovecot's own bind, and have the base."""
    return _asked(server, ask_directories, "the directories")


def ask_accounts_of_passdbs(server: Server) -> list[CheckLine]:
    """What keeps out everybody whose account is the system's: PAM's service, who reads /etc/shadow."""
    return _asked(server, ask_accounts, "the system's accounts")


def _asked(
    server: Server, ask: Callable[[Scene], DirectoryAnswers | SystemAccounts | NotApplicable], what: str
) -> list[CheckLine]:
    if cannot_look_up(server.config):
        return []
    try:
        seen = ask(Scene(server.dovecot, server.config))
    except CannotObserve as why:
        return [CheckLine(of_error(why, Status.OK), str(why), unseen=what)]
    return [] if isinstance(seen, NotApplicable) else _judged(server, seen)


def _judged(server: Server, seen: LookedUp | DirectoryAnswers | SystemAccounts) -> list[CheckLine]:
    rules = [rule for rule in watched("server") if type(seen) in rule.needs]
    findings, _ = apply(rules, [{type(seen): seen, Configured: Configured("doveconf -a", server.config)}])
    return [of_finding(finding) for finding in findings]


def not_seen(one: Unseen) -> CheckLine:
    """A passdb that Dovecot can ask, and we cannot: that is no fault of the server's, and not well either."""
    return CheckLine(Status.UNKNOWN if one.needs_root else Status.OK, one.text, unseen=one.passdb)
