"""What Dovecot says in its log, as a catalogue: each of its messages, and what it means.  Pure.

A row's words are Dovecot's format, "%" for what varies.  "%!" is what may hold a password, a stored
string or a token, and is never shown.  The tables are made from Dovecot's source: messages_requests (of one
login), messages_servers (of what auth asks), messages_processes (how processes start and end).
"""

import re
from enum import Enum
from typing import NamedTuple

from mailauth.dovecot.redact import redacted


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
    NO_START = "a process did not start"
    PANIC = "a process ended itself over a bug"
    BACKEND = "a server that auth asks has trouble"
    MAIL_FAILED = "a mail session ended with an error"
    TLS_FAILED = "TLS could not be set up"
    NO_PROXY = "a client did not come through HAProxy"
    MAIL_ENDED = "a mail session ended as it should"
    TROUBLE = "another error of auth"
    OTHER = "something else"


class Why(Enum):
    """Why a login failed, by what it means for the administrator."""

    MISMATCH = "password mismatch"
    UNKNOWN = "unknown user"
    EMPTY = "empty password"
    DISABLED = "disabled or expired"
    ADDRESS = "address not allowed"
    POLICY = "policy"
    NAME = "refused name"
    SCHEME = "scheme not usable"
    SERVER = "server error"
    SESSIONS = "too many sessions"
    PROXY = "proxy not trusted"
    NOT_TOLD = "not told"
    OTHER = "other"


class Message(NamedTuple):
    """One row: what it is, Dovecot's words, what they come to, and where they stand in Dovecot's source.

    A row of LogKind.OTHER is known and harmless.
    """

    kind: LogKind
    words: str
    says: str
    source: str
    why: Why = Why.OTHER

    @property
    def secret(self) -> bool:
        """Whether a part of it may hold a secret."""
        return "%!" in self.words

    @property
    def most(self) -> int:
        """How many characters are shown of it: of a script Dovecot's words, Lua's 60 of its name, and why."""
        return 240 if self.of_script else 100

    @property
    def of_script(self) -> bool:
        """Whether its secret part begins with the place in a Lua script where that ended."""
        return "lua_pcall(" in self.words


# What stands behind a secret part and is Dovecot's own; of dict's and oauth2's servers.
_TAILS = re.compile(
    rb"dict-server returned failure|net_connect_unix\([^()]*\) failed: [A-Z][a-z ]+"
    rb"|(?:Connection|Request|Lookup) timed out|[A-Z][a-z]+ (?:refused|denied)|Object doesn't begin with '\{'"
    rb"|No such file or directory|Permission denied|Broken (?:value|line)|Disconnected|Not connected"
    rb"|not a function|invalid return value \([^()'\"]*\)|(?:stack|C stack) overflow|not enough memory"
    # Lua's own, with the name of a variable as the script has it: luaG_typeerror(), varinfo(), ldebug.c of
    # 5.4 and 5.1; luaL_argerror(), lauxlib.c.
    rb"|attempt to [a-z ]{1,40} an? [a-z]+ value(?: \([a-z]+ '[A-Za-z_][\w ]{0,60}'\))?"
    rb"|attempt to [a-z]{1,20} [a-z]+ '[A-Za-z_]\w{0,60}' \(an? [a-z]+ value\)"
    rb"|attempt to compare (?:two [a-z]+ values|[a-z]+ with [a-z]+)"
    rb"|bad argument #\d+ to '[A-Za-z_]\w{0,60}' \([a-z ]+ expected, got [a-z ]+\)"
)
# Where in its script Lua stopped: luaL_where(), lauxlib.c; of a long path it writes the end (luaO_chunkid()).
_IN_SCRIPT = re.compile(rb"(?:/|\.\.\.)[^\s:'\"]{1,400}:\d{1,7}: ")
_HEAD = 3  # bytes by which the rows are found


class Catalogue:
    """Rows by the first bytes of their words, each with the words behind those that are fixed, too."""

    def __init__(self, rows: tuple[Message, ...]) -> None:
        self.rows = rows
        self._by_head: dict[bytes, list[tuple[list[bytes], Message]]] = {}
        for row in rows:
            parts = row.words.encode().replace(b"%!", b"%").split(b"%")
            head = parts[0][:_HEAD] if len(parts[0]) >= _HEAD else b""
            self._by_head.setdefault(head, []).append((parts, row))
        for entries in self._by_head.values():
            entries.sort(key=lambda entry: -len(entry[1].words))

    def find(self, text: bytes) -> Message | None:
        """The row whose words a message begins with; the longest, where several do."""
        for head in (text[:_HEAD], b""):
            for parts, row in self._by_head.get(head, ()):
                if _end_of(parts, text) is not None:
                    return row
        return None


def _end_of(parts: list[bytes], text: bytes) -> int | None:
    """Where a text that begins with the first part has had all of them, in turn; None where it has not.

    An expression with several gaps would try each place of each: whoever writes the line chooses how many.
    """
    if not text.startswith(parts[0]):
        return None
    end = len(parts[0])
    for part in parts[1:]:
        at = text.find(part, end)
        if at < 0:
            return None
        end = at + len(part)
    return end


def shown(text: bytes, row: Message | None) -> bytes:
    """A message without what may be secret: by its row, and by what secrets look like."""
    if row is not None and row.secret:
        text = _without_secret(text, row)
    return redacted(text)


def _without_secret(text: bytes, row: Message) -> bytes:
    """What is before the first part that may be secret, and Dovecot's own words behind it."""
    before = row.words.partition("%!")[0].encode().split(b"%")
    kept = text[: _end_of(before, text) or 0]
    if row.of_script and (place := _IN_SCRIPT.match(text, len(kept))):
        kept += place[0]
    tail = None
    for tail in _TAILS.finditer(text, len(kept)):  # noqa: B007 - the last one is Dovecot's
        pass
    if tail and tail.start() == len(kept):
        return kept + tail[0]
    return kept + b"..." + (b": " + tail[0] if tail else b"")
