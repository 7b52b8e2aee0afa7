"""From where the user's entry lets a client log in, and whether this one is there."""

from mailauth.errors import CannotObserve
from mailauth.evidence import ClientAddress, LookedUp, NotApplicable
from mailauth.probes.scene import Scene
from mailauth.probes.walk import not_allowed


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
                f"{answer.place} allows logins from {nets} only, and where the client is is not known: name"
                " that with --from-address."
            )
        return ClientAddress(answer.place, scene.address, nets, allowed, answer.passdb)
    return NotApplicable(ClientAddress, "logins are allowed from everywhere")
