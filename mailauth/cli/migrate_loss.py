"""What is read of a store before a migration writes: who would lose a login, and what its column shows."""

import time
from dataclasses import replace

from mailauth.cli.shared.progress import changing
from mailauth.counted import counted
from mailauth.errors import Refused
from mailauth.hashes.serving import lost
from mailauth.migrate import column
from mailauth.migrate.alike import Decider
from mailauth.migrate.apply import pages
from mailauth.migrate.decide import Wishes
from mailauth.migrate.mechanisms import refusal
from mailauth.migrate.where import Where, opened_whole

_COUNTING = 30.0  # seconds that more such rows are counted, once there is one
_PAGE = 5000  # rows


def beside_others(where: Where, wishes: Wishes) -> Wishes:
    """With what the whole column shows of its strings.  Raises Refused, CannotObserve."""
    if not column.matters(wishes):
        return wishes
    table = opened_whole(where, reading=True)
    try:
        with changing(None) as tell:
            return replace(wishes, made=column.made(table, wishes, _PAGE, tell))
    finally:
        table.close()


def losing_of(where: Where, wishes: Wishes) -> tuple[str, ...]:
    """Mechanisms that plaintexts serve today, and that the hashes which are made of them do not."""
    return lost(where.offered, "PLAIN", wishes.goal.scheme) if where.order is not None else ()


def none_loses(where: Where, wishes: Wishes, losing: tuple[str, ...]) -> None:
    """Raises Refused where a plaintext would be hashed, which serves these mechanisms today.

    One such row is enough, so the others are only counted for a while.
    """
    decider, rows, looked, until, whole = Decider(wishes), 0, 0, time.monotonic() + _COUNTING, True
    table = opened_whole(where, reading=True)
    try:
        with changing(None) as tell:
            for some in pages(table, None, _PAGE):
                rows += len(decider.swaps(some)[1])
                looked += len(some)
                tell(looked, 0)
                if rows and time.monotonic() > until:
                    whole = False
                    break
    finally:
        table.close()
    if rows:
        clients = f"clients of {'' if whole else 'at least '}{counted(rows, 'row')}"
        raise Refused(refusal(losing, wishes.goal.scheme, clients))
