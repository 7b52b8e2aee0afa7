"""``mailauth ... | head -1``, and a full disk behind ``>``: a status and at most a sentence, no traceback."""

import os
import subprocess
import sys

import pytest

from tests.cli.running import ROOT

_WORDS = {
    "nothing": (),
    "the help": ("--help",),
    "the version": ("--version",),
    "a command's help": ("hash", "--help"),
    "what Click answers": ("hash", "show", "{PLAIN}x"),
    "a list": ("hash", "new", "--profile", "list"),
}


@pytest.mark.parametrize("words", list(_WORDS.values()), ids=list(_WORDS))
def test_nobody_reads_on(words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = _ran(words, writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("words", list(_WORDS.values()), ids=list(_WORDS))
def test_there_is_no_room(words: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - no file's
        done = _ran(words, full.fileno())
    assert done.returncode == 3
    assert done.stderr.startswith("mailauth: ")
    assert done.stderr.endswith("cannot be written (No space left on device).\n")
    assert done.stderr.count("\n") == 1


def _ran(words: tuple[str, ...], out: int) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "mailauth", *words]
    return subprocess.run(argv, stdout=out, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
