"""The time at the start of a log line, in every form that it may have there.  Pure.

Dovecot's own log file has ``log_timestamp``, an strftime format; a syslog file has what the syslog
daemon wrote, RFC 3164 or RFC 5424's ISO time, a host, and Dovecot's ``instance_name``; the journal and
Docker's json-file have a JSON object a line, with the line inside; docker logs --timestamps, docker compose
logs and Kubernetes write a time or a name before it.

Source: Dovecot 2.3.19.1 and 2.4.1 src/lib/failures.c (get_log_stamp_format, "%{usecs}").
"""

import json
import re
from calendar import isleap
from collections.abc import Callable
from dataclasses import field
from datetime import UTC, datetime, timedelta, timezone

from mailauth.records import dataclass

DEFAULT_STAMP = "%b %d %H:%M:%S "
_MONTHS = {name: n for n, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_BSD = rb"(?P<mon>[A-Z][a-z]{2}) (?P<day>[ 0-3]\d) (?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)(?:\.\d+)?"
_ISO = (
    rb"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)[T ](?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)(?:[.,]\d+)?"
    rb"(?: ?(?P<zone>Z|UTC|[+-]\d\d:?\d\d)\b)?"
)
_WHOLE = re.compile(rb"(?P<stamp>" + _ISO + rb")")
_DIRECTIVES = {
    "%Y": rb"(?P<year>\d{4})",
    "%m": rb"(?P<month>\d\d)",
    "%b": rb"(?P<mon>[A-Z][a-z]{2})",
    "%h": rb"(?P<mon>[A-Z][a-z]{2})",
    "%d": rb"(?P<day>\d\d)",
    "%e": rb"(?P<day>[ 0-3]\d)",
    "%H": rb"(?P<h>\d\d)",
    "%M": rb"(?P<m>\d\d)",
    "%S": rb"(?P<s>\d\d)",
    "%z": rb"(?P<zone>[+-]\d{4})",
    "%Z": rb"\w+",
    "%s": rb"(?P<epoch>\d+)",
    "%a": rb"\w{3}",
    "%%": rb"%",
    "%{usecs}": rb"\d{6}",
}
_COMPOSED = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S", "%R": "%H:%M", "%D": "%m/%d/%y"}
_COMPOSE = re.compile(rb"[A-Za-z0-9][\w.-]{0,127} +\| ")  # what comes first: the container's name
_STREAM = re.compile(rb"std(?:out|err) [FP] ")  # Kubernetes'
_REPEATED = re.compile(rb"message repeated \d+ times: \[ (.*)\]")  # rsyslog's $RepeatedMsgReduction
_NAMED = 3  # forms with a program's name: those without must not come before them
_WITHIN = 4  # beginnings: Compose's, Kubernetes', an engine's, Dovecot's
_AHEAD = timedelta(minutes=5)  # written since the clock was read, or by one that is fast
_MOST_MEMORY = 4096  # stamps kept; a log has many lines a second


def stamp_pattern(strftime: str) -> re.Pattern[bytes] | None:
    """An expression for what ``strftime`` writes; None where it has a directive that we do not know."""
    for short, long in _COMPOSED.items():
        strftime = strftime.replace(short, long)
    parts, seen = [], set()
    for word in re.split(r"(%\{usecs\}|%.)", strftime):
        if not word.startswith("%"):
            parts.append(re.escape(word.encode("utf-8", "surrogateescape")))
        elif word not in _DIRECTIVES or (word in seen and word not in ("%%", "%{usecs}")):
            return None
        else:
            seen.add(word)
            parts.append(_DIRECTIVES[word])
    return re.compile(b"".join(parts))


@dataclass(slots=True)
class Stamps:
    """Splits lines into time and the rest.  ``latest``: no line is younger (a stamp may lack its year)."""

    latest: datetime
    own: str = DEFAULT_STAMP
    ident: str = "dovecot"
    _forms: list[re.Pattern[bytes]] = field(default_factory=list)
    _times: dict[bytes, datetime | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name = re.escape(self.ident.encode())
        syslog = rb" \S{1,255} " + name + rb"(?:\[\d+\])?: "
        self._forms = [
            re.compile(rb"(?P<stamp>" + _BSD + rb")" + syslog),
            re.compile(rb"(?:[A-Z][a-z]{2} )?(?P<stamp>" + _ISO + rb")" + syslog),
            re.compile(
                rb"<\d+>1 (?P<stamp>"
                + _ISO
                + rb") \S+ "
                + name
                + rb" \S+ \S+ (?:-|\[.*?\]) (?:\xef\xbb\xbf)?"
            ),
        ]
        if self.own != DEFAULT_STAMP and (pattern := stamp_pattern(self.own)):
            self._forms.append(re.compile(rb"(?P<stamp>" + pattern.pattern + rb")"))
        self._forms += [
            re.compile(rb"(?P<stamp>" + _BSD + rb") "),
            re.compile(rb"(?P<stamp>" + _ISO + rb"):? "),
        ]

    def split(self, line: bytes, within: int = _WITHIN) -> tuple[datetime | None, bytes] | None:
        """The time, and what Dovecot said.  None where the line is another program's, or none of ours.

        ``within``: how many programs may have written a beginning of their own before it.
        """
        if not within:
            return None
        if line[:1] == b"{":
            return self._json(line, within)
        for number, form in enumerate(self._forms):
            if found := form.match(line):
                if 0 < number < _NAMED:
                    # A file has one form: ask for this one first the next time.
                    self._forms.insert(0, self._forms.pop(number))
                rest = line[found.end() :]
                if rest[:3] == b"std" and (stream := _STREAM.match(rest)):
                    rest = rest[stream.end() :]
                # What keeps a container's log writes its own time, and behind it may be Dovecot's.
                again = self.split(rest, within - 1) if rest[3:4] == b" " and rest[:3] in _MONTHS else None
                repeated = _REPEATED.fullmatch(rest)
                return again or (self._time(found), repeated[1] if repeated else rest)
        named = _COMPOSE.match(line)
        return self.split(line[named.end() :], within - 1) if named else None

    def _json(self, line: bytes, within: int) -> tuple[datetime | None, bytes] | None:
        """A line of ``journalctl -o json``, or of Docker's json-file log."""
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(told, dict):
            return None
        if isinstance(inner := told.get("log"), str):  # Docker
            said = inner.rstrip("\n").encode("utf-8", "surrogatepass")
            return self.split(said, within - 1) or self._of_engine(told.get("time"), said)
        if told.get("SYSLOG_IDENTIFIER", self.ident) != self.ident:
            return None
        message, stamp = told.get("MESSAGE"), told.get("__REALTIME_TIMESTAMP")
        try:
            if isinstance(message, list):  # bytes that are no UTF-8
                message = bytes(message).decode("utf-8", "replace")
            if not isinstance(message, str) or not isinstance(stamp, str):
                return None
            when = datetime.fromtimestamp(int(stamp) / 1e6, tz=UTC).astimezone()
        except (TypeError, ValueError, OverflowError, OSError):
            return None
        return when, message.encode("utf-8", "surrogatepass")

    def _of_engine(self, stamp: object, said: bytes) -> tuple[datetime | None, bytes] | None:
        """Dovecot writes no time (log_timestamp is empty): the engine's own."""
        found = _WHOLE.match(stamp.encode()) if isinstance(stamp, str) and stamp.isascii() else None
        return (self._time(found), said) if found else None

    def _time(self, found: re.Match[bytes]) -> datetime | None:
        stamp = found["stamp"]
        if stamp not in self._times:
            if len(self._times) > _MOST_MEMORY:
                self._times.clear()
            self._times[stamp] = self._work_out(found.groupdict())
        return self._times[stamp]

    def _work_out(self, parts: dict[str, bytes | None]) -> datetime | None:
        def number(name: str) -> int:
            return int(parts.get(name) or 0)

        try:
            if parts.get("epoch"):
                return datetime.fromtimestamp(number("epoch"), tz=UTC).astimezone()
            month = number("month") or _MONTHS.get(parts.get("mon") or b"", 0)
            make: Callable[[int], datetime] = lambda year: datetime(  # noqa: E731 - two years are tried
                year, month, number("day"), number("h"), number("m"), number("s")
            ).astimezone()
            if year := number("year"):
                return _in_zone(make(year), parts.get("zone"))
            if (month, number("day")) == (2, 29) and not isleap(self.latest.year):
                return make(self.latest.year - 1)
            soon = self.latest + _AHEAD
            if (month, number("day")) == (1, 1) and soon.year > self.latest.year and make(soon.year) <= soon:
                return make(soon.year)
            when = make(self.latest.year)
            # Written before the turn of the year.
            return when if when <= self.latest + timedelta(days=1) else make(self.latest.year - 1)
        except (ValueError, OverflowError):
            return None


def _in_zone(when: datetime, zone: bytes | None) -> datetime:
    """The same clock in the zone that the stamp names."""
    if zone is None:
        return when
    if zone in (b"Z", b"UTC"):
        return when.replace(tzinfo=UTC).astimezone()
    digits = zone.decode().replace(":", "")
    ahead = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:]))
    return when.replace(tzinfo=timezone(-ahead if digits.startswith("-") else ahead)).astimezone()
