"""A log that is read in blocks, by several processes, comes to what it comes to line by line."""

import gzip
import os
import random
import re
import signal
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mailauth.dovecot import logblocks, logs, logsifting
from mailauth.dovecot.logcensus import Census
from mailauth.dovecot.logclients import of_lookup
from mailauth.dovecot.logfiles import events_since, last_time
from mailauth.dovecot.logreading import read_logs, read_stream, stamps_of
from mailauth.dovecot.logreport import FromLogReport, Read, Reading, report
from mailauth.dovecot.logs import MOST_LINE
from mailauth.dovecot.loguse import WORDS
from mailauth.dovecot.messages import LogKind

NOW = datetime.now().astimezone()
LOGS = Path(__file__).parent / "logs"
REAL = sorted(path for path in LOGS.iterdir() if path.suffix in {".log", ".jsonl"})
FAILS = b"auth: Info: sql(eve,203.0.113.%d,<s%d>): Password mismatch (SHA1 of given password: %06x)"
STAMP = b"Nov 23 15:02:17 "
HEADS = (
    *(b"", STAMP, b"Nov  3 15:02:17.123456 ", STAMP + b"vm dovecot: ", STAMP + b"vm dovecot[21]: "),
    *(STAMP + b"std dovecot: ", STAMP + b"vm dovecotx: ", STAMP + b"vm postfix/smtpd[1]: "),
    *(STAMP + b"Vm dovecot: ", STAMP + b"a(b dovecot: ", STAMP + b"vm cron[7]: ", STAMP + b"Error: "),
    *(b"2026-11-23T15:02:17+00:00 vm dovecot: ", b"2026-11-23T15:02:17.5Z ", b"2026-11-23 15:02:17 "),
    *(b"2026-11-23T15:02:17 +0000 ", b"2026-11-23T15:02:17: ", b"2026-11-23T15:02:17Z stdout F " + STAMP),
    *(b"<22>1 2026-11-23T15:02:17Z vm dovecot 1 - - ", b"mail-1  | " + STAMP, b"1mail | " + STAMP),
    *(STAMP + STAMP, STAMP + b"stderr F ", b"23 dovecot ", STAMP + b"message repeated 2 times: [ "),
    *(STAMP + b"vm dovecot: message repeated 3 times: [ ", b"\x00", b"\xff\xfe", STAMP + b"\xff "),
)


def hostile(chance: random.Random) -> bytes:
    """A line with a newline, or with none at all in what is longer than a line may be."""
    said = FAILS % (chance.randrange(9), chance.randrange(50), chance.randrange(3))
    kind = chance.randrange(12)
    if kind == 0:
        fill = chance.choice((b"x", b"\x00", b"\xff", b"auth ", b"\r"))
        size = MOST_LINE + chance.choice((-2, -1, 0, 1, 2, 9000))
        line = (chance.choice(HEADS) + said + fill * size)[: size - 1]
    elif kind == 1:
        line = chance.choice((b"", b"\r", b"{", b'{"log":"Nov 23 15:02:17 ' + said + b'\\n"}', b"\x00" * 9))
    elif kind == 2:
        line = chance.choice(HEADS) + chance.choice(WORDS) + b"\xff\x00 user=<"
    elif kind == 3:
        line = (
            chance.choice(HEADS)
            + b"imap-login: Login: user=<a"
            + chance.choice((b">", b"<>", b"\xff>, rip=1>"))
        )
        line += b", method=PLAIN, rip=10.0.0.1, lip=::1, TLS, session=<s%d>" % chance.randrange(50)
    elif kind == 4:
        line = chance.choice(HEADS) + b"imap(author)<1><s>: Info: Logged out in=1"
    else:
        line = chance.choice(HEADS) + said + chance.choice((b"", b"]", b"\r", b" - trying the next passdb"))
    return line + b"\n"


def made(seed: int) -> bytes:
    """Lines of both dialects' logs in their order, with hostile ones between them."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    real = [line + b"\n" for path in REAL for line in path.read_bytes().split(b"\n") if line]
    real = [
        re.sub(rb"<(\w{8}[^<>]{4,9})>", lambda found: b"<%b%d>" % (found[1], chance.randrange(99)), line)
        for line in real * 3
    ]
    lines: list[bytes] = []
    for line in real:
        lines += [line, *(hostile(chance) for _ in range(chance.choice((0, 0, 1, 2))))]
    text = b"".join(lines)
    return text if seed % 2 else text[:-1]


def slowly(path: Path, asked: Reading) -> FromLogReport:
    """Each line by itself."""
    ends = last_time(path, stamps_of(asked, NOW))
    since = ends - asked.since if ends and asked.since is not None else None
    census, read = Census(asked.several), Read(sources=[str(path)])
    for event, size in events_since(path, since, stamps_of(asked, NOW)):
        read.lines += 1
        read.size += size
        read.long += size > MOST_LINE
        if event is None or of_lookup(event):
            continue
        if event.ours:
            read.own += event.kind is not LogKind.OTHER
            continue
        read.dated += event.when is not None
        census.add(event, size)
    return report(census, read, asked)


@pytest.mark.parametrize("size", [1024, 70_000, 1024 * 1024])
def test_blocks_come_to_what_lines_come_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """``size``: of a block; lines are cut at their borders, wherever these are."""
    for module in (logblocks, logsifting):
        monkeypatch.setattr(module, "BLOCK", size)
    monkeypatch.setattr(logsifting, "LARGE", 1)
    log, packed = tmp_path / "log", tmp_path / "log.gz"
    log.write_bytes(made(size))
    packed.write_bytes(gzip.compress(log.read_bytes(), 1))
    for asked in (
        Reading((log,), None),
        Reading((log,), timedelta(seconds=20)),
        Reading((log,), None, log_timestamp="%Y-%m-%d %H:%M:%S "),
        Reading((log,), None, ident="dovecotx"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(logs, "_LOGGED_IN", re.compile(b"(?!)"))
            told = slowly(log, asked)
        assert told.failures > 20 or asked.since
        assert replace(read_logs(asked), free=None) == told
        if asked.since is None:
            with log.open("rb") as file:
                assert read_stream(file, asked, str(log)) == told
            found = read_logs(replace(asked, paths=(packed,)))
            assert replace(found, free=None, sources=told.sources) == told


def test_a_process_that_ends_leaves_nothing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a helper has not said is read by who asks."""
    monkeypatch.setattr(logsifting, "LARGE", 1)
    log = tmp_path / "log"
    log.write_bytes(made(1) * 4)
    asked = Reading((log,), None)
    told = slowly(log, asked)
    real, me = os.pread, os.getpid()

    def ends(descriptor: int, size: int, at: int) -> bytes:
        if os.getpid() != me and at > logblocks.BLOCK:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(descriptor, size, at)

    monkeypatch.setattr(os, "pread", ends)
    assert replace(read_logs(asked), free=None) == told
