"""The row that an answer came from, as it may stand in a line to paste."""

from mailauth.dovecot import entering
from mailauth.dovecot.authconfig import Passdb, SqlSource
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.variables import OF_THE_NAME, filled_with, used
from mailauth.errors import CannotObserve
from mailauth.probes.scene import Scene
from mailauth.stores import pasted, query, schema
from mailauth.stores.databases import DATABASES
from mailauth.stores.pasted import Row


def of(scene: Scene, passdb: Passdb, known: dict[str, str]) -> Row | None:
    """``known``: the variables of the lookup.

    None where the query is not of one row by the user's name, or a word of it has no strict form.
    """
    source, version = passdb.source, scene.config.version
    if not isinstance(source, SqlSource) or len(source.hosts) != 1 or query.without_scheme(source.query):
        return None
    select = query.read(source.query)
    if select is None or not query.simple(select):
        return None
    names = used(select.where, version.dialect)
    if not names or not OF_THE_NAME.issuperset(names):
        return None
    if not all(pasted.is_name(known.get(name, "")) for name in names):
        return None
    try:
        where = filled_with(known, version)(select.where, str)
    except CannotObserve:
        return None
    (host,), asked = source.hosts, DATABASES[source.driver]
    place = schema.column_of(select)
    return pasted.row(
        asked.place(host),
        () if _elsewhere(scene.dovecot) else asked.client(host),
        (select.tables, select.column, where),
        asked.without_blanks,
        asked.schema.widen(place) if place else "",
    )


def _elsewhere(dovecot: Installation) -> bool:
    """Its files, or its network, are not those of the shell in which the line is pasted."""
    if not dovecot.pid:
        return False
    try:
        apart = {"net", "mnt"} & set(entering.differing(dovecot.pid))
    except OSError:
        return True
    return bool(apart) or not entering.in_our_root(dovecot.pid)
