"""A line of Dovecot's log as an event, in the grammar of both dialects.  Pure.

    2.3  auth-worker(123): Info: conn unix:auth-worker (pid=..,uid=..): auth-worker<1>: sql(u,ip,<s>): ...
    2.3  auth: Info: passwd-file(u,ip,<s>): Password mismatch
    2.4  auth-worker(u,ip)<123><s>: request [2]: Info: sql: Password mismatch
    2.4  auth(u,ip,sasl:plain)<s>: Info: passwd-file: Password mismatch
    both imap-login: Info: Disconnected ... (auth failed, 1 attempts in 2 secs): user=<u>, ..., rip=..., ...

syslog and the journal leave out "Info: ".  Names and passwords come from attackers: what counts is only
what Dovecot writes at a fixed place, so that a line that quotes another is not taken for it.

Source: Dovecot 2.3.19.1 and 2.4.1 src/lib/failures.c, src/auth/auth-request.c (get_log_prefix),
src/login-common/client-common.c (get_log_line), src/master/service-monitor.c, service-process.c.
"""

import re
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from mailauth.dovecot.logstamp import Stamps


class LogKind(Enum):
    """What an event is."""

    STARTED = "Dovecot started"
    RELOADED = "the configuration was reloaded"
    FAILED = "an attempt failed"  # auth's own words
    LOGIN_FAILED = "a client left after failures"  # the login process counts them
    LOGGED_IN = "a login worked"
    QUEUED = "a request waited for a worker"
    LIMIT = "a limit was reached"
    CRASHED = "a process was killed"
    ABORTED = "a request was given up"
    NOT_RESPONDING = "auth did not answer"
    TROUBLE = "another error of auth"
    OTHER = "something else"


class LogEvent(NamedTuple):
    """One line.  ``reason`` is Dovecot's, without any password; ``given`` tells equal passwords apart.

    ``given`` is a number of this process only, made of what auth_verbose_passwords logs; it cannot be
    turned back.  ``attempts`` is how many a login process counted.  ``goes_on``: the next passdb is asked.
    """

    when: datetime | None
    kind: LogKind
    process: str
    level: str
    text: str
    pid: int | None = None
    user: str = ""
    ip: str = ""
    session: str = ""
    driver: str = ""
    reason: str = ""
    given: int | None = None
    attempts: int = 1
    goes_on: bool = False
    sha1: str = ""  # of the given password, as far as it is logged


_HEAD = re.compile(
    rb"(?:(?P<first>Debug|Info|Warning|Error|Fatal|Panic): )?"  # doveadm log errors has it here
    rb"(?P<process>[a-z][a-z0-9_-]{0,31})(?:\((?P<who>[^()]*)\))?(?P<ids>(?:<[^<> ]*>){0,2}): "
    rb"(?:request \[\d+\]: )?(?:(?P<level>Debug|Info|Warning|Error|Fatal|Panic): )?(?P<text>.*)"
)
_WORKER = re.compile(rb"conn unix:\S* \(pid=\d+,uid=\d+\): auth-worker<\d+>: ")
_BY_DRIVER = re.compile(
    rb"(?P<driver>[a-z][a-z0-9_-]*)\((?P<user>[^(),<>]*)(?:,(?P<ip>[0-9A-Fa-f.:]+))?"
    rb"(?:,master)?(?:,<(?P<session>[^<>]*)>)?\): (?P<text>.*)"
)
_DRIVER_24 = re.compile(rb"(?P<driver>[a-z][a-z0-9_-]*): (?P<text>.*)")
# The name is the client's and may hold anything: the last "rip=" is Dovecot's.
_LOGIN_LINE = re.compile(
    rb"(?P<what>[^<>]*?): user=<(?P<user>.*)>,(?: method=[A-Z0-9-]+,)? rip=(?P<ip>[0-9A-Fa-f.:]*)"
    rb"(?P<rest>, .*)?"
)
_SESSION = re.compile(rb"session=<([^<>]*)>$")
_ATTEMPTS = re.compile(rb"auth failed, (\d+) attempts")
_GIVEN = re.compile(rb" \((?:(SHA1) of )?given password: (.*)\)(?: - trying the next passdb)?$", re.DOTALL)
_NAME_REFUSED = re.compile(rb"Username character disallowed by auth_username_chars: 0x[0-9a-f]+")
_KILLED = re.compile(rb"(?:master: )?service\([\w-]+\): child \d+ killed with signal \d+")
_LIMIT = re.compile(rb"service\([\w-]+\): [\w/]+ \(\d+\) reached, client connections are being dropped")
_QUEUED = re.compile(
    rb"(?:auth-worker: |auth workers: )?(?:Aborting a|A)uth request (?:that )?was queued for (\d+)"
)
_ABORTED = re.compile(
    rb"(?:auth-worker: |auth worker: )?Aborted [A-Za-z]+ request for .*?: "
    rb"(Lookup timed out|Worker process died unexpectedly|[A-Z][^:]*)"
)
_NEXT = b" - trying the next passdb"
_FAILURES = (
    b"Password mismatch",
    b"password mismatch",
    b"unknown user",
    b"Unknown user",
    b"Password expired",
    b"User is disabled",
    b"Login disabled",
    b"allow_nets check failed",
    b"Allowed IP check failed",
    b"pam_authenticate() failed",
    b"Empty password",
    b"Password query failed",
    b"Invalid credentials",
    b"Requested ",
    b"invalid input",
    b"Auth policy denied",
    b"authentication failed",
)
_SHOWN = 160
# What a connection to a database says begins with these, and has its host where others have the user.
_OF_DATABASES = (b"mysql", b"pgsql", b"sqlite", b"sqlpool")
_OF_USE = re.compile(rb"[Aa]uth|master: |starting up|SIGHUP|Log(?:in|ged in): user=")


