"""Read the end of Dovecot's log: what it says since Dovecot last started or was reloaded."""

import re
import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from mailauth.dovecot import journalctl, typed
from mailauth.dovecot.authconfig import SQL_DRIVERS, SqlSource
from mailauth.dovecot.conf import Block
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.logcensus import Census, Trouble
from mailauth.dovecot.logfiles import tail_since_start
from mailauth.dovecot.logs import MOST_LINE, LogEvent, ends_a_session, parse_line
from mailauth.dovecot.logstamp import DEFAULT_STAMP, Stamps
from mailauth.dovecot.logtally import Pair
from mailauth.dovecot.loguse import of_use
from mailauth.dovecot.messages import LogKind
from mailauth.dovecot.variables import used
from mailauth.errors import CannotObserve
from mailauth.evidence import (
    LogStream,
    LogStreams,
    LogTrouble,
    LogWindow,
    NotApplicable,
)
from mailauth.probes.scene import Scene
from mailauth.records import dataclass

SYSLOG_FILES = (
    "/var/log/mail.log",
    "/var/log/maillog",
    "/var/log/mail/mail.log",
    "/var/log/mail.info",
    "/var/log/syslog",
    "/var/log/messages",
)
_DAY = timedelta(hours=24)
_JOURNAL_LINES = 20_000
_JOURNAL_MOST = 32 * 1024 * 1024  # bytes
_STREAMS = 5
_STILL = 5.0  # seconds since the last line of a flood that goes on
_STEADY_FROM = 30  # failures before it matters that they go on


@dataclass(frozen=True, slots=True)
class Log:
    """The events that count, oldest first, each with its line's size."""

    source: str
    begins: str
    whole: bool
    events: tuple[tuple[LogEvent, int], ...]


def observe_log_window(scene: Scene) -> LogWindow | NotApplicable:
    """What Dovecot says of itself, and who fails again and again."""
    log = read_log(scene)
    if log is None:
        return NotApplicable(LogWindow, "there is no log file yet")
    now = datetime.now().astimezone()  # before the lines are counted, which takes its time
    census = _census(scene, log)
    return LogWindow(
        source=log.source,
        begins=log.begins,
        whole=log.whole,
        lines=census.lines,
        failures=census.failures,
        logins=census.logins,
        verbose=verbose(scene),
        database_lost=any(_lost_database(event) for event, _ in log.events),
        troubles=tuple(_trouble(key[2], one, now) for key, one in census.troubles.items()),
        sessions=census.sessions_ended.total(),
        served=tuple(census.sessions_ended),
        unserved=tuple(census.unserved.values()),
        broken=tuple(census.broken.values()),
        last_login=census.last_login,
    )


def observe_log_streams(scene: Scene) -> LogStreams | NotApplicable:
    """Who fails again and again.  Raises CannotObserve where such lines are no proof of a failed login."""
    log = read_log(scene)
    if log is None:
        return NotApplicable(LogStreams, "there is no log file yet")
    census = _census(scene, log)
    now = datetime.now().astimezone()
    found = tuple(_stream(pair, now) for _, pair in census.top(census.pairs, _STREAMS) if pair.count > 1)
    for one in found:
        if not one.proven and one.count >= _STEADY_FROM and one.steady:
            raise CannotObserve(
                f"{log.source}: a passdb said no to {one.user!r} from {one.ip} {one.count} times; there are"
                " several passdbs, and Dovecot does not log whether a later one let that client in (it has no"
                " session, as Postfix or Exim): see that program's own log, SASL ... authentication failed."
            )
    return LogStreams(log.source, found)


def _census(scene: Scene, log: Log) -> Census:
    census = Census(len(scene.config.passdbs) > 1)
    for event, size in log.events:
        census.add(event, size)
    return census


def verbose(scene: Scene) -> bool:
    """Whether Dovecot logs why a login fails."""
    tree = scene.config.tree
    return any(
        tree.get(name, "no") not in ("no", "")
        for name in ("auth_verbose", "auth_verbose_passwords", "auth_debug")
    )


