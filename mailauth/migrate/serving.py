"""Before hashes are made on login: whether clients use a mechanism that needs what is stored now."""

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve, Refused
from mailauth.hashes.serving import lost
from mailauth.migrate.goal import Goal
from mailauth.migrate.mechanisms import offered, refusal
from mailauth.probes.survey import Ask, observe_surveys


def must_serve(dovecot: Installation, config: AuthConfig, goal: Goal) -> None:
    """Raises Refused where some rows serve a mechanism that is offered, and their new hashes would not.

    The stores are read only where a mechanism is offered that the new scheme does not serve.
    """
    losing = lost(config.mechanisms, "PLAIN", goal.scheme)
    if not losing:
        return
    try:
        seen = observe_surveys(Ask(dovecot, config))
    except CannotObserve as why:
        raise Refused(refusal(losing, goal.scheme, f"users (whose rows could not be read: {why})")) from None
    names: dict[str, None] = {}
    rows = 0
    for store in (one for one in seen.stores if one.passdb.has_rows):
        for one in store.survey.classes:
            if (
                found := lost(offered(config, store.passdb), one.scheme, goal.scheme)
                if one.damage is None
                else ()
            ):
                names |= dict.fromkeys(found)
                rows += one.rows
    if rows:
        raise Refused(refusal(tuple(names), goal.scheme, f"clients of {rows} rows"))
