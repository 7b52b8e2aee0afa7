"""What the log says of a user's failed logins, and of auth beside them, in a sentence."""

from mailauth.dovecot.messages import LogKind
from mailauth.evidence import ClientFailures, LogWindow, UserInLog

# The log is of the past: what it tells may be mended by now.  Before what to do.
# The command is shown with the name, and what names this Dovecot: looking.py.
A_LOGIN = "mailauth diagnose --login -p USER"
STILL = f"A real login shows whether it still fails: {A_LOGIN}. If it does,"
_OF_AUTH = (LogKind.NO_START, LogKind.TROUBLE)
_MOST = 2


def of_all(log: UserInLog | None) -> str:
    """Of this user's logins, and of those that mailauth made as this user."""
    if log is None:
        return ""
    told = (of_user(log), of_user(log.of_ours, "mailauth's own logins as this user"))
    return " ".join(one for one in told if one)


def of_user(log: UserInLog | ClientFailures, whose: str = "this user") -> str:
    """Dovecot's words of these failures, and what they come to; "" where there are none."""
    if not log.reasons:
        return ""
    says = f"Dovecot logs of {whose}: {', '.join(log.reasons)}."
    causes = [one for one in log.causes if not any(reason.startswith(one) for reason in log.reasons)]
    return f"{says} That is: {'; '.join(causes)}." if causes else says


def of_auth(window: LogWindow | None) -> str:
    """What auth, or a program that it runs, said of itself meanwhile."""
    told = window.all(*_OF_AUTH) if window else ()
    found = [one for one in told if one.service.startswith("auth")][:_MOST]
    lines = "; ".join(f"{one.text}{f' ({one.says})' if one.says else ''}" for one in found)
    return f" auth says of itself: {lines}." if lines else ""
