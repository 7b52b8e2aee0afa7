"""A file of ours for a server's user, whose folder it may be in by now: no link of theirs is followed."""

import os
from contextlib import suppress
from pathlib import Path

_ANEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def hand_over(file: Path, text: str, user: int | None, group: int | None) -> None:
    """Write it anew, for that user alone; None: it stays ours.  Raises OSError."""
    with suppress(FileNotFoundError):
        file.unlink()
    with os.fdopen(os.open(file, _ANEW, 0o600), "w", encoding="utf-8") as made:
        made.write(text)
        if user is not None and group is not None:
            os.fchown(made.fileno(), user, group)
