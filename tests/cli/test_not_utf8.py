"""Bytes that are not UTF-8, typed or pasted: said as what they are."""

import subprocess
import sys

import pytest

from mailauth.visible import unicode_of, visible, with_bytes
from tests.cli.running import ROOT

LINE = (
    b"Nov 30 12:00:00 mx dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs):"
    b" user=<al\xffce>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.2, session=<x>\n"
)


@pytest.mark.parametrize(
    "words",
    [
        ("diagnose", b"al\xffce"),
        ("diagnose", "alice", "--host", b"al\xffce"),
        ("diagnose", "alice", "-c", b"/al\xffce"),
        ("explain", b"al\xffce"),
        ("explain", LINE, "--json"),
        ("explain", "-"),
        ("log", "--log", "-"),
        ("log", "--log", "-", "--json"),
        ("log", "--log", "-", "--log-timestamp", b"al\xffce"),
        ("log", "--log", b"/al\xffce"),
        ("fix", b"al\xffce"),
        ("fix", "--undo", b"al\xffce"),
        ("hash", "new", "--scheme", b"al\xffce"),
        ("hash", "show", "--default-scheme", b"al\xffce", "x"),
        ("hash", "convert", "--default-scheme", b"al\xffce", "x"),
        ("check", b"al\xffce"),
        (b"al\xffce",),
    ],
    ids=lambda words: " ".join(str(one)[:12] for one in words),
)
def test_a_byte_that_is_not_utf8_is_shown_as_that_byte(words: tuple[str | bytes, ...]) -> None:
    """Pasted or typed: no surrogate, of which nobody knows what it is, and no bug."""
    done = subprocess.run(
        [sys.executable, "-m", "mailauth", *words], cwd=ROOT, capture_output=True, check=False, input=LINE
    )
    said = done.stdout + done.stderr
    assert b"a bug" not in said
    assert b"udcff" not in said
    assert b"\xef\xbf\xbd" not in said
    if words[0] not in ("explain", "hash"):  # they name nothing that is not known
        said = said.replace(b"AL\\xffCE", b"al\\xffce")
        assert b"al\\xffce" in said or b"al\\\\xffce" in said, said


def test_what_was_typed_is_kept_apart_from_it() -> None:
    """Four characters that look like such a byte's surrogate stay what they are."""
    done = subprocess.run(
        [sys.executable, "-m", "mailauth", "fix", r"x\udcff"], cwd=ROOT, capture_output=True, check=False
    )
    assert rb"there is no finding X\UDCFF" in done.stderr
    assert with_bytes(repr(r"x\udcff")) == r"'x\\udcff'"
    assert with_bytes(repr("x\udcff")) == r"'x\xff'"
    assert (visible("\udc80\ud800"), unicode_of("\udcff\ud800a")) == (r"\x80\ud800", r"\xff\ud800a")
