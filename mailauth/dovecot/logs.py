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
from typing import NamedTuple

from mailauth.dovecot import messages_proxy
from mailauth.dovecot.logstamp import Stamps
from mailauth.dovecot.messages import Catalogue, LogKind, Message, Why, shown
from mailauth.dovecot.messages_processes import AFTER_AUTH, ENDS, OF_AUTH, OF_MAIL, OF_THE_MASTER, OF_TLS
from mailauth.dovecot.messages_requests import OF_REQUESTS
from mailauth.dovecot.messages_servers import OF_SERVERS
from mailauth.dovecot.nobody import LOOKUP, SESSION
from mailauth.dovecot.redact import redacted
from mailauth.visible import visible

REQUESTS = Catalogue((*OF_REQUESTS, *OF_SERVERS))
AUTH = Catalogue((*OF_AUTH, *OF_SERVERS))
SERVERS = Catalogue(OF_SERVERS)
MASTER = Catalogue(OF_THE_MASTER)
MAIL = Catalogue(OF_MAIL)
TLS = Catalogue(OF_TLS)


class LogEvent(NamedTuple):
    """One line.  ``reason`` is Dovecot's, without any password; ``given`` tells equal passwords apart.

    ``given`` is a number of this process only, made of what auth_verbose_passwords logs; it cannot be
    turned back.  ``attempts`` is how many a login process counted.  ``goes_on``: the next passdb is asked.
    ``row`` is the catalogue's; None where it does not have these words.
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
    row: Message | None = None
    ours: bool = False  # of a login, or a lookup, that mailauth made

    @property
    def why(self) -> Why:
        """Why a login failed, by the catalogue."""
        return self.row.why if self.row else Why.OTHER


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
_LOGGED_IN = re.compile(  # the most frequent line, where nothing in it is doubtful
    rb"((?!auth)[a-z][a-z0-9_-]{0,25}-login): (?:Info: )?(Login|Logged in): user=<([^<>\n]*)>,"
    rb"(?: method=[A-Z0-9-]+,)? rip=([0-9A-Fa-f.:]*), [^<>\n]*session=<([^<>\n]*)>"
)
_SESSION = re.compile(rb"session=<([^<>]*)>$")
_GIVEN = re.compile(rb" \((?:(SHA1) of )?given password: (.*)\)(?: - trying the next passdb)?$", re.DOTALL)
_GIVEN_AT = re.compile(rb" \((?:SHA1 of )?given password: .*", re.DOTALL)  # also where the line is cut
_KILLED = re.compile(rb"(?:master: )?service\([\w-]+\): child \d+ killed with signal \d+")
_QUEUED = re.compile(rb"(?:auth-worker: |auth workers: )?(?:Aborting a|A)uth request .*?queued for (\d+)")
_ABORTED = re.compile(
    rb"(?:auth-worker: |auth worker: )?Aborted [A-Za-z]+ request for .*?: "
    rb"(Lookup timed out|Worker process died unexpectedly|[A-Z][^:]*)"
)
# How a login process ends: in both dialects the reason is in the last parentheses, 2.4 has a word behind.
# Source: client_get_extra_disconnect_reason(), src/login-common/client-common.c of 2.3.19.1 and 2.4.1.
_ENDED = re.compile(
    rb"\((auth failed|authorization failed|auth service reported temporary failure|user disabled"
    rb"|password expired|login disabled|anonymous logins disabled|sent invalid base64 in response"
    rb"|tried to use unsupported auth mechanism|tried to use disallowed (?:plaintext|cleartext) auth"
    rb"|internal failure)(?:, (\d{1,9})(?:/(\d{1,9}))? (?:attempts|successful auths))?"
)
OURS = (SESSION.encode(), LOOKUP.encode())  # they are of no login process
_NEXT = b" - trying the next passdb"
_CHILD = re.compile(rb"^Child \d+ ")  # of checkpassword: each has a number of its own
MOST_LINE = 64 * 1024
"""Bytes of a line that is parsed; Dovecot ends its own at PIPE_BUF, 4 KiB (2.4.1 src/lib/failures.c)."""
# What a connection to a server says begins with these, and has its host where others have the user.
_OF_SERVERS = (b"mysql", b"pgsql", b"sqlite", b"sqlpool", b"imapc")
_OF_MAIL = ("imap", "pop3", "submission", "managesieve")
_GRAVE = ("Error", "Fatal", "Panic")


def ends_a_session(line: bytes) -> bool:
    """Whether a mail session ended as it should: that shows that sessions work."""
    return b"Logged out" in line or b": Disconnected: Connection closed" in line


def plain(text: str, most: int = 160) -> str:
    """Text from a log for a person's eyes: no control characters, not without an end."""
    return visible(text, most)


