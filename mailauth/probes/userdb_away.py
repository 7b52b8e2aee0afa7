"""Whether what userdbs ask is a directory that gave no answer just now, so that asking again only waits.

``doveadm user`` takes 3 to 4 s of Dovecot 2.4.1 and 2.4.5 then, and 10 s and more where TLS fails, each time,
and says no more (measured on these and 2.3.19.1).
"""

from mailauth.dovecot import ldap_settings
from mailauth.dovecot.authconfig import Userdb
from mailauth.dovecot.ldap_settings import Directory
from mailauth.errors import CannotObserve
from mailauth.evidence.directory import OF_THE_CONNECTION
from mailauth.probes import directed
from mailauth.probes.scene import Scene
from mailauth.stores.directed import Directed, Told

_LONG = (Directed.TLS, Directed.SLOW)


def static_alone(scene: Scene) -> bool:
    """The one userdb is static, which asks the passdbs, and one of their directories is away."""
    return {one.driver for one in scene.config.userdbs} == {"static"} and bool(_away(scene))


def directory(scene: Scene) -> str:
    """The servers that all userdbs ask as a passdb did just now, in vain; else "".

    Raises CannotObserve where the first userdb waits for such a server, and another may answer after it; or
    where TLS fails in our own eyes, and Dovecot may see it otherwise.
    """
    away = _away(scene)
    if not away or not scene.config.userdbs:
        return ""
    seen = [_of_userdb(scene, one, away) for one in scene.config.userdbs]
    told = [one for one in seen if one]
    if len(told) == len(seen) and all(directed.sure(scene, one) for one in told):
        return ", ".join(sorted({one.place for one in told}))
    if seen[0] and (len(told) == len(seen) or seen[0].how in _LONG):
        raise CannotObserve(
            f"the directory of the userdbs ({seen[0].place}) gave no answer just now, as LDAP001 says:"
            " a lookup would only wait for it, and was not made. Once the directory answers, this is decided"
        )
    return ""


def _of_userdb(scene: Scene, userdb: Userdb, away: list[tuple[Directory, Told]]) -> Told | None:
    """What was seen of the connection that a userdb asks by; None where it asks otherwise, or is not read."""
    if userdb.driver != "ldap":
        return None
    try:
        its = ldap_settings.read_userdb(scene.config, userdb, scene.dovecot).connection
    except CannotObserve:
        return None
    return next((told for asked, told in away if asked.connection == its), None)


def _away(scene: Scene) -> list[tuple[Directory, Told]]:
    """The directories of passdbs to which there is no connection, and what was seen of each."""
    passdbs = {one.number: one for one in scene.config.passdbs}
    return [
        (ldap_settings.read(scene.config, passdbs[number], scene.dovecot), answer.told)
        for (number, _, _), answer in scene.directories.items()
        if answer.told.how in OF_THE_CONNECTION
    ]
