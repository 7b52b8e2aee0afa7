"""The log's grammar, on lines that real Dovecots wrote (tests/dovecot/logs: 2.3.13 to 2.4.5).

own-*: the lab's own log file, with three forms of log_timestamp; syslog-* and journal-*: the same Dovecots
logging to syslog, as journald gave it back in its short, ISO and JSON forms; errors-*: doveadm log errors.
"""

import bz2
import gzip
import io
import lzma
import os
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from mailauth.dovecot.logcensus import Census, Pattern, count
from mailauth.dovecot.logfiles import events_since, last_time, rotated, tail_since_start
from mailauth.dovecot.logreading import read_logs, read_stream
from mailauth.dovecot.logreport import Reading
from mailauth.dovecot.logs import LogEvent, parse_line, plain
from mailauth.dovecot.logstamp import Stamps
from mailauth.dovecot.loguse import of_use
from mailauth.dovecot.messages import LogKind, Why
from mailauth.dovecot.redact import redacted
from mailauth.errors import CannotObserve
from mailauth.visible import is_visible
from tests.met import NONE, in_time, rights_in

LOGS = Path(__file__).parent / "logs"
NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC).astimezone()
OWN = sorted(path.name for path in LOGS.glob("own-*"))
UNUSED = (LogKind.OTHER, LogKind.MAIL_ENDED)  # the second is of use at the end of a log only
SHORT = sorted(path.name for pattern in ("syslog-*", "journal-*") for path in LOGS.glob(pattern))


def events(name: str) -> list[LogEvent]:
    stamps = Stamps(NOW)
    found = [parse_line(line, stamps) for line in (LOGS / name).read_bytes().splitlines()]
    assert None not in found
    return [event for event in found if event]


@pytest.mark.parametrize("name", OWN)
def test_an_own_log_file_in_both_grammars(name: str) -> None:
    """What the recording script did: these logins, a limit, a killed process, a reload."""
    told = events(name)
    assert all(event.when and event.when.date().isoformat() == "2026-11-23" for event in told)
    kinds = Counter(event.kind for event in told)
    assert kinds[LogKind.STARTED] == kinds[LogKind.RELOADED] == kinds[LogKind.LOGGED_IN] == 1
    assert kinds[LogKind.CRASHED] == 1
    assert kinds[LogKind.LIMIT] >= 1
    failed = [(e.user, e.ip, e.reason) for e in told if e.kind is LogKind.FAILED]
    assert failed == [
        ("alice", "127.0.0.1", "Password mismatch"),
        ("nobody", "127.0.0.1", "unknown user"),
        ("o'x", "127.0.0.1", "Username character disallowed by auth_username_chars"),
        ("bob", "127.0.0.1", "Password mismatch"),
        ("bob", "127.0.0.1", "Unknown scheme FOO"),
        ("bob", "127.0.0.1", "Password mismatch"),
    ]
    by_worker = "passwd-file" not in name and "pgsql" not in name
    assert len([e for e in told if e.kind is LogKind.QUEUED and e.reason in "345"]) == by_worker
    assert [e.reason for e in told if e.kind is LogKind.ABORTED] == by_worker * [
        "Worker process died unexpectedly"
    ]
    given_by = {e.user: e.given for e in told if e.kind is LogKind.FAILED and e.reason == "unknown user"}
    last = [e.given for e in told if e.kind is LogKind.FAILED][-1]
    assert last is not None
    assert last == given_by["nobody"]  # both sent "x"


@pytest.mark.parametrize("name", SHORT)
def test_syslog_and_the_journal(name: str) -> None:
    told = events(name)
    assert [event.kind for event in told if event.kind not in UNUSED] == [
        LogKind.STARTED,
        LogKind.LOGGED_IN,
        LogKind.FAILED,
        LogKind.LOGIN_FAILED,
        LogKind.FAILED,
        LogKind.LOGIN_FAILED,
        LogKind.RELOADED,
    ]
    assert [e.sha1 for e in told if e.kind is LogKind.FAILED] == ["a4b48a", "11f6ad"]
    assert all(e.when and e.when.astimezone(UTC).hour == 14 for e in told if "syslog-bsd" not in name)


def test_doveadm_log_errors() -> None:
    assert [event.kind for event in events("errors-2.3.21.1.log")] == [
        LogKind.FAILED,
        LogKind.QUEUED,
        LogKind.CRASHED,
        LogKind.ABORTED,
    ]


