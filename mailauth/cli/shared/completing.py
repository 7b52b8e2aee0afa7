"""What a shell proposes for an operand: codes, schemes, and what can be taken back.  Nothing of a store.

Only a shell that waits for names imports what lists them.
"""

import importlib
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress

import click
from click.shell_completion import CompletionItem

import mailauth
from mailauth import digits

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
_FILE = re.compile(r"([a-z]{2,8}[0-9]{3})_(\w+)\.py")


def codes(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """All findings', by their files' names: the rules take long to import."""
    with os.scandir(f"{mailauth.__path__[0]}/rules") as files:
        found = sorted(one.groups() for each in files if (one := _FILE.fullmatch(each.name)))
    named = ((code.upper(), words.replace("_", " ")) for code, words in found)
    return [CompletionItem(code, help=words) for code, words in named if code.startswith(begun.upper())]


def schemes(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The names of the password schemes."""
    table = importlib.import_module("mailauth.hashes.schemes").SCHEMES
    return _those((one.name for one in table), begun.upper())


def kept(kind: str) -> Complete:
    """The identifiers of what ``kind`` ("fix", "migrate") has written down, the newest first."""

    def complete(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        names: list[str] = []
        with suppress(OSError):  # not ours to read, or nothing was ever written
            folder = importlib.import_module("mailauth.private").state(kind)
            names = [one.name for one in folder.iterdir() if digits.are(one.name[:8]) and one.is_dir()]
        return _those(sorted(names, reverse=True), begun)

    return complete


def _those(names: Iterable[str], begun: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(begun)]
