"""Whether what userdbs ask is a directory that gave no answer just now, so that asking again only waits.

``doveadm user`` takes about 3 s of Dovecot 2.4.1 then, each time, and says no more (measured).
"""

from mailauth.dovecot import ldap_settings
from mailauth.errors import CannotObserve
from mailauth.probes.scene import Scene
from mailauth.stores.directed import Directed

_AWAY = (Directed.DOWN, Directed.DROPS, Directed.SLOW)


def static_alone(scene: Scene) -> bool:
    """The one userdb is static, which asks the passdbs, and one of their directories is away."""
    return {one.driver for one in scene.config.userdbs} == {"static"} and bool(_away(scene))


def directory(scene: Scene) -> str:
    """The servers that all userdbs ask, where they are away; else ""."""
    away = _away(scene)
    userdbs = scene.config.userdbs
    if not away or not userdbs or any(one.driver != "ldap" for one in userdbs):
        return ""
    try:
        servers = {ldap_settings.servers_of(scene.config, one, scene.dovecot) for one in userdbs}
    except CannotObserve:
        return ""
    return ", ".join(sorted(servers)) if servers <= away else ""


def _away(scene: Scene) -> set[str]:
    """The servers of passdbs that were asked, and could not be."""
    return {one.told.place for one in scene.directories.values() if one.told.how in _AWAY}
