"""Put a new string where a user's record was read from."""

from mailauth.errors import Refused, RowChanged
from mailauth.migrate.where import Bind, of_directory
from mailauth.probes.accounts import as_dovecot
from mailauth.probes.lookup import fill_for
from mailauth.probes.scene import Case, Scene
from mailauth.stores import ask_directory, change, directory_change, directory_table
from mailauth.stores.change import Changed
from mailauth.stores.directory_change import Exchanged


def write(scene: Scene, case: Case, new: bytes, bind: Bind | None = None) -> Changed:
    """Compare and set: the record must still be the one that was read.

    ``bind``: who writes to a directory; None: whom Dovecot asks as.

    Raises Refused, with nothing changed, when it is not or the store does not let us write.
    """
    if case.passdb.how == "lookup":
        return _in_directory(scene, case, new, bind)
    fill = fill_for(scene, case.passdb, case.record)
    return change.in_passdb(scene.dovecot, case.passdb, fill, case.record.stored, new)


def _in_directory(scene: Scene, case: Case, new: bytes, bind: Bind | None) -> Changed:
    """By a child that has Dovecot's user and environment, which libldap reads."""
    name, old, label = case.record.place, case.record.stored, case.passdb.label
    source = of_directory(scene.dovecot, scene.config, case.passdb, bind)
    directory_table.prepare()
    identity, _ = as_dovecot(scene.dovecot, scene.config, case.passdb.verified_by)
    done = scene.dovecot.inside(
        lambda: directory_change.exchange(source, name, old, new),
        Exchanged,
        identity=identity,
        environment=dict(source.directory.environment),
        seconds=ask_directory.PATIENCE,
    )
    if done.changed:
        raise RowChanged(f"{label}: the entry was changed by someone else since it was read.")
    if done.why:
        raise Refused(f"{label}: {done.why}.")
    return Changed(name, old, new)
