"""The filters for fail2ban and CrowdSec in docs/monitoring, made of the catalogue of Dovecot's messages.

One line decides: a login process says that a client left after failed logins.  A line of auth in the same
session spares it where it tells of something else than a wrong password or name.  A name is the client's and
may hold anything: what is read stands where no name can be.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mailauth.dovecot.logs import REQUESTS
from mailauth.dovecot.messages import LogKind, Message, Why
from mailauth.dovecot.messages_processes import ENDS
from tests.cli.running import ROOT

FOLDER = ROOT / "docs" / "monitoring"
# Not for a wrong password or name: the server's trouble, or what the administrator has set.
SPARED = (Why.SERVER, Why.SCHEME, Why.DISABLED, Why.ADDRESS, Why.POLICY)
_KINDS = (LogKind.BACKEND, LogKind.TROUBLE)
# What Dovecot takes for a user who is not there, or gives no reason for, and is the server's trouble as well.
_SPARED_TOO = (
    "missing passwd file: %",
    "No password returned (and no nopassword)",
    "Cached NULL password access",
)
_MADE = "Made of mailauth's catalogue of Dovecot's messages, 2.3 and 2.4: python -m tests.docs.generated"

_ADDRESS, _ID = "[0-9A-Fa-f.:]+", "[^<>]*"
_FILE = r"^\s*(?:\S+ dovecot(?:\[\d+\])?: )?"  # Dovecot's own log file; syslog's; the journal
# syslog's is taken off by CrowdSec, that of Dovecot's own file is not.
_STAMP = "^(?:%{SYSLOGTIMESTAMP:own_time} |%{TIMESTAMP_ISO8601:own_time8601} )?"
_GRAVE = "(?:Error|Fatal|Panic): "
_LEVEL = "(?:(?:Info|Warning|Error|Fatal|Panic): )?"
_WORKER = r"(?:conn unix:\S* \(pid=\d+,uid=\d+\): auth-worker<\d+>: )?"
_MOST = 300  # characters of the name; Dovecot cuts it at 80


@dataclass(frozen=True)
class Dialect:
    """What stands before auth's words of a request: around the session, and around the level."""

    before: str
    after: str
    driver: str


_OLD = Dialect(
    r"auth(?:-worker)?(?:\(\d+\))?: @LEVEL@"
    + _WORKER
    + r"[a-z][\w-]*\([^(),<>]*,"
    + _ADDRESS
    + "(?:,master)?,<",
    r">\): ",
    "",
)
_NEW = Dialect(
    r"auth(?:-worker)?\([^()]*\)(?:<\d+>)?<", r">: (?:request \[\d+\]: )?@LEVEL@", r"[a-z][\w-]*: "
)


def spares(row: Message) -> bool:
    """Whether an address is not to be banned for it."""
    return (
        row.kind in _KINDS or row.words in _SPARED_TOO or (row.kind is LogKind.FAILED and row.why in SPARED)
    )


def pattern(row: Message) -> str:
    """The row's words, at the beginning of a text.  A "%" in front is one word: a password may be behind."""
    parts = row.words.replace("%!", "%").rstrip("%").split("%")
    return ("[^(:]*?" if parts[0] == "" else "") + ".*?".join(map(_literal, parts)).removeprefix(".*?")


def _literal(text: str) -> str:
    return re.sub(r"([\\.^$*+?()\[\]{}|])", r"\\\1", text)


def _beside(row: Message) -> list[Message]:
    """Rows that are not spared, and that the catalogue takes where this one's words fit, too."""
    fits = re.compile(pattern(row))
    return [
        other
        for other in REQUESTS.rows
        if not spares(other)
        and len(other.words) > len(row.words)
        and fits.match(other.words.replace("%!", "x").replace("%", "x"))
    ]


@dataclass(frozen=True)
class Words:
    """The words that spare: those that no other row takes, the others, and the rows that take of these."""

    plain: tuple[str, ...]
    shared: tuple[str, ...]
    others: tuple[str, ...]


def words() -> Words:
    rows = [row for row in REQUESTS.rows if spares(row)]
    beside = {row.words: _beside(row) for row in rows}
    return Words(
        _sorted(pattern(row) for row in rows if not beside[row.words]),
        _sorted(pattern(row) for row in rows if beside[row.words]),
        _sorted(pattern(other) for found in beside.values() for other in found),
    )


def _sorted(some: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(some), key=lambda one: (-len(one), one)))


def _any(some: Iterable[str]) -> str:
    return f"(?:{'|'.join(some)})"


def _ended(address: str, session: str) -> str:
    """A login process's line at the end of a session in which all that was tried was refused."""
    (failed,) = (text.decode() for text, row in ENDS.items() if row.why is Why.NOT_TOLD)
    return (
        rf"[a-z][\w-]*-login: (?:Info: )?[^<>]*\({failed}, \d+ attempts in \d+ secs\)(?: \(\w+\))?: "
        rf"user=<.{{0,{_MOST}}}>,(?: method=[A-Z0-9-]+,)? rip={address}(?:, [^<>]*)?"
        rf"(?:, session=<{session}>)?$"
    )


