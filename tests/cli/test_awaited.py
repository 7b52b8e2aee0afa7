"""Whoever gives a command that reads standard input a terminal is told what to type, and how that ends."""

import os
import pty
import select
import subprocess
import sys
import time

import pytest

from mailauth.remedies import HASH_SHOW
from tests.cli.running import ROOT


@pytest.mark.parametrize(
    ("words", "said", "typed"),
    [
        (HASH_SHOW[1:], "the stored string, then Enter and Ctrl-D", b"{PLAIN}x\n\x04"),
        (("hash", "verify", "--batch", "-"), "the lines, then Enter and Ctrl-D", b"\x04"),
        (("explain", "-"), "a line of Dovecot's log, then Enter and Ctrl-D", b"Password mismatch\n\x04"),
        (("log", "--log", "-"), "lines of Dovecot's log, then Enter and Ctrl-D", b"x\n\x04"),
        (("memory", "show", "--stdin"), "one line for --stdin, then Enter", b"{PLAIN}x\n"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)
def test_a_terminal_is_told_what_is_awaited(words: tuple[str, ...], said: str, typed: bytes) -> None:
    """On standard error, before anything is typed; a pipe gets no word of it."""
    argv = [sys.executable, "-m", "mailauth", *words]
    ours, theirs = pty.openpty()
    with subprocess.Popen(argv, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, cwd=ROOT) as one:
        seen, until = b"", time.monotonic() + 60
        while said.encode() not in seen:
            assert time.monotonic() < until, seen
            assert one.poll() is None, seen
            if select.select([ours], [], [], 1.0)[0]:
                seen += os.read(ours, 4096)
        os.write(ours, typed)
        out, _ = one.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert b"Traceback" not in out
    piped = subprocess.run(argv, input=typed.rstrip(b"\x04"), capture_output=True, check=False, cwd=ROOT)
    assert b"then Enter" not in piped.stderr
    assert piped.returncode == one.returncode
