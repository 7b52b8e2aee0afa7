"""A line that is taken apart at once comes to what it comes to by itself."""

import os
import random
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from mailauth.dovecot import logrepeated
from mailauth.dovecot.logs import MOST_LINE, parse_line
from mailauth.dovecot.logstamp import Stamps
from mailauth.dovecot.nobody import LOOKUP, NOBODY, SESSION
from tests.dovecot.test_logblocks import HEADS, NOW, REAL, hostile

STAMP = b"Nov 23 15:02:%02d%s "
ISO = b"2026-11-23%s15:02:%02d%s%s "
SYSLOG = (b"", b"vm dovecot: ", b"vm dovecot[21]: ", b"x-login: dovecot: ", b"auth: dovecot: ", b"vm other: ")
ENDS = (b"", b" - trying the next passdb", b" - trying", b"\r", b" (x)")
SAID = (
    *(b"Password mismatch", b"unknown user", b"Empty password", b"", b"User is disabled", b"pam: x"),
    *(b"Password mismatch (for LDAP bind) ", b"user not found from userdb", b"given password: a", b"a\rb"),
)
GIVEN = (
    *(
        b"",
        b"",
        b" (SHA1 of given password: %06x)",
        b" (given password: %06x)",
        b" (SHA1 of given password: x%d)",
    ),
    b" (SHA1 of given password: %x",
)
LEFT = (
    *(b"Login", b"Logged in", b"Disconnected: Connection closed (auth failed, %d attempts in 2 secs)"),
    *(b"Disconnected (auth failed, 1 attempts in %d secs)", b"Aborted login (no auth attempts in %d secs)"),
    *(b"Disconnected: Auth process broken", b"Error: TLS handshake failed", b"proxy: Login failed"),
    *(b"Auth process not responding, delayed sending initial response (greeting)", b"Warning: x"),
    *(b"Maximum number of connections from user+IP exceeded (mail_max_userip_connections=%d)", b""),
    *(b"Disconnected: Inactivity (internal failure, %d successful auths)", b"Fatal: master: x"),
)
NAMES = (
    *(
        b"eve",
        b"ann@example.org",
        b"7",
        b"",
        b"a b",
        b"a,b",
        b"x>, rip=1.2.3.4, session=<y",
        b"auth",
        b"\xc3\xa9",
    ),
    *(b"\xff", b"\x1b[2J", b"n" * 90, b"(u", b"dovecot: ", NOBODY.encode(), b"'=user=<", b"\xe2\x80\xae"),
)
IPS = (b"10.0.0.1", b"::1", b"", b"host", b"fe80::1%eth0")
SESSIONS = (b"s%d", b"", SESSION.encode(), LOOKUP.encode(), b"\xff", b"a b", b"H8pa4/JgxMZ/AAAB")
PROCESSES = (
    b"imap-login",
    b"pop3-login",
    b"auth",
    b"auth-worker",
    b"auth-login",
    b"imap",
    b"x" * 26 + b"-login",
)
LEVELS = (b"", b"", b"Info: ", b"Error: ", b"Warning: ", b"Debug: ")