def _of_auth(dialect: Dialect, session: str, text: str, level: str = _LEVEL) -> str:
    whole = dialect.before + session + dialect.after + dialect.driver + text
    return whole.replace("@LEVEL@", level)


def fail2ban_filter() -> str:
    """For /etc/fail2ban/filter.d: a session that is spared counts under its own name, which no other has."""
    found = words()
    shared = f"(?!%(_refused)s){_any(found.shared)}"
    silent = [row for row in REQUESTS.rows if not spares(row) and not row.words.startswith("%")]
    values = {
        "_refused": _any(found.others),
        "_known": _any(_sorted(pattern(row) for row in silent if row.words.strip("\t %!"))),
        "_spared": f"(?:{_any(found.plain)}|{shared})",
    }
    session = f"<F-IP4><F-MLFID>{_ID}</F-MLFID></F-IP4>"
    lines = [
        _ended(f"<F-DNS>{_ADDRESS}</F-DNS>", f"<F-MLFID>{_ID}</F-MLFID>").replace(
            r" attempts", "<F-MLFFORGET> attempts</F-MLFFORGET>"
        )
    ]
    for dialect in (_OLD, _NEW):
        lines.append(_of_auth(dialect, session, "<F-NOFAIL>%(_spared)s</F-NOFAIL>"))
        lines.append(_of_auth(dialect, session, "<F-NOFAIL>(?!%(_known)s)</F-NOFAIL>.", _GRAVE))
    own = "\n".join(f"{name} = {_escaped(text)}" for name, text in values.items())
    regexes = "\n            ".join(f"{_FILE}{line}" for line in lines)
    return f"{FAIL2BAN}\n[Definition]\n{own}\n\nfailregex = {regexes}\n{FAIL2BAN_END}"


def _escaped(text: str) -> str:
    """As fail2ban's configuration has it, where "%(" begins a name."""
    return re.sub(r"%(?!\()", "%%", text)


FAIL2BAN = f"""\
# /etc/fail2ban/filter.d/mailauth-dovecot.conf
# {_MADE}
#
# Counts a session that ended with wrong passwords or unknown users only, once for each session, by its rip=.
# A login that worked at a second passdb does not count, nor a temporary failure, a disabled user, an address
# that is not allowed, a stored string that Dovecot cannot use: of the last three auth tells with
# auth_verbose = yes only, and without it every "auth failed" counts.  A session that is spared appears in
# fail2ban's log by its own name, not by an address: keep maxretry at 2 or more.
"""
FAIL2BAN_END = """\
ignoreregex =
datepattern = {^LN-BEG}
journalmatch = _SYSTEMD_UNIT=dovecot.service
"""


def crowdsec_parser() -> str:
    """For /etc/crowdsec/parsers/s01-parse.  Go's expressions have no "not here": the rows' order decides."""
    found = words()
    nodes = [
        _node([_ended("%{IP:source_ip}", "%{DATA:session}")], "dovecot_refused"),
        _node(_each(found.plain), "dovecot_spared"),
        _node(_each(found.others), "dovecot_other"),
        _node(_each(found.shared), "dovecot_spared"),
    ]
    return CROWDSEC + "nodes:\n" + "".join(nodes) + CROWDSEC_END


def _each(some: tuple[str, ...]) -> list[str]:
    old = _of_auth(_OLD, _ID, _any(some)).replace(f",{_ADDRESS}(", ",%{IP:source_ip}(")
    new = _of_auth(_NEW, _ID, _any(some)).replace(r"\([^()]*\)", r"\([^()]*,%{IP:source_ip}(?:,[^(),]*)?\)")
    return [old, new]


def _node(patterns: list[str], kind: str) -> str:
    quoted = (_STAMP + _counted(text).replace("'", "''") for text in patterns)
    return "".join(
        f"  - grok:\n      pattern: '{text}'\n      apply_on: message\n    onsuccess: next_stage\n"
        f"    statics:\n      - meta: log_type\n        value: {kind}\n"
        for text in quoted
    )


def _counted(text: str) -> str:
    """CrowdSec 1.4.6 counts every "(" as a group's, those in a set of characters, too."""
    return re.sub(
        r"(?<!\\)\[\^[^\]]+\]", lambda one: one[0].replace("(", r"\x28").replace(")", r"\x29"), text
    )


CROWDSEC = f"""\
# /etc/crowdsec/parsers/s01-parse/mailauth-dovecot.yaml, in place of crowdsecurity/dovecot-logs
# {_MADE}
name: mailauth/dovecot
description: "Dovecot's failed logins, and what spares an address"
filter: "evt.Parsed.program == 'dovecot'"
onsuccess: next_stage
"""
CROWDSEC_END = """\
statics:
  - meta: service
    value: dovecot
  - meta: source_ip
    expression: evt.Parsed.source_ip
  - target: evt.StrTime
    expression: "evt.StrTime != '' ? evt.StrTime : evt.Parsed.own_time + evt.Parsed.own_time8601"
"""

MADE: dict[str, Callable[[], str]] = {
    "fail2ban-filter.conf": fail2ban_filter,
    "crowdsec-parser.yaml": crowdsec_parser,
}


def write() -> None:
    for name, make in MADE.items():
        (FOLDER / name).write_text(make())
