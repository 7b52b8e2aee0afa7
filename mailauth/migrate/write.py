"""Put a new string where a user's record was read from."""

from pathlib import Path

from mailauth.dovecot.authconfig import FileSource, SqlSource
from mailauth.dovecot.variables import Escape, expand, values
from mailauth.errors import Refused
from mailauth.probes.scene import Case, Scene
from mailauth.stores import change, query, sql
from mailauth.stores.change import Changed


def write(scene: Scene, case: Case, new: bytes) -> Changed:
    """Compare and set: the record must still be the one that was read.

    Raises Refused, with nothing changed, when it is not or the store does not let us write.
    """
    assert scene.names
    names, dialect, source = scene.names, scene.config.version.dialect, case.passdb.source
    known = values(names.looked_up, original=names.given, service=scene.service, dialect=dialect)
    old = case.record.stored

    def filled(template: str, escape: Escape = str) -> str:
        return expand(template, known, dialect, escape)

    if isinstance(source, FileSource):
        path = filled(source.path, lambda text: text.partition("/")[0])
        user = filled(source.username_format or "%u")
        return scene.dovecot.inside(lambda: change.in_file(Path(path), user, old, new))
    if isinstance(source, SqlSource):
        sql.prepare(source)
        select = query.read(source.query)
        return scene.dovecot.inside(lambda: change.in_database(source, select, filled, old, new))
    raise Refused(f"{case.passdb.label}: mailauth cannot write to this driver.")
