"""What the directories of passdbs of the driver ldap say of this user, without the user's password."""

from mailauth.dovecot.authconfig import Passdb
from mailauth.evidence import DirectoryAnswer, DirectoryAnswers, NotApplicable
from mailauth.probes import directed
from mailauth.probes.lookup import fill_for
from mailauth.probes.scene import Scene


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
    set_so, answer = directed.asked(scene, passdb, fill_for(scene, passdb))
    return DirectoryAnswer(
        passdb.label,
        answer.told,
        set_so.name,
        set_so.place,
        alone=_of_users(scene) == [passdb] and not passdb.username_filter,
        sure=directed.sure(scene, answer.told),
    )


def _of_users(scene: Scene) -> list[Passdb]:
    """The passdbs that can let a user in."""
    return [one for one in scene.config.passdbs if not one.deny and not one.master]
