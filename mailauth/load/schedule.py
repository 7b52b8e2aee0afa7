"""When requests are due.  The plan does not wait for answers: that is what makes the loop open."""

from math import sqrt
from typing import Protocol

from mailauth.records import dataclass

ALL = 1 << 60
"""More requests than can be sent."""


class Schedule(Protocol):
    """``seconds``: how long.  ``due_by``: how many are due ``at`` seconds after the beginning.

    ``due``: when the request with that number is due, from 0.
    """

    @property
    def seconds(self) -> float: ...

    def due_by(self, at: float) -> int: ...

    def due(self, number: int) -> float: ...


@dataclass(frozen=True, slots=True)
class Ramp:
    """From one rate to another, evenly; equal ones are a fixed rate."""

    rate: float
    to: float
    seconds: float

    def due_by(self, at: float) -> int:
        at = min(at, self.seconds - 1e-6)
        return int(self.rate * at + (self.to - self.rate) * at * at / (2 * self.seconds) + 1e-9) + 1

    def due(self, number: int) -> float:
        slope = (self.to - self.rate) / self.seconds
        if abs(slope) < 1e-9:
            return number / self.rate
        root = self.rate * self.rate + 2 * slope * number
        return (sqrt(root) - self.rate) / slope if root >= 0 else float("inf")


@dataclass(frozen=True, slots=True)
class Always:
    """As many as there may be in flight: a closed loop, in which a slow server is asked less."""

    seconds: float

    def due_by(self, at: float) -> int:  # noqa: ARG002
        return ALL * 2

    def due(self, number: int) -> float:  # noqa: ARG002
        return 0.0


def fixed(rate: float, seconds: float) -> Ramp:
    return Ramp(rate, rate, seconds)
