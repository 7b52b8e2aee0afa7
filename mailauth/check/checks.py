"""The checks, in the order in which they are shown."""

from collections.abc import Callable

from mailauth.check import canary, failures, headroom, rows, server, workers
from mailauth.check.asked import Server
from mailauth.check.outcome import Outcome

Check = Callable[[Server, Callable[[Outcome], None]], Outcome]

CHECKS: tuple[tuple[str, Check], ...] = (
    (server.NAME, server.check_server),
    (canary.NAME, canary.check_canary),
    (headroom.NAME, headroom.check_headroom),
    (rows.NAME, rows.check_rows),
    (workers.NAME, workers.check_workers),
    (failures.NAME, failures.check_failures),
)