def read_log(scene: Scene, names: set[str] | None = None) -> Log | None:
    """The log since the last start or reload; only lines with one of ``names``, if given.

    None where the log file is not there.  Raises CannotObserve when it cannot be read.
    """
    log = _read_log(scene, names)
    return replace(log, events=_without_passwords(scene, log.events)) if log else None


def events_in(scene: Scene, lines: list[bytes], names: set[str]) -> tuple[LogEvent, ...]:
    """The same of lines that were read already."""
    found = tuple(_events(lines, stamps_of(scene.config.tree), names))
    return tuple(event for event, _ in _without_passwords(scene, found))


def _without_passwords(
    scene: Scene, events: tuple[tuple[LogEvent, int], ...]
) -> tuple[tuple[LogEvent, int], ...]:
    """The database quotes what it does not understand of a statement, which may have the password in it."""
    dialect = scene.config.version.dialect
    sources = (passdb.source for passdb in scene.config.passdbs)
    queries = [source.query for source in sources if isinstance(source, SqlSource)]
    if not any("password" in used(query, dialect) for query in queries):
        return events
    return tuple(
        (event._replace(text=_unquoted(event.text), reason=_unquoted(event.reason)), size)
        for event, size in events
    )


def _unquoted(text: str) -> str:
    return _QUERY_FAILED.sub(r"\1: ...", text)


_QUERY_FAILED = re.compile(r"(query failed).*", re.IGNORECASE | re.DOTALL)


def _read_log(scene: Scene, names: set[str] | None = None) -> Log | None:
    tree = scene.config.tree
    paths = log_paths(tree)
    if console := next((path for path in paths if path.startswith("/dev/")), ""):
        raise CannotObserve(
            f"Dovecot logs to {console}, which cannot be read again: save what the container's runtime has"
            " (docker logs NAME > FILE 2>&1) and run mailauth log --log FILE."
        )
    stamps = stamps_of(tree)
    if "syslog" not in paths:
        found = [path for path in paths if scene.dovecot.has(path)]
        if not found:
            return None
        return _of_files([(path, scene.dovecot.path(path)) for path in found], stamps, names)
    for name in SYSLOG_FILES:
        path = scene.dovecot.path(name)
        if not scene.dovecot.has(name):
            continue
        log = _of_files([(name, path)], stamps, names)
        if log.events or (names and _of_files([(name, path)], stamps, None).events):
            return log  # it is Dovecot's, be there a line of these names or none
    try:
        return _of_journal(scene, stamps, names)
    except CannotObserve:
        if quiet := written_by_syslog(scene.dovecot, stamps):
            return _of_files([(quiet, scene.dovecot.path(quiet))], stamps, names)
        raise


def written_by_syslog(dovecot: Installation, stamps: Stamps) -> str:
    """The file in which syslog has put lines of this Dovecot's; "" where there is none."""
    return next((name for name in SYSLOG_FILES if _had_lines(dovecot, name, stamps)), "")


def _had_lines(dovecot: Installation, name: str, stamps: Stamps) -> bool:
    """Whether Dovecot ever wrote there, or into the file that was put away last: it has been quiet since."""
    if not dovecot.has(name):
        return False
    mark = re.compile(rb" %b(?:\[\d+\])?: " % re.escape(stamps.ident.encode()))
    for path in (dovecot.path(name), dovecot.path(f"{name}.1")):
        with suppress(CannotObserve):
            if any(mark.search(line) for line in tail_since_start(path, stamps)[0]):
                return True
    return False


def stamps_of(tree: Block) -> Stamps:
    """How the lines of this Dovecot's log begin."""
    return Stamps(
        datetime.now().astimezone(),
        own=tree.get("log_timestamp") or DEFAULT_STAMP,
        ident=tree.get("instance_name") or "dovecot",
    )


def syslog_file(dovecot: Installation) -> str:
    """The file that syslog writes for mail, as Dovecot sees it; "" where there is none."""
    return next((name for name in SYSLOG_FILES if dovecot.has(name)), "")


def log_paths(tree: Block) -> list[str]:
    """Where errors and where information go: a path, or "syslog"."""
    errors = tree.get("log_path") or "syslog"
    informs = tree.get("info_log_path") or errors
    return list(dict.fromkeys((errors, informs)))


