"""The passdbs that were not looked into, and the mechanism for which the others were followed."""

from mailauth.dovecot.authconfig import AuthConfig, Passdb
from mailauth.dovecot.drivers import Question
from mailauth.dovecot.sizes import show_limit
from mailauth.evidence import End, Said, Unseen
from mailauth.probes.scene import Scene
from mailauth.probes.walk import Road

_SENDING = ("PLAIN", "LOGIN")  # a client that has a password sends it so, where it may


def not_asked(road: Road) -> tuple[Unseen, ...]:
    """The passdbs that could not be asked."""
    missed = [(one, road.unasked[one.number]) for one in road.config.passdbs if one.number in road.unasked]
    return tuple(
        Unseen(one.number, one.label, f"{why}{_room(road.config, one)}", one.unread.open, why.needs_root)
        for one, why in missed
    )


def _room(config: AuthConfig, passdb: Passdb) -> str:
    """Who verifies a hash that is not seen, and how large that process may grow."""
    if Question.MEMORY not in passdb.unread.open:
        return ""
    limit = show_limit(config.services[passdb.verified_by].vsz_limit)
    return f"; a hash that it returns is verified by {passdb.verified_by} (vsz_limit: {limit})"


def of_other_mechanisms(scene: Scene, end: End) -> tuple[Unseen, ...]:
    """The passdbs that are for other mechanisms, where it was not said which one the client uses."""
    skipped = {step.number for step in end.steps if step.said is Said.SKIPPED and not scene.mechanism}
    found = []
    for one in scene.config.passdbs:
        offered = [name for name in scene.config.mechanisms if one.takes(name)]
        if one.number in skipped and one.mechanisms and one.source is None and offered:
            why = f"it is for {', '.join(offered)} only; {one.source_problem}"
            found.append(Unseen(one.number, one.label, why))
    return tuple(found)


def mechanism(scene: Scene) -> str:
    """The client's; else the first of those offered that a passdb is for: a password's before a token's."""
    offered = [*(name for name in _SENDING if name in scene.config.mechanisms), *scene.config.mechanisms]
    passdbs = [one for one in scene.config.passdbs if not one.deny]
    served = (name for name in offered if any(one.takes(name) for one in passdbs))
    return scene.mechanism.upper() or next(served, "PLAIN")
