"""What some words mean: a code, a word, or a line of the log, as they are pasted.  Pure.

Nothing of what was pasted is given back but the user's name: a line may hold a password.
"""

import re
import shlex
from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches

from mailauth.dovecot import logs, messages_proxy
from mailauth.dovecot.logs import LogEvent, parse_line, parse_message
from mailauth.dovecot.logstamp import Stamps
from mailauth.dovecot.messages import Catalogue, LogKind, Message
from mailauth.dovecot.messages_processes import AFTER_AUTH, ENDS
from mailauth.finding import Rule
from mailauth.meaning import stand_for
from mailauth.meaning.client_words import CLIENT_WORDS
from mailauth.meaning.login_words import LOGIN_WORDS
from mailauth.meaning.postfix_words import POSTFIX_WORDS
from mailauth.meaning.program_words import PROGRAM_WORDS
from mailauth.meaning.words import SaidWords
from mailauth.records import dataclass
from mailauth.rules import RULES

_MOST = 4096  # bytes that are looked at
_ROWS = 8  # messages that are shown
_SHORTEST = 4  # letters of a word that is looked for
_TELLING = 6  # letters of a message, without which it is not known
_ONE_PART = 14  # letters of a part of a message that tells it without the others
_CLOSE = 0.75  # how alike a word must be to be suggested
_OF_ALL = frozenset(
    {LogKind.BACKEND, LogKind.TROUBLE, LogKind.NO_START, LogKind.LIMIT, LogKind.CRASHED, LogKind.PANIC,
     LogKind.QUEUED, LogKind.NOT_RESPONDING, LogKind.TLS_FAILED, LogKind.NO_PROXY}
)  # fmt: skip
_HARMLESS = frozenset(
    {LogKind.OTHER, LogKind.STARTED, LogKind.RELOADED, LogKind.LOGGED_IN, LogKind.MAIL_ENDED}
)
_UNKNOWN = "mailauth does not know this message"
_PREFIX = re.compile(
    r"(?:[a-z][a-z0-9-]*(?:\([^()]*\))?(?:<[^<>]*>)*: |(?:Info|Error|Warning|Fatal|Panic): )+"
)


def every_row() -> tuple[Message, ...]:
    """All messages that are known, of Dovecot and of a proxy, each once."""
    catalogues: tuple[Catalogue, ...] = (logs.REQUESTS, logs.AUTH, logs.MASTER, logs.MAIL, logs.TLS)
    rows = [row for one in catalogues for row in one.rows]
    return tuple(dict.fromkeys((*rows, *messages_proxy.OF_A_PROXY, *AFTER_AUTH, *ENDS.values())))


_ALL = every_row()
# Who says it, and the words: in this order they are looked for.
SAID: tuple[tuple[str, tuple[SaidWords, ...]], ...] = (
    ("Dovecot logs it", LOGIN_WORDS),
    ("Postfix logs or answers it", POSTFIX_WORDS),
    ("Dovecot answers it to a client", CLIENT_WORDS),
    ("a mail program or a tool shows it", PROGRAM_WORDS),
)
_USER = re.compile(
    r"(?:sasl_username=|[Ll]ogin failed for |password for user |with username )"
    r"([A-Za-z0-9][\w.+@-]*)(?=[\s,;]|$)"
)


@dataclass(frozen=True, slots=True)
class MessageMeaning:
    """A message: its words ("..." for what varies), what they come to, and whose they are.

    ``source``: the file of Dovecot's, or Postfix's, source.
    """

    words: str
    says: str
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finding that the words can stand for, or that has them in its text."""

    code: str
    title: str
    severity: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """What some words mean.

    ``user``: of the line, "" for none; ``next``: the command that finds out which finding it is.
    """

    user: str
    messages: list[MessageMeaning]
    findings: list[Candidate]
    next: str


def rule_called(code: str) -> Rule | None:
    """The rule of a code, in whatever letters."""
    return next((rule for rule in RULES if rule.code == code.strip().upper()), None)


def meaning_of(text: str, now: datetime) -> Meaning | None:
    """Of a line of the log, of what a client shows, of a part of a message, or of a word; None: unknown.

    ``now``: the latest time that a line may have.
    """
    text = text.strip()[:_MOST]
    raw = text.encode("utf-8", "surrogateescape")
    event = parse_line(raw, Stamps(now)) or parse_message(None, raw)
    known = event and (event.row or event.kind not in (LogKind.OTHER, LogKind.TROUBLE))
    if event and known and event.kind is not LogKind.OTHER:
        return _of_event(event)
    if found := said_by(text):
        shows, row, words = found
        message = MessageMeaning(words.strip(), row.says, shows, row.source)
        user = event.user if event and event.user else _user_in(text)
        # Of what no finding is about, no command says more.
        kind = row.kind if row.codes else LogKind.OTHER
        return _meaning([message], stand_for.by_code(row.codes), user, kind)
    if event and known:
        return _of_event(event)
    rows = _alike(text)
    rules = [rule for row in rows for rule in stand_for.of_message(row)]
    if not rows or " " not in text:
        rules += _with_words(text)
    if rows or rules:
        kind = rows[0].kind if rows else LogKind.FAILED
        user = event.user if event else ""
        return _meaning([_message(row, row.kind) for row in rows[:_ROWS]], rules, user, kind)
    if event and event.user:
        return _meaning([_unnamed(event, _UNKNOWN)], [], event.user, LogKind.FAILED)
    return None


def said_by(text: str) -> tuple[str, SaidWords, str] | None:
    """Who says it, the row of which the text has some words, and which; of several the first row."""
    folded = text.casefold()
    rows = ((shows, row, row.found_in(folded)) for shows, table in SAID for row in table)
    return next((found for found in rows if found[2]), None)


def _user_in(text: str) -> str:
    """The user of a line that is no line of Dovecot's; "" where the name is not a plain one."""
    found = _USER.search(text)
    return found[1].rstrip(".") if found else ""


