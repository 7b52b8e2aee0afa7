"""Mechanisms that clients use today, and that the new hashes would not serve."""

from typing import TYPE_CHECKING

import click

from mailauth.errors import Refused

if TYPE_CHECKING:
    from mailauth.migrate.decide import Wishes
    from mailauth.migrate.where import Where

loss_option = click.option(
    "--accept-mechanism-loss",
    "accept_loss",
    is_flag=True,
    help="Also migrate rows that serve CRAM-MD5, SCRAM and the like; the new hashes cannot.",
)


def losing_of(where: "Where", wishes: "Wishes") -> tuple[str, ...]:
    """Mechanisms that plaintexts serve today, and that the hashes which are made of them do not."""
    from mailauth.hashes.serving import lost  # noqa: PLC0415 - --help needs none of it

    return lost(where.offered, "PLAIN", wishes.goal.scheme) if where.order is not None else ()


def none_loses(where: "Where", wishes: "Wishes", losing: tuple[str, ...], page: int) -> None:
    """Raises Refused where a plaintext would be hashed, which serves these mechanisms today."""
    from mailauth.migrate.apply import plan  # noqa: PLC0415 - --help needs none of it
    from mailauth.migrate.mechanisms import refusal  # noqa: PLC0415
    from mailauth.migrate.where import opened_whole  # noqa: PLC0415

    table = opened_whole(where, reading=True)
    try:
        found = plan(table, wishes, lambda *_: None, page=page)
    finally:
        table.close()
    if rows := sum(line.rows for line in found.lines if line.action == "rehash"):
        raise Refused(refusal(losing, wishes.goal.scheme, f"clients of {rows} rows"))
