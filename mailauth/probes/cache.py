"""What the auth cache may have to say of the user: looked at only after real logins.

Dovecot's own lookup is answered by the cache, and shows of an entry only whether the user is known.  It
makes an entry where there is none, as the logins just did; so it is never made without them.
"""

from mailauth.dovecot.authconfig import Passdb
from mailauth.dovecot.nobody import AS_LOOKUP
from mailauth.errors import CannotObserve
from mailauth.evidence import CacheAnswer, NotApplicable
from mailauth.probes import own_lookup
from mailauth.probes.scene import Scene
from mailauth.stores.store import Record

_NO_USER = 67  # EX_NOUSER of sysexits.h
# Fields of an entry that refuse a login for another reason.
_RESTRICTING = frozenset(
    {"allow_nets", "allow_real_nets", "nologin", "noauthenticate", "proxy", "proxy_maybe"}
)


def observe_cache(scene: Scene) -> CacheAnswer | NotApplicable:
    """Whether the cache answers for the user's passdb, and whether it knows the user."""
    if not scene.login or scene.password is None:
        return NotApplicable(CacheAnswer, "no login was asked for")
    config = scene.config
    user = scene.looked_up
    on = config.tree.get("auth_cache_ttl", "1 hours").strip() not in ("0", "0 secs")
    having = [(passdb, record) for passdb, record in scene.having if _is_known(passdb, record)]
    cached = [passdb for passdb, _ in having if passdb.hit_verified_by is not None]
    if not (on and config.cache_size and cached):
        return CacheAnswer("doveconf", user, caches=False)
    restricts = [name for _, record in having for name in record.fields if name in _RESTRICTING]
    if config.tree.get("auth_policy_server_url"):
        restricts.append("auth_policy_server_url")
    return CacheAnswer(
        "doveadm auth lookup",
        user,
        caches=True,
        with_worker=config.cache_verify_with_worker,
        knows=None if own_lookup.one_panics(scene) else _knows(scene),
        restricts=tuple(dict.fromkeys(restricts)),
    )


def _is_known(passdb: Passdb, record: Record) -> bool:
    """Whether the cache keeps what this passdb says: of those that verify themselves, a directory's is kept.

    The password that its server took is kept as plaintext.  Source: auth_request_save_cache(), Dovecot
    2.3.19.1 src/auth/auth-request.c; measured on 2.3.19.1 and 2.4.1.
    """
    return not record.bind_as or passdb.driver == "ldap"


def _knows(scene: Scene) -> bool | None:
    """What Dovecot's own lookup says of the user; None where it says nothing."""
    try:
        ran = scene.dovecot.run(
            *("doveadm", "auth", "lookup", *AS_LOOKUP, "-x", f"service={scene.service}"),
            *("--", scene.user),
            timeout=10.0,
        )
    except CannotObserve:
        return None  # the logins have told enough
    return {0: True, _NO_USER: False}.get(ran.status)
