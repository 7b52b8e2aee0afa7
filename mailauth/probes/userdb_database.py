"""The databases of userdbs: whether each answers Dovecot's own query.

A login asks the userdb after the password was verified; where its database does not answer, the login fails
with the same words to the client as for a passdb's.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress

from mailauth.dovecot.authconfig import AuthConfig, Passdb, SqlSource, Userdb, who_verifies
from mailauth.dovecot.nobody import AS_LOOKUP
from mailauth.errors import CannotObserve
from mailauth.evidence import End
from mailauth.probes.scene import Scene
from mailauth.stores.store import Record

_SECONDS = 3.0
UNKNOWN = 67  # doveadm's status, src/doveadm/doveadm-auth.c: EX_NOUSER


def failing(
    scene: Scene, user: str, ask: Callable[[Passdb, str], Record]
) -> Iterator[tuple[Passdb, str, Record]]:
    """Those whose database fails: as if each were a passdb, its label, and what was said.

    What we cannot ask is passed over: doveadm user has the last word on the userdb.
    """
    for userdb in scene.config.userdbs:
        if isinstance(userdb.source, SqlSource):
            like = as_passdb(userdb, userdb.source)
            with suppress(CannotObserve):
                record = ask(like, user)
                if record.failure:
                    yield like, userdb.label, record


def is_asked(config: AuthConfig, end: End | None, unseen: bool, fields: frozenset[str]) -> bool:
    """Whether a login comes to the userdbs' databases, as far as can be seen.

    ``unseen``: some passdb was not looked into; ``fields``: what the passdbs bring.
    """
    if not opens_mail(config):
        return False
    if config.userdbs and config.userdbs[0].driver == "prefetch":
        return not any(name.startswith("userdb_") for name in fields)
    return unseen or (end is not None and end.lets_in)


def opens_mail(config: AuthConfig) -> bool:
    """Whether a login asks the userdbs at all."""
    return not config.without_userdb


def served(scene: Scene, user: str, *, unknown: bool = False) -> bool:
    """Whether the running Dovecot finds the user in its userdbs all the same.

    ``unknown``: that there is no such user is as good, since something answered.
    """
    try:
        status = scene.dovecot.run("doveadm", "user", *AS_LOOKUP, "-u", "--", user, timeout=_SECONDS).status
    except CannotObserve:
        return False
    return not status or (unknown and status == UNKNOWN)


def as_passdb(userdb: Userdb, source: SqlSource) -> Passdb:
    """A userdb's database, to be asked as a passdb's is."""
    worker, _ = who_verifies(source.driver, use_worker=False, use_cache=False, cache_with_worker=False)
    return Passdb(userdb.number, source.driver, userdb.name, "", source, "", worker, None)