def _of_files(files: list[tuple[str, Path]], stamps: Stamps, names: set[str] | None) -> Log:
    events: list[tuple[LogEvent, int]] = []
    whole, starts = True, []
    for _, path in files:
        lines, found = tail_since_start(path, stamps)
        whole = whole and found and all(len(line) <= MOST_LINE for line in lines)
        if lines and (first := parse_line(lines[0], stamps)) and first.when and found:
            starts.append(first.when)
        events += _events(lines, stamps, names)
    # Each of two files tells of one kind only, a start or a reload: the later one counts for both.
    return _cut(", ".join(name for name, _ in files), events, whole, max(starts, default=None))


def _events(lines: list[bytes], stamps: Stamps, names: set[str] | None) -> list[tuple[LogEvent, int]]:
    found = []
    wanted = [name.encode() for name in names or ()]
    for line in lines:
        if not (of_use(line) or ends_a_session(line)) or (
            wanted and not any(name in line.lower() for name in wanted)
        ):
            continue
        if event := parse_line(line, stamps):
            found.append((event, len(line)))
    return found


def _cut(source: str, events: list[tuple[LogEvent, int]], whole: bool, start: datetime | None) -> Log:
    """Nothing older than a day, and nothing before the last start."""
    oldest = datetime.now().astimezone() - _DAY
    since = max(oldest, start) if start else oldest
    kept = tuple((event, size) for event, size in events if event.when is None or event.when >= since)
    begins = f"{since:%Y-%m-%d %H:%M:%S}"
    return Log(source, begins, whole or start is None or start < oldest, kept)


def _of_journal(scene: Scene, stamps: Stamps, names: set[str] | None) -> Log:
    """The journal of this machine."""
    program = shutil.which("journalctl")
    if program is None or scene.dovecot.pid:
        raise CannotObserve(
            f"Dovecot logs to syslog, and none of {', '.join(SYSLOG_FILES)} has a line of it:"
            " mailauth log --log FILE reads the file that your syslog writes."
        )
    last = ("--since", "-24h", "-n", str(_JOURNAL_LINES))
    status, said, _ = journalctl.ask(program, stamps.ident, *last, most=_JOURNAL_MOST)
    lines = said.splitlines()
    if status or not lines:
        raise CannotObserve(
            "Dovecot logs to syslog, and neither a file in /var/log nor the journal has a line of it:"
            f" {typed.shown(scene.dovecot, 'doveadm', 'log', 'find')} shows where they are."
        )
    mark = next((n for n in reversed(range(len(lines))) if _is_start(lines[n], stamps)), None)
    first = parse_line(lines[mark], stamps) if mark is not None else None
    events = _events(lines[mark or 0 :], stamps, names)
    return _cut("the journal", events, mark is not None, first.when if first else None)


def _is_start(line: bytes, stamps: Stamps) -> bool:
    if b"starting up" not in line and b"SIGHUP" not in line:
        return False
    event = parse_line(line, stamps)
    return event is not None and event.kind in (LogKind.STARTED, LogKind.RELOADED)


def _lost_database(event: LogEvent) -> bool:
    return event.kind is LogKind.BACKEND and event.driver in SQL_DRIVERS


def _trouble(what: str, one: Trouble, now: datetime) -> LogTrouble:
    return LogTrouble(
        one.kind,
        one.service,
        what,
        one.count,
        one.text,
        one.last,
        one.says,
        one.run.rate,
        tuple(sorted(one.users)),
        one.run.bytes_rate,
        one.run.floods and bool(one.last and (now - one.last).total_seconds() <= _STILL),
        one.why,
    )


def _stream(pair: Pair, now: datetime) -> LogStream:
    lasted = (pair.last - pair.first).total_seconds() if pair.first and pair.last else 0.0
    ago = (now - pair.last).total_seconds() if pair.last else 0.0
    return LogStream(
        pair.user,
        pair.ip,
        pair.count,
        lasted,
        pair.interval,
        ago,
        pair.size,
        pair.steady,
        pair.same_password,
        pair.unproven * 2 <= pair.count,
        pair.why,
    )
