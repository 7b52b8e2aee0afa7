"""What Dovecot's log has of a userdb lookup that fails."""

import time
from datetime import datetime

from mailauth.dovecot.messages import LogKind
from mailauth.errors import CannotObserve
from mailauth.probes.log import read_log
from mailauth.probes.scene import Scene

_TRIES, _PAUSE = 10, 0.1  # the log process may write the line a moment later than auth answers


def last_error(scene: Scene, user: str, since: datetime) -> str:
    """Auth's last error about this user, fit to be shown; "" where the log has none, or cannot be read.

    ``since``: when the lookup was made, whose line is the last; one from before is an earlier lookup's.
    """
    text = ""
    for _ in range(_TRIES):
        try:
            text, fresh = _last(scene, user, since.replace(microsecond=0))
        except CannotObserve:
            return ""
        if fresh:
            break
        time.sleep(_PAUSE)
    return text


def _last(scene: Scene, user: str, since: datetime) -> tuple[str, bool]:
    log = read_log(scene, {user.casefold()})
    told = [
        event
        for event, _ in (log.events if log else ())
        if event.process.startswith("auth")
        and event.level == "Error"
        and event.user.casefold() == user.casefold()
    ]
    if not told:
        return "", False
    last = told[-1]
    driver = f"{last.driver}: " if last.driver else ""
    means = f" ({last.row.says})" if last.row and last.kind is LogKind.TROUBLE else ""
    return f"{driver}{last.text}{means}", last.when is None or last.when >= since
