"""Where no passdb knows a user: who is there under much the same name, or left out by a condition.

A few more questions to the same stores, read-only and bounded in number; asked of unknown users only.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from mailauth import lines
from mailauth.dovecot import inroot
from mailauth.dovecot.authconfig import FileSource, Passdb, SqlSource
from mailauth.errors import CannotObserve
from mailauth.evidence import Disabled, NearName
from mailauth.probes import client_values
from mailauth.probes.scene import Scene
from mailauth.stores import loosened, passwd_file
from mailauth.stores.conditions import Part
from mailauth.stores.store import Outcome, Record

_LINES = 200_000  # of a passwd-file
_CONDITIONS = 8  # of a query, tried one by one

Ask = Callable[[Passdb, str], Record]


def names(passdbs: tuple[Passdb, ...], scene: Scene, ask: Ask) -> tuple[NearName, ...]:
    """Other names that the passdbs do know: as it was given, in another case, with or without a domain."""
    found: list[NearName] = []
    for passdb in passdbs:
        try:
            if isinstance(passdb.source, FileSource):
                found += _in_file(passdb, passdb.source, scene)
            elif isinstance(passdb.source, SqlSource):
                found += _in_database(passdb, passdb.source, scene, ask)
        except CannotObserve:
            continue  # what could not be asked is no finding; that nobody was found has been said
    return tuple(found)


def _in_file(passdb: Passdb, source: FileSource, scene: Scene) -> list[NearName]:
    assert scene.names
    if "%" in source.path:
        return []
    looked_up, given = scene.names.looked_up, scene.names.given
    odd: list[NearName] = []
    try:
        with inroot.opened(scene.dovecot.path(source.path)) as file:
            for number, (line, _) in enumerate(islice(lines.sized(file), _LINES), 1):
                name = passwd_file.name_of(line).decode("utf-8", "replace")
                if name and (name == given or _alike(name, looked_up) or _alike(name, given)):
                    return [NearName(passdb.label, f"{source.path}:{number}", name)]
                if not odd and (why := passwd_file.misread(line, looked_up.encode(), number)):
                    odd = [NearName(passdb.label, f"{source.path}:{number}", looked_up, why)]
    except OSError:
        return []
    return odd


def _alike(one: str, other: str) -> bool:
    one, other = one.casefold(), other.casefold()
    bare = "@" not in one or "@" not in other
    return one == other or (bare and one.partition("@")[0] == other.partition("@")[0])


def _in_database(passdb: Passdb, source: SqlSource, scene: Scene, ask: Ask) -> list[NearName]:
    assert scene.names
    looked_up, given = scene.names.looked_up, scene.names.given
    percent = "%%" if scene.config.version.dialect == "2.3" else "%"
    tries = [(source.query, given), (source.query, looked_up.partition("@")[0])]
    tries.append((loosened.any_case(source.query), looked_up))
    if "@" not in looked_up:
        tries.append((loosened.any_domain(source.query, percent), looked_up))
    elif "@" not in given:  # another domain than the one that was added
        tries.append((loosened.any_domain(source.query, percent), given))
    blanks = loosened.any_blanks(source.query)
    tries.append((blanks, looked_up))
    for query, name in tries:
        if not query or (query, name) == (source.query, looked_up):
            continue
        record = ask(replace(passdb, source=replace(source, query=query)), name)
        if record.outcome in (Outcome.FOUND, Outcome.NO_PASSWORD):
            stored = dict(record.values).get("user") or dict(record.values).get("userid") or name
            return [NearName(passdb.label, record.place, stored, blanks=query == blanks)]
    return []


def comparing(passdbs: tuple[Passdb, ...], ask: Callable[[Passdb], Record]) -> tuple[Disabled, ...]:
    """Rows that are there, and that the query's own comparison with the password leaves out."""
    found = []
    for passdb in passdbs:
        source = passdb.source
        if not isinstance(source, SqlSource):
            continue
        dropped = tuple(part for part in loosened.parts(source.query) if part.of_password)
        if not dropped:
            continue
        query = loosened.without(source.query, dropped)
        with suppress(CannotObserve):
            record = ask(replace(passdb, source=replace(source, query=query)))
            if record.outcome in (Outcome.FOUND, Outcome.NO_PASSWORD):
                found.append(Disabled(passdb.label, record.place, tuple(part.text for part in dropped)))
    return tuple(found)


def disabled(
    passdbs: tuple[Passdb, ...], scene: Scene, ask: Callable[[Passdb], Record]
) -> tuple[Disabled, ...]:
    """Rows that are there, and that a condition of the query leaves out: ``active = '1'``."""
    found = []
    for passdb in passdbs:
        source = passdb.source
        if not isinstance(source, SqlSource):
            continue
        others = loosened.beside_the_name(source.query)[:_CONDITIONS]

        def is_there(
            dropped: tuple[Part, ...], passdb: Passdb = passdb, source: SqlSource = source
        ) -> Record | None:
            query = loosened.without(source.query, dropped)
            try:
                record = ask(replace(passdb, source=replace(source, query=query)))
            except CannotObserve:
                return None
            return record if record.outcome in (Outcome.FOUND, Outcome.NO_PASSWORD) else None

        if not others or (there := is_there(others)) is None:
            continue
        # To blame is each that leaves the row out by itself
        alone = ((one, tuple(other for other in others if other is not one)) for one in others)
        blame = tuple(one.text for one, rest in alone if is_there(rest) is None)
        blame = blame or tuple(one.text for one in others)
        sent = tuple(one for text in blame for one in client_values.compared(scene, passdb, text))
        found.append(Disabled(passdb.label, there.place, blame, sent))
    return tuple(found)
