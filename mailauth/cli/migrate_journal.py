"""The journal of a migration that begins now."""

from typing import TYPE_CHECKING, Any

from mailauth.errors import Refused

if TYPE_CHECKING:
    from mailauth.migrate.where import Where


def fresh_journal(where: "Where", rules: str, seal_to: str | None) -> Any:
    """``rules``: what is done, as JSON.  Raises UsageError, Refused."""
    import time  # noqa: PLC0415

    from mailauth.migrate import journal as journals  # noqa: PLC0415

    sealed = journals.checked_key(seal_to) if seal_to else ""
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
        sealed_to=sealed,
    )
    return journals.fresh(head)
