"""What the log says of a user's failed logins, and of auth beside them, in a sentence."""

from mailauth.dovecot.messages import LogKind
from mailauth.evidence import ClientFailures, LogWindow, UserInLog

_OF_AUTH = (LogKind.NO_START, LogKind.TROUBLE)
_MOST = 2


def of_user(log: UserInLog | ClientFailures | None) -> str:
    """Dovecot's words of this user's failures, and what they come to; "" where there are none."""
    if log is None or not log.reasons:
        return ""
    says = f"Dovecot logs of this user: {', '.join(log.reasons)}."
    causes = [one for one in log.causes if not any(reason.startswith(one) for reason in log.reasons)]
    return f"{says} That is: {'; '.join(causes)}." if causes else says


def of_auth(window: LogWindow | None) -> str:
    """What auth, or a program that it runs, said of itself meanwhile."""
    told = window.all(*_OF_AUTH) if window else ()
    found = [one for one in told if one.service.startswith("auth")][:_MOST]
    lines = "; ".join(f"{one.text}{f' ({one.says})' if one.says else ''}" for one in found)
    return f" auth says of itself: {lines}." if lines else ""
