"""Look up a user who does not exist: whether each store answers at all, whoever the user is.

check and checkup ask so; that no store has this user is no fault.
"""

from contextlib import suppress
from dataclasses import replace

from mailauth.dovecot.nobody import NOBODY
from mailauth.errors import CannotObserve, joined
from mailauth.evidence import DirectoryAnswers, LookedUp, NotApplicable, SystemAccounts
from mailauth.probes import lookup
from mailauth.probes.directory import observe_directories
from mailauth.probes.scene import Scene
from mailauth.probes.system_look import look_for_anybody
from mailauth.probes.walk import walk


def ask_passdbs(scene: Scene) -> LookedUp:
    """What each passdb says of nobody.  Raises CannotObserve."""
    return lookup.ask_each(of_nobody(scene))


def ask_userdbs(scene: Scene) -> LookedUp:
    """The userdbs' databases that fail.  Raises CannotObserve."""
    return lookup.ask_userdbs(of_nobody(scene))


def ask_directories(scene: Scene) -> DirectoryAnswers | NotApplicable:
    """What each directory says of nobody.  Raises CannotObserve."""
    return observe_directories(of_nobody(scene))


def ask_accounts(scene: Scene) -> SystemAccounts | NotApplicable:
    """What keeps everybody out of whom the system has.  Raises CannotObserve."""
    return look_for_anybody(of_nobody(scene))


def ask_stores(scene: Scene) -> LookedUp:
    """Every passdb, and the userdbs' databases; where a block makes a success of a refusal, its end, too.

    Raises CannotObserve, also where no store can be asked.
    """
    seen, passdbs = ask_passdbs(scene), scene.config.passdbs
    missed = {one.number for one in seen.unseen}
    stores = {one.number for one in passdbs if one.source}
    if stores and stores <= missed:
        raise joined([one for one in seen.unseen if one.number in stores])
    source = f"the passdbs, asked about {NOBODY}, a user that nobody has"
    with suppress(CannotObserve):  # what a passdb's store says is told all the same
        seen = replace(seen, userdbs=ask_userdbs(scene).userdbs)
    if any(one.result_failure.endswith("-ok") or one.result_internalfail.endswith("-ok") for one in passdbs):
        with suppress(CannotObserve):
            seen = replace(seen, wrong=walk(lookup.make_road(of_nobody(scene)), lambda _: False))
    return replace(seen, source=source)


def of_nobody(scene: Scene) -> Scene:
    """The same scene about nobody.  Raises CannotObserve where the name cannot be worked out."""
    scene = replace(scene, user=NOBODY)
    return replace(scene, names=lookup.observe_user_name(scene))
