"""Where no passdb knows a user: who is there under much the same name, or left out by a condition.

A few more questions to the same stores, read-only and bounded in number; asked of unknown users only.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from mailauth import lines
from mailauth.dovecot.authconfig import OF_THE_SYSTEM, FileSource, Passdb, SqlSource
from mailauth.errors import CannotObserve
from mailauth.evidence import Disabled, NearName
from mailauth.probes import client_values, name_forms
from mailauth.probes.scene import Scene
from mailauth.stores import joined, loosened, passwd_file
from mailauth.stores.conditions import Part
from mailauth.stores.pasted import Row
from mailauth.stores.store import Failing, Outcome, Record

LINES = 200_000  # of a passwd-file
_CONDITIONS = 8  # of a query, tried one by one

Ask = Callable[[Passdb, str], Record]


def names(passdbs: tuple[Passdb, ...], scene: Scene, ask: Ask) -> tuple[NearName, ...]:
    """Other names that the passdbs do know: as it was given, in another case, with or without a domain."""
    found: list[NearName] = []
    for passdb in passdbs:
        try:
            if isinstance(passdb.source, FileSource):
                found += _in_file(passdb, scene, ask)
            elif isinstance(passdb.source, SqlSource):
                found += _in_database(passdb, passdb.source, scene, ask)
            elif passdb.driver in OF_THE_SYSTEM:
                found += _of_the_system(passdb, scene, ask)
        except CannotObserve:
            continue  # what could not be asked is no finding; that nobody was found has been said
    return tuple(found)


def _of_the_system(passdb: Passdb, scene: Scene, ask: Ask) -> list[NearName]:
    """The account by the name without its domain, or as the client gave it."""
    assert scene.names
    looked_up, given = scene.names.looked_up, scene.names.given
    for name in dict.fromkeys((looked_up.partition("@")[0], given, given.partition("@")[0])):
        if name not in ("", looked_up):
            record = ask(passdb, name)
            if record.outcome not in (Outcome.UNKNOWN_USER, Outcome.FAILED):
                return [NearName(passdb.label, record.place, name)]
    return []


def _in_file(passdb: Passdb, scene: Scene, ask: Ask) -> list[NearName]:
    assert scene.names
    looked_up, given = scene.names.looked_up, scene.names.given
    record = ask(passdb, looked_up)
    if record.outcome is not Outcome.UNKNOWN_USER or record.absent:
        return []
    wanted = record.wanted
    other = "" if wanted == looked_up else wanted
    odd: list[NearName] = []
    try:
        with passwd_file.opened(scene.dovecot.path(record.place)) as file:
            for number, (line, _) in enumerate(islice(lines.sized(file), LINES), 1):
                name = passwd_file.name_of(line).decode("utf-8", "replace")
                place = f"{record.place}:{number}"
                if name and (name == given or any(_alike(name, one) for one in (wanted, looked_up, given))):
                    return [NearName(passdb.label, place, name, wanted=other)]
                if name and (form := name_forms.same(name, wanted) or name_forms.same(name, looked_up)):
                    return [NearName(passdb.label, place, name, wanted=other, form=form)]
                if not odd and (why := passwd_file.misread(line, wanted.encode(), number)):
                    odd = [NearName(passdb.label, place, wanted, why, wanted=other)]
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
    for query, place in source.earlier:
        record = ask(replace(passdb, source=replace(source, query=query)), looked_up)
        if record.outcome is Outcome.FOUND:
            return [NearName(passdb.label, place, looked_up, overruled=source.query_place or source.place)]
    percent = "%%" if scene.config.version.dialect == "2.3" else "%"
    tries = [(source.query, given), (source.query, looked_up.partition("@")[0])]
    forms = dict(name_forms.others(looked_up))
    tries += [(source.query, form) for form in forms]
    tries.append((loosened.any_case(source.query), looked_up))
    domainless = in_domains = ""
    if "@" not in looked_up:
        domainless = loosened.without_domain(source.query)
        in_domains = loosened.any_domain(source.query, percent)
        tries += [(in_domains, looked_up), (domainless, looked_up)]
    elif "@" not in given:  # another domain than the one that was added
        tries.append((loosened.any_domain(source.query, percent), given))
    blanks = loosened.any_blanks(source.query), loosened.any_blanks(source.query, loosened.UNSEEN)
    tries += [(query, looked_up) for query in blanks]
    for query, name in tries:
        if not query or (query, name) == (source.query, looked_up):
            continue
        record = ask(replace(passdb, source=replace(source, query=query)), name)
        several = query == domainless and record.failure and record.failure.kind is Failing.ROWS
        if record.outcome in (Outcome.FOUND, Outcome.NO_PASSWORD) or several:
            stored = dict(record.values).get("user") or dict(record.values).get("userid") or ""
            if query == source.query and stored in ("", looked_up):
                stored = name  # the row has a part of the name that it was asked for
            elif not stored and query not in blanks:
                stored = _called(passdb, source, query, name, ask)
            stored = stored or name
            in_a_domain = "@" not in stored and query in (domainless, in_domains) and query != source.query
            return [
                NearName(
                    passdb.label,
                    record.place,
                    stored,
                    blanks=query in blanks,
                    form=forms.get(name, "") if query == source.query else "",
                    in_a_domain=in_a_domain,
                )
            ]
    return []


def _called(passdb: Passdb, source: SqlSource, loose: str, name: str, ask: Ask) -> str:
    """What the table calls the one row that a loosened query finds; "" where it does not tell."""
    query = loosened.names_found(loose, source.query)
    if not query:
        return ""
    with suppress(CannotObserve):
        record = ask(replace(passdb, source=replace(source, query=query)), name)
        if record.outcome is Outcome.FOUND:
            first, last = record.stored.decode("utf-8", "replace"), dict(record.values).get("last", "")
            return first if first == last else ""
    return ""


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
    passdbs: tuple[Passdb, ...],
    scene: Scene,
    ask: Callable[[Passdb], Record],
    row_of: Callable[[Passdb], Row | None],
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
            found += _left_out_by_a_join(passdb, source, others, ask)
            continue
        # To blame is each that leaves the row out by itself
        alone = ((one, tuple(other for other in others if other is not one)) for one in others)
        parts = tuple(one for one, rest in alone if is_there(rest) is None) or others
        blame = tuple(one.text for one in parts)
        sent = tuple(one for text in blame for one in client_values.compared(scene, passdb, text))
        which = replace(source, query=loosened.without(source.query, parts))
        row = row_of(replace(passdb, source=which))
        found.append(Disabled(passdb.label, there.place, blame, sent, row=row))
    return tuple(found)


def _left_out_by_a_join(
    passdb: Passdb, source: SqlSource, others: tuple[Part, ...], ask: Callable[[Passdb], Record]
) -> list[Disabled]:
    """The user's row, to which no row of another table comes: no domain, no quota."""

    def is_there(query: str) -> Record | None:
        with suppress(CannotObserve):
            record = ask(replace(passdb, source=replace(source, query=query)))
            if record.outcome in (Outcome.FOUND, Outcome.NO_PASSWORD):
                return record
        return None

    looser = loosened.without(source.query, others)
    for query in filter(None, dict.fromkeys((source.query, looser, loosened.without_domain(looser)))):
        joins = joined.inner(query)[:_CONDITIONS]
        if joins and (there := is_there(joined.outer(query, joins))):
            each = ((one, tuple(other for other in joins if other is not one)) for one in joins)
            blame = tuple(one.text for one, rest in each if is_there(joined.outer(query, rest)) is None)
            return [Disabled(passdb.label, there.place, blame, joins=True)] if blame else []
    alone, conditions = joined.of_one_table(source.query, loosened.parts(source.query))
    if alone and (there := is_there(alone)):
        return [Disabled(passdb.label, there.place, conditions, joins=True)]
    return []
