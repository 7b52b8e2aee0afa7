"""Dovecot's own lookup of a user in its passdbs, and where that is not to be asked for.

Source: measured on 2.3.19.1: where libpq refuses the ``connect`` setting, each ``doveadm auth lookup`` makes
auth panic (src/auth/auth-request.c, auth_request_lookup_credentials_callback, the assertion on the state).
"""

from mailauth.dovecot.authconfig import Passdb, SqlSource
from mailauth.dovecot.nobody import AS_LOOKUP
from mailauth.errors import CannotObserve
from mailauth.probes.scene import Scene
from mailauth.probes.startup import observe_running
from mailauth.stores.store import Failing, Failure

_LOOKUP_SECONDS = 3.0
_FOUND, _NO_SUCH_USER = 0, 67  # what doveadm auth lookup ends with; 75 for a failure


def is_answered(scene: Scene, source: SqlSource, failure: Failure) -> bool:
    """Whether the running Dovecot can look the user up; one that does not answer soon cannot.

    It is not asked where that would make its auth process panic.
    """
    assert scene.names
    if panics(scene, source, failure) and not _has_older(scene, source):
        return False
    words = ("auth", "lookup", *AS_LOOKUP, "-x", f"service={scene.service}", "--", scene.names.looked_up)
    try:
        return scene.dovecot.run("doveadm", *words, timeout=_LOOKUP_SECONDS).status in (_FOUND, _NO_SUCH_USER)
    except CannotObserve:
        return False


def panics(scene: Scene, source: SqlSource, failure: Failure | None) -> bool:
    """Whether auth panics in a lookup, with the settings that it has now."""
    refused = failure is not None and failure.kind is Failing.SETTINGS
    return refused and source.driver == "pgsql" and scene.config.version.dialect == "2.3"


def one_panics(scene: Scene) -> bool:
    """The same for any passdb that was asked for this scene."""
    entries = scene.road.entries.values() if scene.road else ()
    return any(_panics(scene, entry.passdb, entry.record.failure) for entry in entries)


def _panics(scene: Scene, passdb: Passdb, failure: Failure | None) -> bool:
    return isinstance(passdb.source, SqlSource) and panics(scene, passdb.source, failure)


def _has_older(scene: Scene, source: SqlSource) -> bool:
    """Whether auth began before the settings were written, and so has others."""
    try:
        return source.place in observe_running(scene).changed
    except CannotObserve:
        return False
