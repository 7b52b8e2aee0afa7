"""Logins that failed by an error of the server's own, as the log has them lately.

A database that refuses the query, a script that ends with an error, a worker that dies: no password and no
user is at fault.  One that was followed by a login of the same user is over.
"""

from collections import Counter
from datetime import datetime

from mailauth.check.outcome import CheckLine, Status, of_finding
from mailauth.dovecot.logtally import Unserved
from mailauth.dovecot.messages import Why
from mailauth.dovecot.nobody import NOBODY
from mailauth.evidence import LogWindow, UnseenFailures
from mailauth.judging import apply
from mailauth.looking import Facts, see
from mailauth.probes.log_unseen import observe_unseen_failures
from mailauth.probes.scene import Scene
from mailauth.rules.auth021_unseen_passdb_refuses import unseen_passdb_refuses

_SHOWN = 3  # different errors


def logins_not_served(log: LogWindow, since: datetime, canary: str) -> list[CheckLine]:
    """CRITICAL where nobody has logged in since the first of them; else it is of some users only.

    The canary's are reported by its own check, which knows how it fares now.
    """
    ours = {NOBODY, canary.casefold()}
    late = (one for one in log.unserved if one.when is None or one.when >= since)
    found = [one for one in late if one.user.casefold() not in ours]
    if not found:
        return []
    users = {one.user.casefold() for one in found}
    if log.last_login is None:
        alone = True
    else:
        first = min((one.when for one in found if one.when), default=None)
        alone = len(users) > 1 and first is not None and log.last_login < first
    often = Counter(_told(one) for one in found)
    told = "; ".join(words for words, _ in often.most_common(_SHOWN))
    who = f"{found[-1].user!r}" if len(users) == 1 else f"{len(users)} users"
    but = ", and nobody has logged in since" if alone else ""
    text = f"the logins of {who} fail by an error of the server's own{but}; Dovecot says: {told}"
    return [CheckLine(Status.CRITICAL if alone else Status.WARNING, text)]


def _told(one: Unserved) -> str:
    return one.words if one.says in ("", one.words) else f"{one.words} ({one.says})"


def refused_unseen(scene: Scene, since: datetime, told: set[str]) -> list[CheckLine]:
    """Logins that failed lately by the words of a passdb that is not looked into.

    ``told``: the users who are told of already; an error of the server's own is no second fault.
    """
    facts: Facts = {}
    seen = see(facts, UnseenFailures, lambda: observe_unseen_failures(scene))
    if seen is None or (seen.last is not None and seen.last < since):
        return []
    if seen.whys == {Why.SERVER} and {one.casefold() for one in seen.users} <= told:
        return []
    findings, _ = apply([unseen_passdb_refuses], [facts])
    return [of_finding(one) for one in findings]