def parse_line(line: bytes, stamps: Stamps) -> LogEvent | None:
    """The event of a line, None where it is none of Dovecot's, or too long to be one."""
    if len(line) > MOST_LINE:
        return None
    parts = stamps.split(line.rstrip(b"\r\n"))
    return None if parts is None else parse_message(*parts)


def parse_message(when: datetime | None, said: bytes) -> LogEvent | None:
    """The event of a message without its time: as the journal has it."""
    if found := _LOGGED_IN.fullmatch(said):
        name, what, user, ip, session = found.groups()
        who = (user_shown(user), ip.decode(), session.decode("ascii", "replace"))
        return LogEvent(when, LogKind.LOGGED_IN, name.decode(), "Info", what.decode(), None, *who, attempts=0)
    head = _HEAD.fullmatch(said)
    if head is None:
        return None
    process, level, text = head["process"].decode(), _level(head), head["text"]
    if process.startswith("auth"):
        about = head["who"] and not head["who"].isdigit()  # a user: a passdb may be named "master"
        if not about and (text.startswith(b"master: ") or _KILLED.match(text)):
            return _of_master(when, process, level, text)
        return _of_auth(when, head, level, text)
    if process == "master" or text.startswith(b"master: "):
        return _of_master(when, process, level, text)
    if process.endswith("-login"):
        return _of_login(when, process, level, text)
    if process in _OF_MAIL:
        return _of_mail(when, head, level, text)
    return _server(when, LogKind.OTHER, process, level, b"")


class LogLine(NamedTuple):
    """A message as it stands: ``who`` is a user, a process id, or "", and ``ids`` may have a session."""

    process: str
    who: str
    ids: tuple[str, ...]
    level: str
    text: str


def parse_said(message: bytes) -> LogLine | None:
    """A message without its time, not looked into; None where it is none of Dovecot's."""
    head = _HEAD.fullmatch(message)
    if head is None:
        return None
    ids = tuple(part for part in _decoded(head["ids"] or b"").strip("<>").split("><") if part)
    who, level = _decoded(head["who"] or b""), _level(head)
    return LogLine(head["process"].decode(), who, ids, level, _decoded(_shown(head, level)))


def _shown(head: re.Match[bytes], level: str) -> bytes:
    """A message's text, fit to be shown; nothing of what is for debugging: passwords are in it."""
    text = head["text"]
    if level == "Debug":
        return b""
    text = _GIVEN_AT.sub(b"", text)
    worker = _WORKER.match(text)
    said = text[worker.end() :] if worker else text
    found = _BY_DRIVER.fullmatch(said) or _DRIVER_24.fullmatch(said)
    # Whichever table knows a secret in it is right, unless another knows its words better.
    for part in (said, found["text"] if found else b""):
        rows = [row for one in (MAIL, REQUESTS, AUTH) if part and (row := one.find(part))]
        best = max(rows, key=lambda row: len(row.words), default=None)
        if best and best.secret:
            return redacted(text[: len(text) - len(part)]) + shown(part, best)
    return redacted(text)


def _level(head: re.Match[bytes]) -> str:
    level: bytes = head["level"] or head["first"] or b"Info"
    return level.decode()


def _server(
    when: datetime | None, kind: LogKind, process: str, level: str, text: bytes, row: Message | None = None
) -> LogEvent:
    return LogEvent(when, kind, process, level, plain(_decoded(shown(text, row))), row=row)


def _of_master(when: datetime | None, process: str, level: str, text: bytes) -> LogEvent:
    """What the master says, of itself or of a service."""
    text = text.removeprefix(b"master: ")
    row = MASTER.find(text)
    kind = row.kind if row else LogKind.NO_START if level in ("Fatal", "Panic") else LogKind.OTHER
    if kind is LogKind.STARTED and b" starting up" not in text:
        kind = LogKind.OTHER
    return _server(when, kind, process, level, text, row)