def of_use(line: bytes) -> bool:
    """Whether a line can be of any use: most are not, and need not be parsed."""
    return _OF_USE.search(line) is not None


def plain(text: str, most: int = _SHOWN) -> str:
    """Text from a log for a person's eyes: no control characters, not without an end."""
    if len(text) <= most and text.isprintable():
        return text
    shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def parse_line(line: bytes, stamps: Stamps) -> LogEvent | None:
    """The event of a line, None where it is none of Dovecot's."""
    parts = stamps.split(line.rstrip(b"\r\n"))
    return None if parts is None else parse_message(*parts)


def parse_message(when: datetime | None, said: bytes) -> LogEvent | None:
    """The event of a message without its time: as the journal has it."""
    head = _HEAD.fullmatch(said)
    if head is None:
        return None
    process, level, text = head["process"].decode(), _level(head), head["text"]
    if process.startswith("auth"):
        if _KILLED.match(text):
            return _server(when, LogKind.CRASHED, process, level, text)
        return _of_auth(when, head, level, text)
    if process.endswith("-login"):
        return _of_login(when, process, level, text)
    if process == "master" or text.startswith(b"master: "):
        text = text.removeprefix(b"master: ")
        return _server(when, _kind_of_master(text), process, level, text)
    return _server(when, LogKind.OTHER, process, level, b"")


class Said(NamedTuple):
    """A message as it stands: ``who`` is a user, a process id, or "", and ``ids`` may have a session."""

    process: str
    who: str
    ids: tuple[str, ...]
    level: str
    text: str


def parse_said(message: bytes) -> Said | None:
    """A message without its time, not looked into; None where it is none of Dovecot's."""
    head = _HEAD.fullmatch(message)
    if head is None:
        return None
    ids = tuple(part for part in _decoded(head["ids"] or b"").strip("<>").split("><") if part)
    who = _decoded(head["who"] or b"")
    return Said(head["process"].decode(), who, ids, _level(head), _decoded(_no_query(head["text"])))


def _level(head: re.Match[bytes]) -> str:
    level: bytes = head["level"] or head["first"] or b"Info"
    return level.decode()


def _kind_of_master(text: bytes) -> LogKind:
    if text.startswith(b"Dovecot v") and b" starting up" in text:
        return LogKind.STARTED
    if text.startswith(b"SIGHUP received - reloading"):
        return LogKind.RELOADED
    if _LIMIT.match(text):
        return LogKind.LIMIT
    return LogKind.CRASHED if _KILLED.match(text) else LogKind.OTHER


def _server(when: datetime | None, kind: LogKind, process: str, level: str, text: bytes) -> LogEvent:
    return LogEvent(when, kind, process, level, plain(_decoded(text)))