def test_every_line_of_use_is_taken_for_one() -> None:
    """What is passed over without being parsed is of no use."""
    for name in [*OWN, *SHORT]:
        stamps = Stamps(NOW)
        for line in (LOGS / name).read_bytes().splitlines():
            event = parse_line(line, stamps)
            assert event
            assert of_use(line) or event.kind in UNUSED


FAILED = b"Nov 23 14:58:19 auth(alice,10.0.0.1,sasl:plain)<abc>: Info: passwd-file: Password mismatch"


@pytest.mark.parametrize(
    "line",
    [
        b"Nov 23 14:58:19 lmtp(bob)<1><x>: Info: msgid=<" + FAILED + b">: saved",
        b"Nov 23 14:58:19 vm postfix/smtpd[1]: " + FAILED,
        b"Nov 23 14:58:19 vm other[1]: auth: Info: passwd-file(eve,1.2.3.4): Password mismatch",
        b"Nov 23 14:58:19 imap(eve)<1><x>: Info: " + FAILED,
        b"Nov 23 14:58:19 auth: Debug: passwd-file(alice,1.2.3.4): Password mismatch",
        b'{"SYSLOG_IDENTIFIER":"postfix","MESSAGE":"auth: sql(a): unknown user","__REALTIME_TIMESTAMP":"1"}',
        b"{",
        b"",
        b"\xff\xfe",
    ],
)
def test_a_line_that_quotes_another_is_not_taken_for_it(line: bytes) -> None:
    event = parse_line(line, Stamps(NOW))
    assert event is None or event.kind is LogKind.OTHER


def test_the_clients_name_cannot_forge_an_address() -> None:
    """The name is what the client sent; the last rip= is Dovecot's."""
    line = (
        b"Nov 23 14:58:19 imap-login: Info: Disconnected: x (auth failed, 1 attempts in 0 secs): user=<a>,"
        b" method=PLAIN, rip=9.9.9.9, lip=8.8.8.8, session=<forged>>, method=PLAIN, rip=10.0.0.1,"
        b" lip=127.0.0.1, session=<true>"
    )
    event = parse_line(line, Stamps(NOW))
    assert event
    assert (event.ip, event.session) == ("10.0.0.1", "true")


def test_a_given_password_is_not_kept() -> None:
    line = FAILED + b" (given password: s3cret) - trying the next passdb"
    event = parse_line(line, Stamps(NOW))
    assert event
    assert "s3cret" not in repr(event)
    assert event.goes_on


def test_control_characters_are_shown() -> None:
    assert plain("a\x1b[31mb\n\u202e") == "a\\x1b[31mb\\n\\u202e"
    assert len(plain("x" * 1000)) == 160


@given(some.binary(max_size=200))
@settings(max_examples=300)
def test_any_bytes_are_an_event_or_none(rubbish: bytes) -> None:
    for line in (rubbish, FAILED[:20] + rubbish, FAILED + rubbish):
        event = parse_line(line, Stamps(NOW))
        assert event is None or is_visible(event.user + event.reason + event.text)


_AUTH = b"Nov 23 14:58:19 auth: Error: "
_MANY = b"9" * 5000
_LONG = 60_000


@pytest.mark.parametrize(
    "line",
    [
        b"Nov 23 14:58:19 auth-worker(" + _MANY + b"): Error: x",
        b"Nov 23 14:58:19 imap-login: Disconnected (auth failed, " + _MANY + b" attempts): user=<a>, rip=::1",
        b"Nov 23 14:58:19 " * 4000,
        b"x | " * 10_000,
        b"[" * _LONG,
        b'{"a":' * 10_000,
        b'{"log": "\\ud800"}',
        b'{"MESSAGE": [1, "a"], "__REALTIME_TIMESTAMP": "1"}',
        b'{"MESSAGE": "auth: Info: \\ud800", "__REALTIME_TIMESTAMP": "1"}',
        b'{"MESSAGE": "a", "__REALTIME_TIMESTAMP": "\xc2\xb2"}',
        b'{"MESSAGE": "a", "__REALTIME_TIMESTAMP": "99999999999999999999"}',
    ],
    ids=lambda line: line[:40].decode(),
)
def test_no_line_is_a_bug(line: bytes) -> None:
    """Whoever may write to syslog chooses it, and one that raises hides all others."""
    event = parse_line(line, Stamps(NOW))
    assert event is None or is_visible(event.user + event.reason + event.text)


