"""What ``explain`` does; its options are in ``explain.py``, and in ``explain_words.py`` what takes longer."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mailauth.cli.shared.explained import explained
from mailauth.errors import UsageError
from mailauth.later import later

if TYPE_CHECKING:
    from mailauth.cli import explain_words
    from mailauth.cli.shared import files
else:
    files = later("mailauth.cli.shared.files")  # only for standard input
    explain_words = later("mailauth.cli.explain_words")  # imports all rules: a finding's text needs none

_MOST = 64 * 1024  # bytes of standard input


def explain(words: Sequence[str], as_json: bool) -> None:
    text = " ".join(words).strip()
    if text == "-":
        files.awaited(sys.stdin.fileno(), "a line of Dovecot's log")
        text = sys.stdin.buffer.read(_MOST).decode("utf-8", "surrogateescape").strip()
        if not text:
            raise UsageError("standard input has no line to explain.")
    if not as_json and (found := explained(text)):
        first, _, rest = found.explanation.partition("\n")
        click.echo(f"{found.code}  {found.title}  ({found.severity})\n\n{first}\n{rest}")
    else:
        explain_words.explain(text, as_json)
