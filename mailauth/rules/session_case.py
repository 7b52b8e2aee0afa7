"""What the log says of mail sessions that cannot begin."""

import re

from mailauth.dovecot.messages import LogKind
from mailauth.evidence import LogTrouble, LogWindow

_SERVICES = ("imap", "pop3", "submission", "managesieve")
_SHORT = re.compile(r"failed to map segment|Out of memory|vsz_limit")


def failing(log: LogWindow) -> LogTrouble | None:
    """The line that tells most of why sessions end at once; None where sessions are well."""
    # A mail process whose words are not known has ended by them (Fatal)
    found = [one for one in log.all(LogKind.MAIL_FAILED) if one.says or not one.service.endswith("-login")]
    return found[0] if found and not log.sessions else dying(log)


def dying(log: LogWindow) -> LogTrouble | None:
    """The last words of a login or mail process that ends, of a service of which no session was well."""
    found = [
        one
        for one in log.all(LogKind.NO_START)
        if (name := one.service.removesuffix("-login")) in _SERVICES and name not in log.served
    ]
    return min(found, key=_tells, default=None)


def short(one: LogTrouble) -> bool:
    """Whether its address space was what it was short of."""
    return one.kind is LogKind.NO_START and _SHORT.search(one.text) is not None


def _tells(one: LogTrouble) -> int:
    if short(one):
        return 0
    if not one.text.startswith("service("):
        return 1
    return 2 if "returned error" in one.text else 3
