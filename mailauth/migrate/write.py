"""Put a new string where a user's record was read from."""

from mailauth.dovecot.variables import Escape, expand, values
from mailauth.probes.scene import Case, Scene
from mailauth.stores import change
from mailauth.stores.change import Changed


def write(scene: Scene, case: Case, new: bytes) -> Changed:
    """Compare and set: the record must still be the one that was read.

    Raises Refused, with nothing changed, when it is not or the store does not let us write.
    """
    assert scene.names
    names, dialect = scene.names, scene.config.version.dialect
    known = values(names.looked_up, original=names.given, service=scene.service, dialect=dialect)

    def filled(template: str, escape: Escape = str) -> str:
        return expand(template, known, dialect, escape)

    return change.in_passdb(scene.dovecot, case.passdb, filled, case.record.stored, new)