def _of_mail(when: datetime | None, head: re.Match[bytes], level: str, text: bytes) -> LogEvent:
    """What a mail process says of a session that it cannot begin, or that ended."""
    process, user = head["process"].decode(), b""
    if head["who"] and not head["who"].isdigit():
        user = head["who"].partition(b",")[0]
    kind, row = LogKind.OTHER, None
    if level in _GRAVE:
        row = MAIL.find(text)
        kind = row.kind if row else LogKind.OTHER if level == "Error" else LogKind.MAIL_FAILED
    elif ends_a_session(text):
        kind, text = LogKind.MAIL_ENDED, b""
    ids = head["ids"][1:-1].split(b"><") if head["ids"] else []
    told = text if kind in (LogKind.MAIL_FAILED, LogKind.NO_START) else b""
    event = _server(when, kind, process, level, told, row)
    session = ids[-1].decode("ascii", "replace") if len(ids) > 1 else ""
    return event._replace(user=user_shown(user), session=session)


def _of_auth(when: datetime | None, head: re.Match[bytes], level: str, text: bytes) -> LogEvent:
    """What auth or a worker says: of a request when it names a user, else of itself or of a server."""
    process = head["process"].decode()
    if level == "Debug":
        return LogEvent(when, LogKind.OTHER, process, level, "")  # a password may be in it
    ids = head["ids"][1:-1].split(b"><") if head["ids"] else []
    user = ip = session = driver = before = b""
    worker = _WORKER.match(text)
    text = text[worker.end() :] if worker else text
    if found := _BY_DRIVER.fullmatch(text):
        driver, said = found["driver"], found["text"]
        if _names_a_server(found):
            before = text[: len(text) - len(said)]
        else:
            user, ip, session = found["user"], found["ip"] or b"", found["session"] or b""
        text = said
    elif head["who"] and not head["who"].isdigit():
        user, _, rest = head["who"].partition(b",")
        # A worker has its process id before the session.
        ip, session = rest.partition(b",")[0], ids[-1] if ids[process == "auth-worker" :] else b""
        ip = b"" if ip.startswith(b"sasl:") else ip
        if named := _DRIVER_24.fullmatch(text):
            driver, text = named["driver"], named["text"]
    ours = session in OURS
    of_ids = ids[0] if len(ids) > 1 or (process == "auth-worker" and ids) else b""
    number = head["who"] if head["who"] and head["who"].isdigit() else of_ids
    pid = int(number) if number.isdigit() and len(number) < 10 else None
    if not user:
        return _of_auth_itself(when, process, level, before, text)._replace(pid=pid, driver=driver.decode())
    row = REQUESTS.find(text)
    reason, given, sha1 = _reason(text, row)
    if row and row.why is Why.NAME and b"(username: " in text:
        user = text.partition(b"(username: ")[2].removesuffix(b")")
        reason = text.partition(b":")[0].decode("ascii", "replace")
    told = plain(_decoded(redacted(text))) if row is None and level in _GRAVE and given is None else reason
    return LogEvent(
        when=when,
        kind=_kind_of_request(row, level, session),
        process=process,
        level=level,
        text=told,
        pid=pid,
        user=user_shown(user),
        ip=ip.decode(),
        session="" if ours else session.decode("ascii", "replace"),
        driver=driver.decode(),
        reason=reason,
        given=given,
        goes_on=text.endswith(_NEXT),
        sha1=sha1,
        row=row,
        ours=ours,
    )


def _names_a_server(found: re.Match[bytes]) -> bool:
    """Whether ldap(FILE), imapc(HOST:PORT) and the like, where a request has its user."""
    if found["session"] or found["ip"]:
        return False
    name = found["user"]
    return found["driver"] in _OF_SERVERS or name.startswith(b"/") or b"://" in name


def _kind_of_request(row: Message | None, level: str, session: bytes) -> LogKind:
    """An error that nobody knows is no failed login (many are beside ones that work), nor is our lookup."""
    if level in ("Panic", "Warning"):
        return LogKind.PANIC if level == "Panic" else LogKind.OTHER
    if row is None:
        return LogKind.TROUBLE if level in _GRAVE else LogKind.OTHER
    kind = LogKind.FAILED if row.kind is LogKind.BACKEND else row.kind
    return LogKind.OTHER if kind is LogKind.FAILED and session == OURS[1] else kind


