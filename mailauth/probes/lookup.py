"""Ask the passdbs as Dovecot does, and say of each what it says of the user."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from mailauth import hashes
from mailauth.dovecot.authconfig import (
    OF_THE_SYSTEM,
    AuthConfig,
    FileSource,
    Passdb,
    ServiceName,
    SqlSource,
    StaticSource,
)
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.environment import environment, of_this_machine
from mailauth.dovecot.username import UserNames, normalise
from mailauth.dovecot.variables import ExpandError, Fill, expand, filled_with, used, values
from mailauth.errors import CannotObserve, NoAnswerInTime, joined
from mailauth.evidence import LookedUp, Made, NearName, PassdbAnswer, Said, Unseen, UserName
from mailauth.hashes.nature import parsed_by
from mailauth.probes import (
    accounts,
    aliases,
    altered,
    asking_lua,
    asking_token,
    client_values,
    directed,
    hidden,
    made,
    near,
    nopassword,
    other_domains,
    own_lookup,
    row,
    system_accounts,
    unseen,
    userdb_database,
)
from mailauth.probes.readers import reader_of, verifying
from mailauth.probes.scene import Case, Scene
from mailauth.probes.walk import DECIDES, Road, WalkEntry, walk
from mailauth.stores import passwd_file, sql
from mailauth.stores.store import OF_NEW_CONNECTIONS, OF_THE_CONNECTION, Failing, Failure, Outcome, Record


def observe_user_name(scene: Scene) -> UserName:
    """The name that is looked up.  Raises CannotObserve when it cannot be worked out."""
    names: UserNames = normalise(scene.user, scene.config, scene.service)
    return UserName("auth_username_format", names.given, names.looked_up, names.refused, names.requested)


def look_up(scene: Scene, cases: list[Case]) -> LookedUp:
    """Ask the passdbs on every way that a password can take; ``cases`` is filled with those that have a hash.

    Raises CannotObserve when none has one, and a store that mailauth can read did not let itself be asked.
    """
    road = scene.road
    assert road
    assert scene.names
    verified: set[int] = set()

    def matches(entry: WalkEntry) -> bool:
        verified.add(entry.passdb.number)
        return True

    right, wrong = walk(road, matches), walk(road, lambda entry: not matches(entry))
    entries = sorted(road.entries.values(), key=lambda entry: entry.passdb.number)
    answers = tuple(
        replace(
            _answer(hidden.with_alike(entry, partial(_ask, scene, user=user, requested="")), user),
            made=_made(scene, entry, user, requested),
            altered=altered.of_lookup(entry.passdb, known, scene.config.version),
            row=row.of(scene, entry.passdb, known),
        )
        for (_, user, requested), entry in _by_number(road)
        for known in [_known(scene, entry.passdb, user, requested)]
    )
    cases += [
        _case(entry, scene.config)
        for entry in entries
        if entry.record.outcome is Outcome.FOUND and entry.passdb.number in verified
        if not entry.record.bind_as
    ]
    without = tuple((case.passdb.number, walk(road, _all_but(case.passdb))) for case in cases)
    missed = (*unseen.not_asked(road), *unseen.of_other_mechanisms(scene, right))
    if not cases and any(one.source and one.number in road.unasked for one in scene.config.passdbs):
        raise joined(missed)
    if not answers and not right.steps and right.said is not Said.REFUSED:
        raise CannotObserve(f"{scene.config.file} has no passdb that can be asked.")
    asked = tuple(entry.passdb for entry in entries if not entry.passdb.deny)
    found = LookedUp("the passdbs, in Dovecot's order", answers, missed, right, wrong, without)
    fields = frozenset(field for entry in entries for field in entry.record.fields)
    if userdb_database.is_asked(scene.config, right, bool(missed), fields):
        found = replace(found, userdbs=_userdbs(scene, right.user if right.lets_in else _looked_up(scene)))
    if not scene.names.requested and (found.unknown or not asked):
        found = _unknown_user(scene, found, asked)
    return found


def _unknown_user(scene: Scene, found: LookedUp, asked: tuple[Passdb, ...]) -> LookedUp:
    """With what is asked of a user only whom no passdb knows."""
    ask = partial(_ask, scene, user=_looked_up(scene), requested="")
    by_name = partial(_ask, scene, requested="")
    return replace(
        found,
        elsewhere=_elsewhere(scene, asked),
        near=near.names(asked, scene, by_name),
        other_domains=other_domains.find(asked, scene, by_name),
        disabled=near.disabled(
            asked, scene, ask, lambda one: row.of(scene, one, _known(scene, one, _looked_up(scene), ""))
        ),
        comparing=near.comparing(asked, ask),
        aliases=aliases.find(asked, _looked_up(scene), scene.config.version.dialect, ask),
        hidden=hidden.find(asked, ask),
    )


def _userdbs(scene: Scene, user: str, *, unknown: bool = False) -> tuple[PassdbAnswer, ...]:
    """The userdbs whose database fails; ``unknown``: nobody is expected to be there."""
    found = []
    for like, label, record in userdb_database.failing(
        scene, user, lambda one, name: _ask(scene, one, name, "")
    ):
        answer = replace(_answer(WalkEntry(like, record, {}), user), passdb=label)
        if answer.failure and userdb_database.served(scene, user, unknown=unknown):
            if answer.failure.kind not in OF_NEW_CONNECTIONS:
                continue  # another userdb has the user
            answer = replace(answer, failure=replace(answer.failure, still_served=True))
        found.append(answer)
    return tuple(found)


def ask_userdbs(scene: Scene) -> LookedUp:
    """The userdbs' databases that fail, whoever the user is.  Raises CannotObserve."""
    asked = userdb_database.opens_mail(scene.config)
    found = _userdbs(scene, _looked_up(scene), unknown=True) if asked else ()
    return LookedUp("the userdbs' databases", (), userdbs=found)


