"""What PAM's modules say of a user in the system's log of authentication.  Pure.

Source: Linux-PAM 1.5.2 and 1.7.2, libpam/pam_syslog.c: "module(service:kind): text", whatever syslog puts
before it; libpam/pam_handlers.c, for a module that cannot be loaded.
"""

import datetime as dt
import json
import re
from collections.abc import Iterable

_SAID = re.compile(r"\b(pam_\w+\((?P<service>[\w@%+:,.-]+):(?:auth|account|session|setcred)\): .+)")
_UNLOADED = re.compile(r"\bauth(?:\[[0-9]+\])?: (PAM (?:unable to dlopen|adding faulty module).+)")
_CLOCK = "[0-9]{2}:[0-9]{2}:[0-9]{2}"
_STAMP = re.compile(rf"^(\w{{3}} [ 0-9][0-9] {_CLOCK}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_CLOCK})")


def said_of(lines: Iterable[str], user: str, services: frozenset[str]) -> dict[str, str]:
    """What was said of the user in these services, each text once, the newest last; and when, where that is
    readable.
    """
    named = re.compile(rf"(?<![\w.@+-]){re.escape(user)}(?![\w.@+-])")
    found: dict[str, str] = {}
    for line in lines:
        said = _SAID.search(line)
        if said and said["service"] in services and named.search(said[1].partition("): ")[2]):
            text = said[1]
        elif unloaded := _UNLOADED.search(line):
            text = unloaded[1]
        else:
            continue
        stamp = _STAMP.match(line)
        found.pop(text, None)
        found[text] = stamp[1] if stamp else ""
    return found


def of_journal(said: bytes) -> list[str]:
    """Lines of ``journalctl -o json`` as syslog would write them, those of text."""
    found = []
    for line in said.splitlines():
        try:
            one = json.loads(line)
            when = dt.datetime.fromtimestamp(int(one["__REALTIME_TIMESTAMP"]) / 1_000_000, dt.UTC)
            found.append(f"{when:%Y-%m-%dT%H:%M:%S}Z auth: {one['MESSAGE']!s}")
        except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError):
            continue
    return found
