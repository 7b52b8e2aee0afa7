"""What Dovecot's log has of a userdb lookup that fails."""

import time
from collections.abc import Iterable
from contextlib import suppress

from mailauth.dovecot.logs import LogEvent
from mailauth.dovecot.messages import LogKind
from mailauth.errors import CannotObserve
from mailauth.probes.log_added import Mark, added
from mailauth.probes.log_tail import events_in, read_log
from mailauth.probes.scene import Scene

_TRIES, _PAUSE = 10, 0.1  # the log process may write the line a moment later than auth answers


def last_error(scene: Scene, user: str, since: Mark) -> str:
    """Auth's last error about this user, fit to be shown; "" where the log has none, or cannot be read.

    ``since``: the end of the log when the lookup was made, from where it is read on.  Where nothing comes,
    the last from before counts: Dovecot may log one error once.
    """
    for _ in range(_TRIES):
        lines, since = added(scene.dovecot, scene.config, since)
        if text := _last(events_in(scene, lines, {user.casefold()}), user):
            return text
        time.sleep(_PAUSE)
    with suppress(CannotObserve):
        log = read_log(scene, {user.casefold()})
        return _last((event for event, _ in log.events), user) if log else ""
    return ""


def _last(events: Iterable[LogEvent], user: str) -> str:
    told = [
        event
        for event in events
        if event.process.startswith("auth")
        and event.level == "Error"
        and event.user.casefold() == user.casefold()
    ]
    if not told:
        return ""
    last = told[-1]
    driver = f"{last.driver}: " if last.driver else ""
    means = f" ({last.row.says})" if last.row and last.row.kind is LogKind.TROUBLE else ""
    return f"{driver}{last.text}{means}"
