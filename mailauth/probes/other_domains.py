"""Where no passdb knows a user: the same name in other domains, as the stores have it.

One more question to each store, read-only; asked of unknown users only.
"""

from dataclasses import replace
from itertools import islice

from mailauth import lines
from mailauth.dovecot.authconfig import FileSource, Passdb, SqlSource
from mailauth.errors import CannotObserve
from mailauth.evidence import NearName
from mailauth.probes.near import LINES, Ask
from mailauth.probes.scene import Scene
from mailauth.stores import loosened, passwd_file
from mailauth.stores.store import Outcome

_MOST = 3  # names of a store


def find(passdbs: tuple[Passdb, ...], scene: Scene, ask: Ask) -> tuple[NearName, ...]:
    """Those of each store: all of a passwd-file, of a database the first and the last."""
    assert scene.names
    looked_up = scene.names.looked_up
    local = looked_up.partition("@")[0]
    found: list[NearName] = []
    for passdb in passdbs:
        try:
            if isinstance(passdb.source, FileSource):
                place, names = _in_file(passdb, scene, ask, local)
            elif isinstance(passdb.source, SqlSource):
                place, names = _in_database(passdb, passdb.source, scene, ask, local)
            else:
                continue
        except (CannotObserve, OSError):
            continue  # what could not be asked is no finding; that nobody was found has been said
        names = [name for name in dict.fromkeys(names) if name.casefold() != looked_up.casefold()]
        others = [name for name in names if _same(name, local)]
        found += [NearName(passdb.label, place, name) for name in others[:_MOST]]
    return tuple(found)


def _same(name: str, local: str) -> bool:
    """In the database, "_" and "%" of a name stand for any letters."""
    own, at, domain = name.partition("@")
    return bool(local and at and domain) and own.casefold() == local.casefold()


def _in_file(passdb: Passdb, scene: Scene, ask: Ask, local: str) -> tuple[str, list[str]]:
    """Raises OSError, and CannotObserve."""
    record = ask(passdb, local)
    if record.absent:
        return record.place, []
    with passwd_file.opened(scene.dovecot.path(record.place)) as file:
        begun = (passwd_file.name_of(line) for line, _ in islice(lines.sized(file), LINES))
        names = (name.decode("utf-8", "replace") for name in begun)
        return record.place, list(islice((name for name in names if _same(name, local)), _MOST))


def _in_database(
    passdb: Passdb, source: SqlSource, scene: Scene, ask: Ask, local: str
) -> tuple[str, list[str]]:
    """Raises CannotObserve."""
    percent = "%%" if scene.config.version.dialect == "2.3" else "%"
    query, of_domain = loosened.names_in_domains(source.query, percent)
    if not query:
        return "", []
    record = ask(replace(passdb, source=replace(source, query=query)), local)
    if record.outcome is not Outcome.FOUND:
        return "", []
    names = [record.stored.decode("utf-8", "replace"), dict(record.values).get("last", "")]
    return record.place, [f"{local}@{name}" if of_domain else name for name in names if name]
