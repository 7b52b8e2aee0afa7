"""What the verifications of one run may take: whoever may store a string may store one that takes an hour."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mailauth.hashes.hash import LIMITS, Judgement, Limits, Verdict
from mailauth.records import dataclass


@dataclass(slots=True)
class Allowance:
    """``limits`` of each verification; ``total``: seconds of all together; ``more``: what raises them."""

    limits: Limits = LIMITS
    total: float = math.inf
    more: str = ""
    spent: float = 0.0

    @property
    def left(self) -> float:
        """Seconds for the next one."""
        return min(self.limits.seconds, self.total - self.spent)

    @contextmanager
    def counted(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.spent += time.monotonic() - began

    def refused(self) -> Judgement | None:
        if self.spent < self.total:
            return None
        return Judgement(
            Verdict.UNSUPPORTED,
            f"not computed: all tries of hashes took {self.spent:.0f} s, and {self.total:.0f} s are"
            f" allowed{self.more}",
        )


_run = [Allowance()]  # of this process; the last one counts


def here() -> Allowance:
    """What is allowed now."""
    return _run[-1]


@contextmanager
def allowed(allowance: Allowance) -> Iterator[None]:
    """All verifications in here, whoever asks for them, go by this one."""
    _run.append(allowance)
    try:
        yield
    finally:
        _run.pop()
