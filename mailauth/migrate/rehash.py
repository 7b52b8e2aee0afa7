"""One user's hash, made again from the password of a login that Dovecot has just let in.

Everything is looked at again: the row, whether this password matches it, whether the new hash matches the
password.  The row is changed only where it is still the one that was read.
"""

from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from mailauth import hashes
from mailauth.errors import CannotObserve, MailauthError, RowChanged
from mailauth.hashes import Hash, Password, Verdict
from mailauth.hashes.making import Order, make
from mailauth.hashes.serving import lost
from mailauth.migrate.goal import Goal, reached
from mailauth.migrate.mechanisms import offered
from mailauth.probes.lookup import look_up, make_road, observe_user_name
from mailauth.probes.scene import Case, Scene
from mailauth.records import dataclass


class Rehashed(Enum):
    """What became of one report; they are counted by these names."""

    MIGRATED = "migrated"
    ALREADY = "already there"
    NOT_OURS = "let in by another passdb, or a master user"
    FORGED = "the report was not sealed by our Dovecot"
    REPLAYED = "the report came before"
    NO_MATCH = "the password does not match the row any more"
    TOO_LONG = "the old scheme reads only the beginning of so long a password"
    CHANGED = "the row changed meanwhile"
    NOT_WRITTEN = "the store could not be written"
    NOT_READ = "the store could not be read"
    MECHANISM = "a mechanism that is offered needs what is stored (--accept-mechanism-loss)"
    NO_ROOM = "the new hash would not fit into the process that verifies it"
    NOT_MADE = "the new hash could not be made"
    NO_LOGIN = "the login failed, or was a master user's"
    PASSED_OVER = "passed over: too many reports failed"
    DROPPED = "dropped: too many logins waited; the user's next login comes again"
    REFUSED = "refused: a request that is not our Dovecot's"


@dataclass(frozen=True, slots=True)
class Done:
    """The outcome for one user, and a sentence of why where it is not plain."""

    outcome: Rehashed
    why: str = ""


Write = Callable[[Scene, Case, bytes], object]
"""Puts the new string where the case's record is; raises RowChanged, Refused, CannotObserve."""


def rehash(
    scene: Scene, goal: Goal, order: Order, write: Write, *, long_too: bool = False, accept_loss: bool = False
) -> Done:
    """Migrate ``scene.user``, whose password is ``scene.password``.

    ``order`` makes the new hash within the memory that its verifying process has.  ``long_too``: also
    where the old scheme reads only the beginning of the password.  ``accept_loss``: also where a mechanism
    that is offered is served by the old string only.
    """
    assert scene.password
    password = scene.password
    cases: list[Case] = []
    try:
        scene = replace(scene, names=observe_user_name(scene))
        scene = replace(scene, road=make_road(scene))
        answers = look_up(scene, cases).answers
    except CannotObserve as why:
        return Done(Rehashed.NOT_READ, str(why))
    writable = [case for case in cases if case.passdb.changeable]
    sound = [(case, case.hash) for case in writable if isinstance(case.hash, Hash)]
    if failed := [answer for answer in answers if answer.failure]:
        return Done(Rehashed.NOT_READ, f"{failed[0].place}: {failed[0].outcome.value}")
    if not sound:
        unread = _unread(scene)
        return Done(Rehashed.NOT_READ, unread) if unread else Done(Rehashed.NOT_OURS)
    if all(reached(parsed, goal) for _, parsed in sound):
        return Done(Rehashed.ALREADY)
    matching = next((pair for pair in sound if _matches(pair[1], password, scene.user)), None)
    if matching is None:
        return Done(Rehashed.NO_MATCH)
    case, parsed = matching
    if reached(parsed, goal):
        return Done(Rehashed.ALREADY)
    most = parsed.reads
    if most is not None and len(password.raw) > most and not long_too:
        return Done(Rehashed.TOO_LONG, f"{parsed.scheme.name} reads {most} bytes")
    losing = lost(offered(scene.config, case.passdb), parsed.scheme.name, goal.scheme)
    if losing and not accept_loss:
        return Done(Rehashed.MECHANISM, ", ".join(losing))
    return _renewed(scene, case, order, password, write)


def _unread(scene: Scene) -> str:
    """Why a passdb that may have the user was not read; "" where all were."""
    unasked = scene.road.unasked if scene.road else {}
    missed = (one for one in scene.config.passdbs if one.changeable and one.number in unasked)
    return next((f"{one.label}: {unasked[one.number]}" for one in missed), "")


def _matches(parsed: Hash, password: Password, user: str) -> bool:
    return hashes.verify_hash(parsed, password, user=user).verdict is Verdict.MATCH


def _renewed(scene: Scene, case: Case, order: Order, password: Password, write: Write) -> Done:
    made = make(order, password, scene.user)
    if not isinstance(made, str):
        room = made.verdict is Verdict.OUT_OF_MEMORY
        return Done(Rehashed.NO_ROOM if room else Rehashed.NOT_MADE, made.reason)
    if hashes.verify(made, password, user=scene.user).verdict is not Verdict.MATCH:
        return Done(Rehashed.NOT_MADE, "the new hash does not match the password it was made from")
    try:
        write(scene, case, made.encode())
    except RowChanged as why:
        return Done(Rehashed.CHANGED, str(why))
    except MailauthError as why:
        return Done(Rehashed.NOT_WRITTEN, str(why))
    return Done(Rehashed.MIGRATED)
