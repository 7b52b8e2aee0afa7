"""From where the user's entry lets a client log in, and whether this one is there."""

from contextlib import suppress

from mailauth.dovecot.messages import LogKind, Why
from mailauth.errors import CannotObserve
from mailauth.evidence import ClientAddress, LookedUp, NotApplicable, PassdbAnswer
from mailauth.probes.client_values import is_address
from mailauth.probes.log_tail import read_log
from mailauth.probes.scene import Scene
from mailauth.probes.walk import not_allowed


def in_log(scene: Scene) -> str:
    """From where the user last logged in, or was last refused for the address where no login worked.

    "" where no entry asks for it, where it is known, or the log does not say.
    """
    if scene.address or scene.names is None or scene.road is None or not scene.road.by_address:
        return ""
    names = {name.casefold() for name in (scene.names.given, scene.names.looked_up)}
    last = dict.fromkeys((LogKind.LOGGED_IN, LogKind.FAILED), "")
    with suppress(CannotObserve):
        log = read_log(scene, names)
        for event, _ in log.events if log else ():
            counts = event.kind is LogKind.LOGGED_IN or event.why is Why.ADDRESS
            if counts and event.kind in last and event.user.casefold() in names and is_address(event.ip):
                last[event.kind] = event.ip
    return last[LogKind.LOGGED_IN] or last[LogKind.FAILED]


def observe_address(scene: Scene, lookups: LookedUp) -> ClientAddress | NotApplicable:
    """Where the client is, if the entry says from where one may log in.  Raises CannotObserve."""
    for answer in lookups.answers:
        fields = {name: value for name, value in answer.restricts if name.endswith("_nets")}
        if not fields or answer.deny:
            continue
        nets = ", ".join(fields.values())
        allowed = not not_allowed(fields, scene.address)
        if allowed and not scene.address:
            raise CannotObserve(
                f"{answer.place} allows logins from {nets} only, and the client's address is not known: give"
                " it with --from-address."
            )
        return ClientAddress(
            _who_says(scene, answer, fields), scene.address, nets, allowed, answer.passdb, scene.logged
        )
    return NotApplicable(ClientAddress, "logins are allowed from everywhere")


def _who_says(scene: Scene, answer: PassdbAnswer, fields: dict[str, str]) -> str:
    """The entry, or the passdb's own block, whose fields every entry gets."""
    for entry in scene.road.entries.values() if scene.road else ():
        if entry.passdb.number == answer.number and not fields.keys() & dict(entry.record.values).keys():
            place = entry.passdb.place_of("override_fields", "default_fields", "fields")
            return f"its own block ({place}), for every user" if place else "its own block, for every user"
    return answer.place
