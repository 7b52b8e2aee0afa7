"""Put a new string where a user's record was read from."""

from mailauth.probes.lookup import fill_for
from mailauth.probes.scene import Case, Scene
from mailauth.stores import change
from mailauth.stores.change import Changed


def write(scene: Scene, case: Case, new: bytes) -> Changed:
    """Compare and set: the record must still be the one that was read.

    Raises Refused, with nothing changed, when it is not or the store does not let us write.
    """
    fill = fill_for(scene, case.passdb, case.record)
    return change.in_passdb(scene.dovecot, case.passdb, fill, case.record.stored, new)
