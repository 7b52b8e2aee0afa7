"""What a query waited for that got no answer in time, as far as the server shows it to this account."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from mailauth.overdue import overdue

SHOWN = 3  # other sessions


@contextmanager
def watched(ask: Callable[[], str], after: float) -> Iterator[list[str]]:
    """What ``ask`` says, put into the list if all that is done inside takes longer than ``after`` seconds.

    MariaDB soon ends a query that waits for a lock when its client is gone: who asks later sees nothing.
    """
    found: list[str] = []
    with overdue(after, lambda: found.append(ask())):
        yield found


def said(what: str, sessions: Iterable[str]) -> str:
    """What it waits for, and the first of the other sessions."""
    told = list(sessions)[:SHOWN]
    return f"{what}; other sessions: {', '.join(told)}" if told else what


def session(number: object, user: object, host: object, state: object, seconds: object) -> str:
    """Another session, to be shown."""
    since = f" for {seconds} s" if seconds not in (None, "") else ""
    return f"{number} of {user or 'another user'} at {host or 'another host'} ({state or 'not shown'}{since})"


def text(value: Any) -> str:
    """A value of a server's own tables; "" for NULL."""
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
