"""Ask the directories of passdbs of the driver ldap about this user, without the user's password."""

from dataclasses import replace

from mailauth.dovecot.authconfig import Passdb
from mailauth.dovecot.directory import read
from mailauth.evidence import DirectoryAnswer, DirectoryAnswers, NotApplicable
from mailauth.probes.accounts import as_dovecot
from mailauth.probes.lookup import fill_for
from mailauth.probes.scene import Scene
from mailauth.stores import directory
from mailauth.stores.directed import Directed, Told
from mailauth.stores.libldap import REFERRED


def observe_directories(scene: Scene) -> DirectoryAnswers | NotApplicable:
    """What each says.  Raises CannotObserve where one cannot be asked."""
    if scene.names is None or scene.names.refused:
        return NotApplicable(DirectoryAnswers, "no passdb is asked for this name")
    mechanism = (scene.mechanism or "PLAIN").upper()
    asked = [one for one in _of_users(scene) if one.driver == "ldap" and one.takes(mechanism)]
    if not asked:
        return NotApplicable(DirectoryAnswers, "no passdb asks a directory")
    return DirectoryAnswers("the directories", tuple(_answer(scene, one) for one in asked))


def _answer(scene: Scene, passdb: Passdb) -> DirectoryAnswer:
    set_so = read(scene.config, passdb, scene.dovecot)
    fields = dict((*passdb.default_fields, *passdb.override_fields))
    if "nopassword" in fields:
        set_so = replace(set_so, attribute="")
    filled = fill_for(scene, passdb)
    directory.prepare()
    identity, _ = as_dovecot(scene.dovecot, scene.config, passdb.verified_by)
    told = scene.dovecot.inside(
        lambda: directory.ask(set_so, filled), Told, identity=identity, environment=dict(set_so.environment)
    )
    return DirectoryAnswer(
        passdb.label,
        told,
        set_so.name,
        set_so.place,
        alone=_of_users(scene) == [passdb] and not passdb.username_filter,
        sure=told.code not in REFERRED and (told.how is not Directed.TLS or _same_tls(scene)),
    )


def _of_users(scene: Scene) -> list[Passdb]:
    """The passdbs that can let a user in."""
    return [one for one in scene.config.passdbs if not one.deny and not one.master]


def _same_tls(scene: Scene) -> bool:
    """Another root has another libldap; 2.4 sets options of TLS where some do not count (measured, 2.4.1)."""
    return scene.config.version.dialect == "2.3" and not scene.dovecot.pid