def _of_auth_itself(when: datetime | None, process: str, level: str, before: bytes, text: bytes) -> LogEvent:
    """Of no user: ``before`` is the server that it is about, "ldap(FILE): "."""
    if found := _QUEUED.match(text):
        kind, row, reason = LogKind.QUEUED, None, found[1].decode()
    elif found := _ABORTED.match(text):
        kind, row, reason = LogKind.ABORTED, None, found[1].decode("ascii", "replace")
    else:
        row, reason = (SERVERS if before else AUTH).find(text), ""
        if level in ("Fatal", "Panic"):
            kind = LogKind.PANIC if level == "Panic" else LogKind.NO_START
        elif before and level == "Error":
            kind = row.kind if row and row.kind is LogKind.OTHER else LogKind.BACKEND
        elif row:
            kind = LogKind.TROUBLE if row.kind in (LogKind.FAILED, LogKind.NO_START) else row.kind
        else:
            kind = LogKind.TROUBLE if level == "Error" else LogKind.OTHER
    told = plain(_decoded(redacted(before) + shown(text, row)))
    return LogEvent(when, kind, process, level, told, reason=reason, row=row)


def _reason(text: bytes, row: Message | None) -> tuple[str, int | None, str]:
    """Dovecot's words without the password; a number that tells passwords apart; the SHA1, if logged."""
    given, sha1 = None, ""
    if b"given password: " in text:
        if found := _GIVEN.search(text):
            given = hash(found[2])
            sha1 = found[2].decode("ascii", "replace") if found[1] else ""
        text = _GIVEN_AT.sub(b"", text)
    text = _CHILD.sub(rb"Child ", text.removesuffix(_NEXT).rstrip())
    if row and text == row.words.encode():
        return row.words, given, sha1
    return plain(_decoded(shown(text, row)), row.most if row else 100), given, sha1


def _of_login(when: datetime | None, process: str, level: str, text: bytes) -> LogEvent:
    if text.startswith(b"Auth process not responding"):
        return _server(when, LogKind.NOT_RESPONDING, process, level, text.partition(b": user=<")[0])
    if level == "Error" and TLS.find(text):
        return _of_a_login_process(when, process, level, text.partition(b": user=<")[0])
    found = _LOGIN_LINE.fullmatch(text)
    if found is None:
        return _of_a_login_process(when, process, level, text)
    what, session = found["what"], _SESSION.search(found["rest"] or b"")
    kind, attempts, reason = LogKind.OTHER, 0, ""
    row = next((one for one in AFTER_AUTH if one.words.encode() in what), None)
    if what in (b"Login", b"Logged in"):
        kind = LogKind.LOGGED_IN
    elif proxied := messages_proxy.find(what, level):
        row, kind, attempts, reason = proxied, proxied.kind, 1, proxied.says
        process = process.removesuffix("-login") if kind is LogKind.MAIL_ENDED else process
    elif row:
        kind, attempts, reason = row.kind, 1, row.words
    elif (ended := _ENDED.search(what)) is None:
        pass
    elif ended[1] == b"internal failure":
        kind = LogKind.MAIL_FAILED
    else:
        row, attempts = ENDS[ended[1]], int(ended[3] or ended[2] or 1)
        kind, reason = row.kind, row.says
    return LogEvent(
        when=when,
        kind=kind,
        process=process,
        level=level,
        text=plain(_decoded(what)),
        user=user_shown(found["user"]),
        ip=found["ip"].decode(),
        session=session[1].decode("ascii", "replace") if session else "",
        reason=reason,
        attempts=attempts,
        row=row,
    )


def _of_a_login_process(when: datetime | None, process: str, level: str, text: bytes) -> LogEvent:
    """What it says of no client's login."""
    if level in ("Fatal", "Panic"):
        return _server(when, LogKind.NO_START, process, level, text)
    row = (TLS.find(text) or MAIL.find(text)) if level in ("Error", "Warning") else None
    if row and (row in OF_TLS or row.kind is LogKind.NO_START):
        return _server(when, row.kind, process, level, text, row)
    return _server(when, LogKind.OTHER, process, level, b"")


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def user_shown(name: bytes) -> str:
    return plain(_decoded(name), 80)