def lines(seed: int, count: int) -> Iterator[bytes]:
    """Of both dialects, mostly as Dovecot writes them."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    pick, number = chance.choice, chance.randrange

    def some(of: tuple[bytes, ...], *, odd: float = 0.06) -> bytes:
        """Mostly the first two."""
        one = of[number(len(of))] if chance.random() < odd else of[number(2)]
        return one % number(90) if b"%" in one and b"%e" not in one else one

    for at in range(count):
        if not at % 40:
            yield hostile(chance)
            continue
        when = (
            STAMP % (number(60), pick((b"", b"", b".123")))
            if number(4)
            else ISO
            % (
                *(pick((b"T", b" ")), number(60), pick((b"", b".123456", b",5"))),
                pick((b"", b"Z", b"+02:00", b"-0230", b" +0100", b" UTC")),
            )
        )
        head = when[:-1] + b": " if not number(60) else when
        head = pick(HEADS) if not number(50) else head + some(SYSLOG[1:] + SYSLOG[:1], odd=0.2)
        name = (b"user%d@example.org" % number(200)) if number(9) else pick(NAMES)
        ip = (b"198.51.100.%d" % number(250)) if number(20) else pick(IPS)
        session = some(SESSIONS, odd=0.2) if not number(9) else b"q%d" % number(10**6)
        level = pick(LEVELS) if number(3) == 0 else b""
        said = some(SAID, odd=0.2) + some(GIVEN[2:] + GIVEN[:2], odd=0.3) + some(ENDS[:1] * 2 + ENDS)
        kind = number(4)
        if kind == 0:
            process = some(PROCESSES[:2] + PROCESSES)
            text = b"%s: %s%s: user=<%s>, method=PLAIN, rip=%s, lip=203.0.113.5, TLS, session=<%s>" % (
                *(process, level, some(LEFT, odd=0.5), name, ip, session),
            )
        elif kind == 1:
            worker = b"conn unix:auth-worker (pid=812,uid=101): auth-worker<%d>: " % number(99)
            text = b"auth-worker(%d): %s%ssql(%s,%s,<%s>): %s" % (
                number(9999),
                level,
                worker,
                name,
                ip,
                session,
                said,
            )
        elif kind == 2:
            text = b"auth: %spasswd-file(%s,%s,<%s>): %s" % (level, name, ip, session, said)
        else:
            who = pick((b"auth(%s,%s,sasl:plain)<%s>: ", b"auth-worker(%s,%s)<77><%s>: request [3]: "))
            text = who % (name, ip, session) + level + b"sql: " + said
        yield head + text + (b"\n" if number(50) else pick((b"", b"\r\n", b"\n\n", b" \n")))


def compared(told: Iterator[bytes], stamps: Stamps, again: Stamps) -> int:
    """How many lines were taken apart at once."""
    parse, form = logrepeated.parser(stamps), logrepeated.form_of(stamps)
    found = 0
    for line in told:
        assert parse(line) == parse_line(line, again), line
        found += form.fullmatch(line) is not None
    return found


LINES = int(os.environ.get("MAILAUTH_LINES", "40000"))
"""How many are compared; a million take 40 s of CPU."""


@pytest.mark.parametrize("seed", range(4))
def test_many_lines(seed: int) -> None:
    found = compared(lines(seed, LINES // 4), Stamps(NOW), Stamps(NOW))
    assert 0.3 < found / (LINES // 4) < 0.9


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_logs(path: Path) -> None:
    told = path.read_bytes().splitlines(keepends=True)
    told += [re.sub(rb"<\w{9}", b"<A%07d=" % at, line) for at, line in enumerate(told)]
    compared(iter(told * 2), Stamps(NOW), Stamps(NOW))


@pytest.mark.parametrize(
    ("own", "ident"),
    [
        ("%Y-%m-%d %H:%M:%S ", "dovecot"),
        ("%b %d %H:%M:%S ", "auth"),
        ("%b %d %H:%M:%S ", "x-login"),
        ("%m %Y ", "dovecot"),
        ("%b %d %H:%M:%S ", "other"),
    ],
)
def test_other_times_and_names(own: str, ident: str) -> None:
    stamps = [Stamps(NOW, own=own, ident=ident) for _ in range(2)]
    compared(lines(9, 20_000), *stamps)


def test_a_line_that_is_too_long() -> None:
    line = b"Nov 23 15:02:17 auth: sql(eve,10.0.0.1,<%s>): unknown user"
    parse = logrepeated.parser(Stamps(NOW))
    assert parse(line % b"s") is not None
    assert parse(line % (b"s" * MOST_LINE)) is None


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logrepeated, "_MOST", 3)
    compared(lines(11, 5000), Stamps(datetime.now().astimezone()), Stamps(NOW))
