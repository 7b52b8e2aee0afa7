"""Whether what userdbs ask is a directory that gave no answer just now, so that asking again only waits.

``doveadm user`` takes about 3 s of Dovecot 2.4.1 then, and 10 s and more where TLS fails, each time, and says
no more (measured on 2.3.19.1 and 2.4.1).
"""

from mailauth.dovecot import ldap_settings
from mailauth.dovecot.authconfig import Userdb
from mailauth.errors import CannotObserve
from mailauth.probes import directed
from mailauth.probes.scene import Scene
from mailauth.stores.directed import Directed, Told

_LONG = (Directed.TLS, Directed.SLOW)
_AWAY = (Directed.DOWN, Directed.DROPS, *_LONG)


def static_alone(scene: Scene) -> bool:
    """The one userdb is static, which asks the passdbs, and one of their directories is away."""
    return {one.driver for one in scene.config.userdbs} == {"static"} and bool(_away(scene))


def directory(scene: Scene) -> str:
    """The servers that all userdbs ask, where they are away; else "".

    Raises CannotObserve where the first userdb waits for such a server, and another may answer after it; or
    where TLS fails in our own eyes, and Dovecot may see it otherwise.
    """
    away = {told.place: told for told in _away(scene)}
    if not away or not scene.config.userdbs:
        return ""
    asked = [_servers(scene, one) for one in scene.config.userdbs]
    if set(asked) <= set(away):
        if all(directed.sure(scene, away[one]) for one in asked):
            return ", ".join(sorted(set(asked)))
        raise CannotObserve(_WAITS.format(asked[0]))
    if asked[0] in away and away[asked[0]].how in _LONG:
        raise CannotObserve(_WAITS.format(asked[0]))
    return ""


_WAITS = (
    "the directory of the userdbs ({}) gave no answer just now, as LDAP001 says: doveadm user would only wait"
    " for it, and was not asked. Once the directory answers, this is decided"
)


def _servers(scene: Scene, userdb: Userdb) -> str:
    """Those that a userdb asks; "" where it asks no directory, or that cannot be read."""
    if userdb.driver != "ldap":
        return ""
    try:
        return ldap_settings.servers_of(scene.config, userdb, scene.dovecot)
    except CannotObserve:
        return ""


def _away(scene: Scene) -> list[Told]:
    """What servers of passdbs said that were asked, and gave no answer."""
    return [one.told for one in scene.directories.values() if one.told.how in _AWAY]