def _all_but(passdb: Passdb) -> Callable[[WalkEntry], bool]:
    return lambda entry: entry.passdb.number != passdb.number


def ask_each(scene: Scene) -> LookedUp:
    """Every passdb once, about one name, whatever it says of it: whether the stores answer at all."""
    assert scene.names
    answers: list[PassdbAnswer] = []
    problems: list[Unseen] = []
    for passdb in scene.config.passdbs:
        try:
            record = _ask(scene, passdb, _looked_up(scene), "")
        except CannotObserve as why:
            problems.append(Unseen(passdb.number, passdb.label, str(why), needs_root=why.needs_root))
        else:
            answers.append(_answer(WalkEntry(passdb, record, {}), _looked_up(scene)))
    return LookedUp("the passdbs, in Dovecot's order", tuple(answers), tuple(problems))


def _elsewhere(scene: Scene, asked: tuple[Passdb, ...]) -> tuple[NearName, ...]:
    """The passdbs that are not asked, and would know the user."""
    found = []
    for passdb in scene.config.passdbs:
        if passdb in asked or passdb.deny or passdb.master or passdb.source is None:
            continue
        with suppress(CannotObserve):
            record = _ask(scene, passdb, _looked_up(scene), "")
            if record.outcome in (Outcome.FOUND, Outcome.NO_PASSWORD):
                found.append(NearName(passdb.label, record.place, _looked_up(scene)))
    return tuple(found)


def make_road(scene: Scene) -> Road:
    """The passdbs of a scene, each asked once."""
    assert scene.names

    def ask(passdb: Passdb, user: str, requested: str) -> WalkEntry:
        record = _ask(scene, passdb, user, requested)
        try:
            fields = _values(scene, passdb, record, user, requested)
        except ExpandError as why:
            # With a bind Dovecot 2.4 logs it, and goes on without any field: passdb-ldap.c
            of_bind = bool(record.bind_as)
            return WalkEntry(passdb, record if of_bind else _not_expanded(record.place, why), {})
        return WalkEntry(passdb, record, fields)

    return Road(asking_token.with_mechanisms(scene), scene.names, scene.address, ask, unseen.mechanism(scene))


def _made(scene: Scene, entry: WalkEntry, user: str, requested: str) -> Made | None:
    """What a password that is NULL is made of."""
    source = entry.passdb.source
    if entry.record.outcome is not Outcome.NO_PASSWORD or not isinstance(source, SqlSource):
        return None

    def ask(query: str) -> Record:
        return _ask(scene, replace(entry.passdb, source=replace(source, query=query)), user, requested)

    return made.of(entry.passdb, ask, lambda record: bool(record.stored))