def _of_auth(when: datetime | None, head: re.Match[bytes], level: str, text: bytes) -> LogEvent:
    """What auth or a worker says: of a request when it names a user, else of itself."""
    process = head["process"].decode()
    if level == "Debug":
        return LogEvent(when, LogKind.OTHER, process, level, "")  # a password may be in it
    ids = [part for part in (head["ids"] or b"").strip(b"<>").split(b"><") if part]
    user = ip = session = driver = b""
    worker = _WORKER.match(text)
    text = text[worker.end() :] if worker else text
    if (found := _BY_DRIVER.fullmatch(text)) and found["driver"] not in _OF_DATABASES:
        user, ip, session = found["user"], found["ip"] or b"", found["session"] or b""
        driver, text = found["driver"], found["text"]
    elif head["who"] and not head["who"].isdigit():
        user, _, rest = head["who"].partition(b",")
        ip, session = rest.partition(b",")[0], ids[-1] if ids else b""
        ip = b"" if ip.startswith(b"sasl:") else ip
        if named := _DRIVER_24.fullmatch(text):
            driver, text = named["driver"], named["text"]
    number = head["who"] if head["who"] and head["who"].isdigit() else ids[0] if len(ids) > 1 else b""
    pid = int(number) if number.isdigit() else None
    if not user:
        kind, reason = _trouble(level, text)
        return LogEvent(when, kind, process, level, plain(_decoded(_no_query(text))), pid, reason=reason)
    refused = _NAME_REFUSED.match(text)
    failed = bool(refused) or text.startswith(_FAILURES) or level in ("Error", "Fatal")
    reason, given, sha1 = _reason(text)
    if refused and b"(username: " in text:
        user = text.partition(b"(username: ")[2].removesuffix(b")")
        reason = "Username character disallowed by auth_username_chars"
    return LogEvent(
        when=when,
        kind=LogKind.FAILED if failed else LogKind.OTHER,
        process=process,
        level=level,
        text=reason,
        pid=pid,
        user=plain(_decoded(user), 80),
        ip=ip.decode(),
        session=session.decode("ascii", "replace"),
        driver=driver.decode(),
        reason=reason,
        given=given,
        goes_on=text.endswith(_NEXT),
        sha1=sha1,
    )


def _trouble(level: str, text: bytes) -> tuple[LogKind, str]:
    if found := _QUEUED.match(text):
        return LogKind.QUEUED, found[1].decode()
    if found := _ABORTED.match(text):
        return LogKind.ABORTED, found[1].decode("ascii", "replace")
    return (LogKind.TROUBLE if level in ("Error", "Fatal", "Panic") else LogKind.OTHER), ""


def _reason(text: bytes) -> tuple[str, int | None, str]:
    """Dovecot's words without the password; a number that tells passwords apart; the SHA1, if logged."""
    given, sha1 = None, ""
    if found := _GIVEN.search(text):
        text, given = text[: found.start()], hash(found[2])
        sha1 = found[2].decode("ascii", "replace") if found[1] else ""
    text = _no_query(text.removesuffix(_NEXT).rstrip())
    return plain(_decoded(text), 100), given, sha1


def _no_query(text: bytes) -> bytes:
    """A query may have a password in it."""
    return re.sub(rb"(?i)\b(query|select|update)\b.*", rb"\1 ...", text, count=1, flags=re.DOTALL)


def _of_login(when: datetime | None, process: str, level: str, text: bytes) -> LogEvent:
    if text.startswith(b"Auth process not responding"):
        return _server(when, LogKind.NOT_RESPONDING, process, level, text.partition(b": user=<")[0])
    found = _LOGIN_LINE.fullmatch(text)
    if found is None:
        return _server(when, LogKind.OTHER, process, level, b"")
    what = found["what"]
    session = _SESSION.search(found["rest"] or b"")
    attempts = _ATTEMPTS.search(what)
    kind = LogKind.OTHER
    if what in (b"Login", b"Logged in"):
        kind = LogKind.LOGGED_IN
    elif attempts:
        kind = LogKind.LOGIN_FAILED
    return LogEvent(
        when=when,
        kind=kind,
        process=process,
        level=level,
        text=plain(_decoded(what)),
        user=plain(_decoded(found["user"]), 80),
        ip=found["ip"].decode(),
        session=session[1].decode("ascii", "replace") if session else "",
        reason="the log does not say why" if attempts else "",
        attempts=int(attempts[1]) if attempts else 0,
    )


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")
