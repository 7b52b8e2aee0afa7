"""The changes of files as a unified diff that patch(1) takes, without the secrets beside them."""

import difflib
import re

from mailauth.fix.plan import FileChange

_SECRET = re.compile(r"(?i)pass|secret|connect|dnpw|api_?key|token|\bkey\s*=")


def diff(change: FileChange) -> str:
    """With three lines around each change, or with none where one of those could hold a secret."""
    text = _diff(change, 3)
    around = [line for line in text.splitlines() if line.startswith(" ")]
    return _diff(change, 0) if any(_SECRET.search(line) for line in around) else text


def _diff(change: FileChange, around: int) -> str:
    before, after = (_lines(content or b"") for content in (change.before, change.after))
    old = change.path if change.before is not None else "/dev/null"
    lines = difflib.unified_diff(before, after, old, change.path, n=around)
    return "".join(one if one.endswith("\n") else f"{one}\n\\ No newline at end of file\n" for one in lines)


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "surrogateescape").splitlines(keepends=True)
