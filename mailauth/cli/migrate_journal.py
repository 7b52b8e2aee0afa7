"""The journal of a migration: begun now, or of the store that is named."""

import shlex
import time
from typing import Any

import click

from mailauth.cli.shared.given import those
from mailauth.errors import Refused, UsageError
from mailauth.migrate import journal as journals
from mailauth.migrate import sealing
from mailauth.migrate.journal import Head
from mailauth.migrate.where import Where
from mailauth.records import dataclass
from mailauth.stores.adding import Target
from mailauth.stores.swaps import Table


@dataclass(frozen=True, slots=True)
class Sealing:
    """What opens the journal later.  ``key``: a public one that was given; None for one made on the spot."""

    key: str | None
    without_plaintexts: bool


# The options that name the store that is changed, and what undo calls them.
_BIND = {
    "bind_dn": "--bind-dn",
    "bind_password_fd": "--bind-password-fd",
    "bind_password_file": "--bind-password-file",
    "insecure": "--insecure",
}
_STORE = {
    "config": "--config",
    "pid": "--pid",
    "passdb": "--passdb",
    "url": "--url",
    "url_fd": "--url-fd",
    "rows_query": "--rows-query",
    **_BIND,
}
_TARGET = {"to": "--url", "to_fd": "--url-fd", "to_rows_query": "--rows-query"}
_TARGET_PASSDB = {
    "config": "--config",
    "pid": "--pid",
    "to_passdb": "--passdb",
    "to_rows_query": "--rows-query",
    **_BIND,
}


def taking_back(name: str) -> str:
    """The command that takes back what the running one did in the migration ``name``."""
    given = click.get_current_context().params
    options = _STORE
    if "to_passdb" in given:
        options = _TARGET if given["to_passdb"] is None else _TARGET_PASSDB
    return shlex.join(("mailauth", "migrate", "undo", name, *those(options), "--apply"))


def must_be_of(head: Head, where: Where, table: Table | Target, said: str | None = None) -> None:
    """Raises UsageError where the journal belongs to another store, by what that is and not by its name.

    ``said``: the store's identity, by who knows that it is the same.  An undo of a move, interrupted or at
    its end, has taken the first and the last row away.
    """
    now, then = table.identity(), head.identity
    accept = f"if it is the same one, add --store {shlex.quote(now)}."
    taken_away = head.kind and head.state not in (journals.State.APPLYING, journals.State.APPLIED)
    if now == then != said and head.keys and not taken_away and not table.now(head.keys):
        keys = " nor ".join(", ".join(map(str, key)) for key in head.keys)
        raise UsageError(
            f"{head.id} changed {head.store}, and neither the first nor the last row of that ({keys}) is in"
            f" {now}: it may hold other rows by now. Name the right store, or, {accept}"
        )
    if now in (then, said):
        return
    if not then and head.store == where.label:  # a journal of before, which knows no more
        return
    raise UsageError(
        f"{head.id} changed {head.store} ({then or 'no more is known of it'}),"
        f" and this is {where.label} ({now});"
        f" name that store, or, {accept}"
    )


def fresh_journal(where: Where, table: Table | Target, rules: str, seal: Sealing) -> Any:
    """``rules``: what is done, as JSON.  Raises UsageError, Refused."""
    public = sealing.checked_key(seal.key) if seal.key else ""
    try:
        name = journals.fresh_id()
    except OSError as why:
        raise Refused(f"{why.filename}: no journal can be kept ({why.strerror}); run this as root.") from None
    head = journals.Head(
        id=name,
        store=where.label,
        config=where.config,
        rules=rules,
        state=journals.State.APPLYING,
        begun=time.time(),
        sealed_to=public,
        identity=table.identity(),
        without_plaintexts=seal.without_plaintexts,
        default_scheme=where.reader.default_scheme if where.passdb else "",
    )
    return journals.fresh(head) if public else journals.fresh_sealed(head)