def _of_event(event: LogEvent) -> Meaning:
    if event.row is None:
        said, rules = _unnamed(event, event.kind.value), stand_for.of_kind(event.kind)
    else:
        said, rules = _message(event.row, event.kind), stand_for.of_message(event.row)
    return _meaning([said], rules, event.user, event.kind)


def _unnamed(event: LogEvent, says: str) -> MessageMeaning:
    """A line that is known by its form, and has no row."""
    return MessageMeaning(f"{event.process}: ...", says, event.kind.value, "")


def _message(row: Message, kind: LogKind) -> MessageMeaning:
    words = re.sub("%!?", "...", row.words).strip()
    return MessageMeaning(words, row.says or "logged also where logins work", kind.value, row.source)


def _meaning(said: list[MessageMeaning], rules: Iterable[Rule], user: str, kind: LogKind) -> Meaning:
    found = [Candidate(rule.code, rule.title, rule.severity.value) for rule in dict.fromkeys(rules)]
    return Meaning(user, said, found, "" if kind in _HARMLESS and not found else _next(user, kind))


def _next(user: str, kind: LogKind) -> str:
    """None of a name that is not shown whole, or has a part that was escaped."""
    if user and "\\" not in user and not user.endswith("\u2026"):
        return shlex.join(["mailauth", "diagnose", *(["--"] if user.startswith("-") else []), user])
    return "mailauth checkup" if kind in _OF_ALL else "mailauth diagnose USER"


def _alike(text: str) -> list[Message]:
    """The messages that have the text in them, or whose own words are in the text: those of which most is."""
    folded = text.casefold()
    bare = _PREFIX.sub("", text).casefold() or folded
    if len(bare) >= _SHORTEST and (inside := [row for row in _ALL if bare in row.words.casefold()]):
        exact = [row for row in inside if row.words.casefold() == bare]
        return _each_once(exact or inside)
    scored = [(score, row) for row in _ALL if (score := _score(row, folded))]
    best = max((score for score, _ in scored), default=0)
    return _each_once([row for score, row in scored if score == best])


def _each_once(rows: list[Message]) -> list[Message]:
    """Of those that say the same only the first; harmless ones last."""
    rows = sorted(rows, key=lambda row: row.kind is LogKind.OTHER)
    return list({(row.says or row.words): row for row in reversed(rows)}.values())[::-1]


def _score(row: Message, folded: str) -> int:
    """How many letters of a message are in the text: all its parts in turn, or one that is long enough."""
    at, letters, longest = 0, 0, 0
    for part in (one.casefold() for one in stand_for.literals(row)):
        if len(part) >= _ONE_PART and part in folded:
            longest = max(longest, len(part))
        found = folded.find(part, at) if at >= 0 else -1
        at = found + len(part) if found >= 0 else -1
        letters += len(part)
    whole = letters if at >= 0 else 0
    return whole if whole >= _TELLING and whole >= longest else longest


def _with_words(text: str) -> list[Rule]:
    """The rules with all these words: in their title, then in what is seen, then anywhere."""
    words = [one for one in re.findall(r"[\w{}$.-]+", text.casefold()) if len(one) >= _SHORTEST]
    if not words:
        return []
    places = (
        lambda rule: rule.title.casefold(),
        lambda rule: stand_for.symptoms()[rule.code],
        lambda rule: rule.explanation.casefold(),
    )
    found: list[Rule] = []
    for place in places:
        found += [
            rule for rule in RULES if rule not in found and all(_has(place(rule), one) for one in words)
        ]
    return found


def _has(text: str, word: str) -> bool:
    """As a word, or the beginning of one."""
    return re.search(rf"(?<!\w){re.escape(word)}", text) is not None


def nearest(text: str) -> str:
    """A code, or known words, that are spelled much alike; "" for none.  Ours, and nothing of the text."""
    codes = get_close_matches(text.strip().upper(), [rule.code for rule in RULES], 1, _CLOSE)
    if codes:
        return codes[0]
    known = {
        words.casefold(): words
        for row in _ALL
        if len(words := row.words.partition("%")[0].strip()) >= _TELLING
    }
    known |= {one.casefold(): one for _, table in SAID for row in table for one in row.words if one[0] != "="}
    near = get_close_matches(text.strip()[:80].casefold(), known, 1, _CLOSE)
    return known[near[0]] if near else ""
