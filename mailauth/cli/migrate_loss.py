"""Mechanisms that clients use today, and that the new hashes would not serve."""

from mailauth.errors import Refused
from mailauth.hashes.serving import lost
from mailauth.migrate.apply import plan
from mailauth.migrate.decide import Wishes
from mailauth.migrate.mechanisms import refusal
from mailauth.migrate.where import Where, opened_whole


def losing_of(where: Where, wishes: Wishes) -> tuple[str, ...]:
    """Mechanisms that plaintexts serve today, and that the hashes which are made of them do not."""
    return lost(where.offered, "PLAIN", wishes.goal.scheme) if where.order is not None else ()


def none_loses(where: Where, wishes: Wishes, losing: tuple[str, ...], page: int) -> None:
    """Raises Refused where a plaintext would be hashed, which serves these mechanisms today."""
    table = opened_whole(where, reading=True)
    try:
        found = plan(table, wishes, lambda *_: None, page=page)
    finally:
        table.close()
    if rows := sum(line.rows for line in found.lines if line.action == "rehash"):
        raise Refused(refusal(losing, wishes.goal.scheme, f"clients of {rows} rows"))
