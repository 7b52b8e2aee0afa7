"""The most frequent lines of a log, of which nothing differs but the time, the client and the session.  Pure.

One expression takes such a line apart.  What it comes to is worked out by ``logs.parse_line`` once for all
lines that are equal otherwise.  It is what that makes of each line by itself, in a third of the time.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from mailauth.dovecot.logs import MOST_LINE, OURS, LogEvent, parse_line, user_shown
from mailauth.dovecot.logstamp import DEFAULT_STAMP, Stamps

_MOST = 32768  # kept of each: times, names, and what lines come to
_STAMP = (
    rb"(?:([A-Z][a-z]{2} [ 0-3]\d \d\d:\d\d:\d\d)(?:\.\d+)?"
    rb"|(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:\d\d)?)"
)
_SYSLOG = rb" \S{1,255} %s(?:\[\d+\])?:"
_IP = rb"([0-9A-Fa-f.:]+)"
_DRIVER = rb"([a-z][a-z0-9_-]*)"
_SAID = rb"([^()\r\n]{0,200})(?: \(SHA1 of given password: ([0-9a-f]+)\))?( - trying the next passdb)?"
_LOGIN = (  # both: imap-login: Disconnected: ... (auth failed, ...): user=<u>, ..., rip=..., session=<s>
    rb"((?!auth)[a-z][a-z0-9_-]{0,25}-login: [^<>\r\n]{0,200}): user=<([^<>\r\n]+)>,"
    rb"(?: method=[A-Z0-9-]+,)? rip=" + _IP + rb", [^<>\r\n]*session=<([^<>\r\n]+)>"
)
_AUTH_23 = (  # auth-worker(1): conn unix:auth-worker (pid=2,uid=3): auth-worker<4>: sql(u,ip,<s>): ...
    rb"(auth(?:-worker)?)(?:\((\d{1,9})\))?: (Info: )?"
    rb"(?:conn unix:[^\s()]* \(pid=\d+,uid=\d+\): auth-worker<\d+>: )?"
    + _DRIVER
    + rb"\(([^(),<>\r\n]+),"
    + _IP
    + rb",<([^<> \r\n]+)>\): "
    + _SAID
)
_AUTH_24 = (  # auth(u,ip,sasl:plain)<s>: Info: sql: ...; auth-worker(u,ip)<2><s>: request [3]: Info: sql: ...
    rb"(auth(?:-worker)?)\(([^(),<>\r\n]+),"
    + _IP
    + rb"(?:,sasl:[a-z0-9-]+)?\)(?:<(\d{1,9})>)?<([^<> \r\n]+)>: (?:request \[\d+\]: )?(Info: )?"
    + _DRIVER
    + rb": "
    + _SAID
)

_AT_LOGIN, _AT_23, _AT_24 = 3, 7, 17  # the groups of each
_NONE = re.compile(rb"(?!)")
_K = TypeVar("_K")
_V = TypeVar("_V")
_Key = bytes | tuple[bytes | bool | None, ...]
_Stamp = tuple[bytes | None, ...]


def parser(stamps: Stamps) -> Callable[[bytes], LogEvent | None]:
    """What makes an event of a line, as ``logs.parse_line`` does with the same stamps."""
    form = form_of(stamps).fullmatch
    times: dict[_Stamp, datetime | None] = {}
    names: dict[bytes, str] = {}
    known: dict[_Key, LogEvent | None] = {}

    def parse(line: bytes) -> LogEvent | None:
        found = form(line) if len(line) <= MOST_LINE else None
        if found is None:
            return parse_line(line, stamps)
        parts = found.groups()
        stamp, key, pid, sha1 = parts[:3], parts[_AT_LOGIN], None, None
        if key is not None:
            user, ip, session = parts[_AT_LOGIN + 1 : _AT_23]
        elif parts[_AT_23] is not None:
            process, pid, level, driver, user, ip, session, said, sha1, follows = parts[_AT_23:_AT_24]
            key = (process, pid is None, level, driver, said, sha1 is None, follows)
        else:
            process, user, ip, pid, session, level, driver, said, sha1, follows = parts[_AT_24:]
            key = (b"2.4", process, pid is None, level, driver, said, sha1 is None, follows)
        name = names.get(user)
        if name is None:
            name = _kept(names, user, user_shown(user))
        alike = known.get(key)
        if alike is not None and stamp in times and session not in OURS:
            return _like(alike, times[stamp], pid, (name, ip, session), sha1)
        event = parse_line(line, stamps)
        if event is not None and session not in OURS:
            when = _kept(times, stamp, event.when)
            if key not in known:
                same = _like(event, when, pid, (name, ip, session), sha1) == event
                _kept(known, key, event if same else None)
        return event

    return parse


def _kept(table: dict[_K, _V], key: _K, value: _V) -> _V:
    """All is forgotten where it is too much."""
    if len(table) > _MOST:
        table.clear()
    table[key] = value
    return value


def form_of(stamps: Stamps) -> re.Pattern[bytes]:
    """Of a line whose time every log may have; where the log has a form of its own, of syslog's alone."""
    name = stamps.ident.encode()
    syslog = _SYSLOG % re.escape(name)
    if name.startswith(b"auth") or name.endswith(b"-login"):
        return _NONE  # it is not told from a process
    bare = rb"|(?(2):?)" if stamps.own == DEFAULT_STAMP else b""
    return re.compile(
        _STAMP + rb"(?>" + syslog + bare + rb") (?:" + b"|".join((_LOGIN, _AUTH_23, _AUTH_24)) + rb")[\r\n]*"
    )


def _like(
    alike: LogEvent,
    when: datetime | None,
    pid: bytes | None,
    client: tuple[str, bytes, bytes],
    sha1: bytes | None,
) -> LogEvent:
    _, kind, process, level, text, _, _, _, _, driver, reason, _, attempts, goes_on, _, row, ours = alike
    name, ip, session = client
    return tuple.__new__(
        LogEvent,
        (
            *(when, kind, process, level, text, int(pid) if pid else None, name, ip.decode()),
            *(session.decode("ascii", "replace"), driver, reason, hash(sha1) if sha1 else None),
            *(attempts, goes_on, sha1.decode() if sha1 else "", row, ours),
        ),
    )
