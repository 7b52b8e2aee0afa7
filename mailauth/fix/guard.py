"""SIGINT, SIGTERM and SIGHUP end a fix between its steps, never within one."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """Asked to stop."""


class Guard:
    """While it is open, a signal raises Interrupted at once where that harms nothing, else afterwards."""

    def __init__(self) -> None:
        self._held = False
        self._caught = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """A step that is done wholly; whoever asked to stop is heard at its end."""
        was, self._held = self._held, True
        try:
            yield
        finally:
            self._held = was
        if self._caught and not was:
            self._held = True
            raise Interrupted

    def finish(self) -> None:
        """From now on nothing interrupts: what is left is to leave all in order."""
        self._held = True

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._caught = True
        if not self._held:
            self._held = True  # once is enough
            raise Interrupted
