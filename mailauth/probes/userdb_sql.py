"""What a userdb's query returns as uid and gid, where Dovecot does not take it: its log leaves values out."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from mailauth.dovecot.authconfig import SqlSource, Userdb
from mailauth.dovecot.variables import ExpandError, filled_with
from mailauth.errors import CannotObserve
from mailauth.evidence.userdb import Refused
from mailauth.probes import accounts, merged, userdb_database
from mailauth.probes.lookup import ask_sql
from mailauth.probes.scene import Scene
from mailauth.stores import passwd_file
from mailauth.stores.store import Record

TEMPFAIL = "tempfail"
_TABLES = {"uid": "passwd", "gid": "group"}


def refused_ids(scene: Scene, user: str) -> tuple[Refused, ...]:
    """The ids that are no number, and no name of that system."""
    found: list[Refused] = []
    for _, record in _answers(scene, user):
        for name, value in record.values:
            if name in _TABLES and accounts.number(scene.dovecot, value, _TABLES[name]) is None:
                shown = passwd_file.without_hash(value.encode("utf-8", "replace"))
                found.append(Refused(name, shown.decode("utf-8", "replace")))
    return tuple(found)


def forced(scene: Scene, user: str) -> str:
    """Which userdb's query returns tempfail; "" for none."""
    for userdb, record in _answers(scene, user):
        if any(name == TEMPFAIL for name, _ in record.values):
            return f"the query of {userdb.label} returns {TEMPFAIL}"
    return ""


def _answers(scene: Scene, user: str) -> Iterator[tuple[Userdb, Record]]:
    fill = filled_with(merged.variables_of(scene, user), scene.config.version)
    for userdb in scene.config.userdbs:
        source = userdb.source
        if not isinstance(source, SqlSource):
            continue
        like = userdb_database.as_passdb(userdb, source)
        with suppress(CannotObserve, ExpandError):
            yield userdb, ask_sql(scene, like, source, partial(fill, source.query))