def _by_number(road: Road) -> list[tuple[tuple[int, str, str], WalkEntry]]:
    return sorted(road.entries.items(), key=lambda item: item[0][0])


def _looked_up(scene: Scene) -> str:
    assert scene.names
    return scene.names.looked_up


def _answer(entry: WalkEntry, user: str) -> PassdbAnswer:
    passdb, record = entry.passdb, entry.record
    source = passdb.source if isinstance(passdb.source, SqlSource) else None
    return PassdbAnswer(
        passdb.label,
        record.place,
        record.outcome,
        record.fields,
        number=passdb.number,
        source=source.place if source else "",
        credentials=source.credentials if source else "",
        query=source.query_place if source else "",
        driver=passdb.driver,
        user=user,
        deny=passdb.deny,
        master=passdb.master,
        restricts=entry.restricts,
        failure=record.failure,
        beside=record.beside,
        seconds=record.seconds,
        again=record.again,
        otherwise=record.otherwise,
        absent=record.absent,
        several=record.several,
        verified_there=bool(record.bind_as),
        path=passdb.source.path if isinstance(passdb.source, FileSource) else "",
    )


def _case(entry: WalkEntry, config: AuthConfig) -> Case:
    passdb = verifying(entry.passdb)
    return Case(passdb, entry.record, parsed(entry.record, passdb, config))


def parsed(record: Record, passdb: Passdb, config: AuthConfig) -> hashes.Hash | hashes.Flaw:
    """The stored string of a record as the passdb takes it."""
    return parsed_by(reader_of(config, passdb, noscheme=record.noscheme), record.stored)


def _known(scene: Scene, passdb: Passdb, user: str, requested: str) -> dict[str, str]:
    """The variables of a lookup, apart from those of the client."""
    assert scene.names
    given = scene.names.given
    if requested and scene.config.master_separator:
        given = given.partition(scene.config.master_separator)[2]
    known = values(
        user,
        original=given,
        service=scene.service,
        dialect=scene.config.version.dialect,
        requested=requested,
    )
    known |= _of_dovecot(scene.dovecot, scene.config) | {"id": str(passdb.number)}
    if scene.mechanism:
        known["mech"] = scene.mechanism.upper()
    if scene.password is not None:
        known["password"] = scene.password.text.decode("utf-8", "surrogateescape")
    return known


_STORES = {"passwd-file": "passwd_file", "ldap": "ldap"}  # in the names of 2.4's variables


def _values(scene: Scene, passdb: Passdb, record: Record, user: str, requested: str) -> dict[str, str]:
    """The fields of an entry as Dovecot takes them: what it sets before, what comes, what it sets after."""
    if record.outcome not in (Outcome.FOUND, Outcome.NO_PASSWORD):
        return {}
    dialect = scene.config.version.dialect
    known = _known(scene, passdb, user, requested) | client_values.usual(scene, passdb)
    come = dict(record.values)
    if isinstance(passdb.source, FileSource):
        come = {name: expand(value, known, dialect) for name, value in come.items()}
    store = _STORES.get(passdb.driver, "sql")
    known |= {f"{store}:{name}": value for name, value in come.items()}

    def set_by(fields: tuple[tuple[str, str], ...]) -> dict[str, str]:
        return {name: expand(value, known, dialect) if name in DECIDES else "" for name, value in fields}

    taken = come if passdb.import_all else {}
    fields = set_by(passdb.set_before(dialect)) | taken | set_by(passdb.override_fields)
    if "noauthenticate" not in fields and not nopassword.counts(passdb, record, dialect):
        fields.pop("nopassword", None)
    return fields


def _of_dovecot(dovecot: Installation, config: AuthConfig) -> dict[str, str]:
    """What all lookups share: of the machine, where Dovecot lives on this one, and of its environment."""
    return ({} if dovecot.pid else of_this_machine()) | environment(config)


