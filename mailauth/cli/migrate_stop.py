"""How a migration is asked to stop."""

import os
import signal
from contextlib import suppress
from typing import Any, Self


class Stop:
    """SIGINT, SIGTERM and SIGHUP are heard between batches; a second one ends at once.

    Not a second SIGHUP: a terminal that is closed sends it, and the shell in it, too.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def asked(self) -> bool:
        return self._asked

    def __enter__(self) -> Self:
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if kind != signal.SIGHUP or signal.getsignal(kind) is not signal.SIG_IGN:  # nohup stays nohup
                self._before[kind] = signal.signal(kind, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for kind, before in self._before.items():
            signal.signal(kind, before)

    def _heard(self, kind: int, _frame: object) -> None:
        if self._asked:
            if kind == signal.SIGHUP:
                return
            signal.signal(kind, signal.SIG_DFL)
            signal.raise_signal(kind)
        self._asked = True
        with suppress(OSError):  # nobody may read it any more; and what is written now was not, perhaps
            os.write(2, b"stopping after this batch; once more ends at once\n")