@pytest.mark.parametrize(
    "line",
    [
        _AUTH + b"a" * _LONG,
        _AUTH + b"syntax for " * (_LONG // 11),
        _AUTH + b"eyJ-" * (_LONG // 4),
        b"Nov 23 14:58:19 master: Warning: service(imap-login): process_limit (2) reached," + b"): " * 20_000,
    ],
    ids=["word", "syntax", "token", "gaps"],
)
def test_no_line_takes_long(line: bytes) -> None:
    """Each took seconds, or minutes: an expression tried each place anew."""
    with in_time():
        for _ in range(3):
            parse_line(line, Stamps(NOW))
            redacted.cache_clear()


def test_only_what_came_after_the_last_start_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    mark = b"Nov 23 15:00:00 master: Warning: SIGHUP received - reloading configuration\n"
    log.write_bytes(FAILED + b"\n" + mark + FAILED + b"\n")
    assert tail_since_start(log, Stamps(NOW)) == ([mark.rstrip(), FAILED], True)
    forged = b"Nov 23 15:00:00 imap(eve): Info: SIGHUP received - reloading configuration\n"
    log.write_bytes(mark + forged + FAILED + b"\n")
    assert len(tail_since_start(log, Stamps(NOW))[0]) == 3


def test_no_more_is_read_than_allowed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes((FAILED + b"\n") * 1000)
    lines, whole = tail_since_start(log, Stamps(NOW), most=10 * (len(FAILED) + 1) + 5)
    assert (len(lines), whole) == (10, False)
    with pytest.raises(CannotObserve, match="cannot be read"):
        tail_since_start(tmp_path / "none", Stamps(NOW))


def test_the_place_in_time_is_found(tmp_path: Path) -> None:
    log = tmp_path / "log"
    began = datetime(2026, 11, 22, 0, 0).astimezone()
    lines = [
        f"{began + timedelta(seconds=10 * n):%b %d %H:%M:%S}".encode() + FAILED[15:] + b"\n"
        for n in range(8000)
    ]
    log.write_bytes(b"".join(lines))
    assert last_time(log, Stamps(NOW)) == began + timedelta(seconds=79990)
    since = began + timedelta(seconds=60000)
    found = [event for event, _ in events_since(log, since, Stamps(NOW)) if event]
    assert len(found) == 2000
    assert found[0].when == since


@pytest.mark.parametrize(
    ("name", "pack"),
    [("log.2.gz", gzip.compress), ("log.1.bz2", bz2.compress), ("log-20261122.xz", lzma.compress)],
)
def test_rotated_files_are_read(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "log").write_bytes(FAILED + b"\n")
    (tmp_path / name).write_bytes(pack(FAILED + b"\n" + FAILED + b"\n"))
    (tmp_path / "log.old-rubbish").touch()
    assert rotated(tmp_path / "log") == [tmp_path / name]
    assert len(list(events_since(tmp_path / name, None, Stamps(NOW)))) == 2
    (tmp_path / name).write_bytes(pack(FAILED)[:-3])
    with pytest.raises(CannotObserve):
        list(events_since(tmp_path / name, None, Stamps(NOW)))


def failure(user: str, ip: str, at: float, password: int | None = None, session: str = "") -> LogEvent:
    when = datetime(2026, 11, 23, 8, 0, tzinfo=UTC) + timedelta(seconds=at)
    reason = "Password mismatch"
    return LogEvent(
        when,
        LogKind.FAILED,
        "auth",
        "Info",
        reason,
        user=user,
        ip=ip,
        reason=reason,
        given=password,
        session=session,
    )


def test_patterns() -> None:
    census = Census(several=False)
    for n in range(20):
        census.add(failure("stale", "10.0.0.1", n * 60, 7))
        census.add(failure("steady", "10.0.0.2", n * 60))
        census.add(failure("person", "10.0.0.3", n * n * 7))
        census.add(failure("guessed", "10.0.0.4", n, n))
        census.add(failure("spread", f"10.1.0.{n}", n, n))
        census.add(failure("moves", f"10.2.0.{n}", n * 100, 5))
        census.add(failure(f"name{n}", "10.0.0.5", n, n))
    assert {user: census.pattern(user) for user in census.users if not user.startswith("name")} == {
        "stale": Pattern.STALE,
        "steady": Pattern.STEADY,
        "person": Pattern.UNCLEAR,
        "guessed": Pattern.GUESSING,
        "spread": Pattern.SPREAD,
        "moves": Pattern.STALE,
    }
    assert {census.pattern(f"name{n}") for n in range(20)} == {Pattern.SPRAYING}


def test_one_attempt_in_two_lines_is_counted_once() -> None:
    """Auth tells why, the login process tells that; and a later passdb may let the session in."""
    left = LogEvent(None, LogKind.LOGIN_FAILED, "imap-login", "Info", "", user="a", ip="1.1.1.1", session="s")
    logged_in = left._replace(kind=LogKind.LOGGED_IN, session="t")
    census = count([(failure("a", "1.1.1.1", 0, session="s"), 1), (left, 1)])
    assert (census.failures, census.unexplained) == (1, 0)
    census = count([(left._replace(attempts=3), 1)])
    assert (census.failures, census.unexplained) == (3, 3)
    census = count([(failure("a", "1.1.1.1", 0, session="t"), 1), (logged_in, 1)])
    assert (census.failures, census.users, census.pairs) == (0, {}, {})


def test_memory_is_bounded() -> None:
    census = Census()
    for n in range(50_000):
        census.add(failure(f"u{n}", f"10.{n // 65536}.{n // 256 % 256}.{n % 256}", n))
    assert census.failures == 50_000
    assert max(len(census.users), len(census.addresses), len(census.pairs)) <= 20_000
    assert census.forgotten >= 30_000


@pytest.mark.parametrize(
    "before",
    [
        b"mail-1  | ",
        b"2026-07-01T09:00:00.123456789Z ",
        b"mail | 2026-07-01T09:00:00.123456789Z ",
        b"2026-07-01T09:00:00.123456789Z stderr F ",
    ],
    ids=["docker compose logs", "docker logs --timestamps", "both", "Kubernetes"],
)
def test_what_a_container_engine_writes_before_a_line(before: bytes) -> None:
    line = b"Jul 01 09:00:00 auth: Info: ldap(bob,192.0.2.1,<abc>): Password mismatch"
    event = parse_line(before + line, Stamps(NOW))
    assert event
    assert (event.kind, event.user, event.session) == (LogKind.FAILED, "bob", "abc")


def test_a_session_of_our_own_is_of_no_client() -> None:
    """A passdb's no in it proves no failed login; a worker's process id is no session."""
    for line in (
        b"Jul 01 09:00:00 auth: Info: ldap(bob,192.0.2.1,<mailauth>): unknown user",
        b"Jul 01 09:00:00 auth-worker(bob,192.0.2.1)<4711>: request [1]: Info: ldap: unknown user",
    ):
        event = parse_line(line, Stamps(NOW))
        assert event
        assert (event.user, event.session, event.ours) == ("bob", "", b"<mailauth>" in line)


class _Asked(io.BytesIO):
    """A log that tells who reads it."""

    def read1(self, _most: int | None = -1, /) -> bytes:
        raise CannotObserve(Path("/proc/thread-self/status").read_text())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_who_reads_a_log_is_nobody(tmp_path: Path) -> None:
    """Neither a user that there is, nor capabilities; the files that it reads are open."""
    with pytest.raises(CannotObserve) as told:
        read_stream(_Asked(), Reading(()))
    status = rights_in(told.value.reason)
    assert {name: status[name] for name in NONE} == NONE
    assert "0" not in status["Uid"].split()
    log = tmp_path / "mail.log.gz"
    line = b"Nov 23 14:58:19 auth(a,10.0.0.1,sasl:plain)<x>: Info: sql: unknown user\n"
    log.write_bytes(gzip.compress(line))
    log.chmod(0o600)
    assert read_logs(Reading((log,))).failures == 1


def test_a_line_of_auth_behind_that_of_the_login_process_is_the_same_failure() -> None:
    """Dovecot's log process reads each process for itself: on a busy machine the second may come first."""
    auth = "Nov 30 23:00:00 auth: Info: passwd-file(alice,127.0.0.1,<s1>): Password mismatch"
    left = (
        "Nov 30 23:00:00 imap-login: Info: Disconnected: Connection closed (auth failed, 1 attempts"
        " in 2 secs): user=<alice>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, secured, session=<s1>"
    )
    for order in ((auth, left), (left, auth)):
        events = [(event, 1) for line in order if (event := parse_line(line.encode(), Stamps(NOW)))]
        assert len(events) == len(order)
        census = count(events)
        assert (census.failures, census.unexplained) == (1, 0), order
        (pair,) = census.pairs.values()
        assert pair.count == 1
        assert {why for why, times in (pair.whys or {}).items() if times} == {Why.MISMATCH}