def _not_expanded(place: str, why: ExpandError) -> Record:
    """Dovecot fails the lookup."""
    return Record(Outcome.FAILED, place, failure=Failure(Failing.VARIABLE, place, "", why.says))


def _ask(scene: Scene, passdb: Passdb, user: str, requested: str) -> Record:
    """What the passdb says of the user, for each client for whom that can be another."""
    known = _known(scene, passdb, user, requested)

    def ask(client: dict[str, str]) -> Record:
        try:
            return _ask_for(scene, passdb, known | client)
        except ExpandError as why:
            source = passdb.source
            place = source.place if isinstance(source, SqlSource) else passdb.label
            return _not_expanded(place, why)

    return client_values.asked(scene, passdb, ask)


def fill_for(scene: Scene, passdb: Passdb, record: Record | None = None) -> Fill:
    """What puts the variables in as they were when the record was found.  Its result raises CannotObserve."""
    client = dict(record.client) if record else client_values.usual(scene, passdb)
    known = _known(scene, passdb, _looked_up(scene), "") | client
    return filled_with(known, scene.config.version)


def _ask_for(scene: Scene, passdb: Passdb, known: dict[str, str]) -> Record:
    """The same for one client."""
    filled = filled_with(known, scene.config.version)
    source = passdb.source
    if isinstance(source, FileSource):
        path, name = passwd_file.place(source, filled)
        varies = "%" in source.path
        return passwd_file.lookup(scene.dovecot.path(path), name, shown_as=path, varies=varies)
    if isinstance(source, SqlSource):
        filled(source.query, str)  # from another process only the words of an ExpandError come back
        return ask_sql(scene, passdb, source, lambda escape: filled(source.query, escape))
    if isinstance(source, StaticSource):
        place = f"{scene.config.file}: passdb static"
        values = tuple((name, filled(value, str)) for name, value in source.fields)
        names = tuple(name for name, _ in values)
        if source.password is None and "nopassword" not in names:
            return Record(Outcome.NO_PASSWORD, place, fields=names, values=values)
        return Record(
            Outcome.FOUND, place, filled(source.password or "", str).encode(), fields=names, values=values
        )
    if passdb.driver == "ldap":
        return directed.lookup(scene, passdb, known)
    if passdb.driver in OF_THE_SYSTEM:
        asked = system_accounts.ask(scene, passdb, known["user"], filled)
        return system_accounts.check(asked, passdb, on_demand=scene.asks_pam and scene.password is not None)
    if passdb.driver == "oauth2" and asking_token.by_token(scene):
        return asking_token.lookup(scene, passdb, known)
    if passdb.driver == "lua" and scene.asks_lua:
        return asking_lua.lookup(scene, passdb, known)
    raise CannotObserve(passdb.source_problem)


def ask_sql(scene: Scene, passdb: Passdb, source: SqlSource, query: sql.Query) -> Record:
    """Ask the passdb's database as Dovecot does."""
    record = ask_database(scene, source, query, passdb.verified_by)
    failure = record.failure
    of_query = failure and failure.kind not in OF_THE_CONNECTION
    if failure and of_query and "password" in used(source.query, scene.config.version.dialect):
        record = replace(record, failure=failure.without_words())
    failure = record.failure
    renewed = failure and failure.kind in OF_NEW_CONNECTIONS and not source.userdb
    if failure and renewed and own_lookup.is_answered(scene, source, failure):
        if failure.kind is Failing.CONNECTIONS:
            raise CannotObserve(f"{failure.place}: {failure.says}; Dovecot has its connection, we got none.")
        return replace(record, failure=replace(failure, still_served=True))
    return record


def ask_database(scene: Scene, source: SqlSource, query: sql.Query, service: ServiceName) -> Record:
    """Ask where Dovecot lives, in its environment, and as its user: files and sockets depend on who asks."""
    sql.prepare(source)
    identity, alike = accounts.as_dovecot(scene.dovecot, scene.config, service)
    try:
        return scene.dovecot.inside(
            lambda: sql.ask(source, query, alike=alike or not sql.is_local(source)),
            Record,
            identity=identity,
            environment=dict(source.environment),
            writes=sql.written(source),
            seconds=sql.patience(source),
        )
    except NoAnswerInTime:
        return sql.late(source)
