"""What the directories of passdbs of the driver ldap say of this user, without the user's password."""

import time

from mailauth.dovecot.authconfig import Passdb
from mailauth.evidence import DirectoryAnswer, DirectoryAnswers, NotApplicable
from mailauth.evidence.directory import FAILS
from mailauth.probes import directed
from mailauth.probes.lookup import fill_for
from mailauth.probes.scene import Scene
from mailauth.probes.walk import While, while_failing
from mailauth.stores.closed_entry import closed
from mailauth.stores.directed import Directed


def observe_directories(scene: Scene) -> DirectoryAnswers | NotApplicable:
    """What each says.  Raises CannotObserve where one cannot be asked."""
    if scene.names is None or scene.names.refused:
        return NotApplicable(DirectoryAnswers, "no passdb is asked for this name")
    mechanism = (scene.mechanism or "PLAIN").upper()
    passdbs = [one for one in scene.config.passdbs if not one.master]
    asked = [one for one in passdbs if one.driver == "ldap" and one.takes(mechanism)]
    if not asked:
        return NotApplicable(DirectoryAnswers, "no passdb asks a directory")
    told = [(one, _answer(scene, one)) for one in asked]
    answers = tuple(one for passdb, one in told if not passdb.deny or one.told.how in _FAILS)
    return DirectoryAnswers("the directories", answers)


def _answer(scene: Scene, passdb: Passdb) -> DirectoryAnswer:
    set_so, answer = directed.asked(scene, passdb, fill_for(scene, passdb))
    meanwhile = _meanwhile(scene, passdb, answer.told.how)
    return DirectoryAnswer(
        passdb.label,
        answer.told,
        set_so.name,
        set_so.place,
        alone=meanwhile is While.CLOSED,
        sure=directed.sure(scene, answer.told),
        anybody=meanwhile is While.ANYBODY,
        closed=closed(dict(answer.values), time.time()) if set_so.bind and answer.name else None,
    )


def _meanwhile(scene: Scene, passdb: Passdb, how: Directed) -> While:
    if how in _FAILS:
        return while_failing(scene.config, scene.road, passdb)
    alone = _of_users(scene) == [passdb] and not passdb.username_filter
    return While.CLOSED if alone else While.OPEN


_FAILS = FAILS | {Directed.SEVERAL}  # all else is to Dovecot what is known of the user


def _of_users(scene: Scene) -> list[Passdb]:
    """The passdbs that can let a user in."""
    return [one for one in scene.config.passdbs if not one.deny and not one.master]
