"""Ask every passdb in Dovecot's order what it says of the user."""

from mailauth import hashes
from mailauth.dovecot.authconfig import AuthConfig, FileSource, Passdb, SqlSource, StaticSource
from mailauth.dovecot.username import UserNames, normalise
from mailauth.dovecot.variables import Escape, expand, values
from mailauth.errors import CannotObserve
from mailauth.evidence import LookedUp, PassdbAnswer, UserName
from mailauth.probes.scene import Case, Scene
from mailauth.stores import passwd_file, sql
from mailauth.stores.store import Outcome, Record


def observe_user_name(scene: Scene) -> UserName:
    """The name that is looked up.  Raises CannotObserve when it cannot be worked out."""
    names: UserNames = normalise(scene.user, scene.config, scene.service)
    return UserName("auth_username_format", names.given, names.looked_up, names.refused)


def look_up(scene: Scene, cases: list[Case]) -> LookedUp:
    """Ask every passdb; ``cases`` is filled with those that have a hash.

    Raises CannotObserve when none has one and not all could be asked.
    """
    config = scene.config
    answers: list[PassdbAnswer] = []
    problems: list[str] = []
    for passdb in config.passdbs:
        if passdb.master:
            continue  # asked for master users only
        if passdb.deny or passdb.skip != "never" or passdb.username_filter or passdb.mechanisms:
            problems.append(f"{passdb.label}: mailauth does not follow deny, skip and filters yet.")
            continue
        try:
            record = _ask(scene, passdb)
        except CannotObserve as why:
            problems.append(f"{passdb.label}: {why}")
            continue
        answers.append(PassdbAnswer(passdb.label, record.place, record.outcome, record.fields))
        if record.outcome is Outcome.FOUND:
            parsed = hashes.parse(
                as_taken(record, passdb),
                default_scheme=passdb.default_scheme,
                dovecot=_numbers(config),
                allow_weak=config.allow_weak,
            )
            cases.append(Case(passdb, record, parsed))
    if problems and not cases:
        raise CannotObserve(" ".join(problems))
    if not answers:
        raise CannotObserve(f"{config.file} has no passdb that can be asked.")
    return LookedUp("the passdbs, in Dovecot's order", tuple(answers), tuple(problems))


def as_taken(record: Record, passdb: Passdb) -> bytes:
    """The stored string as Dovecot takes it: a SQL passdb puts the default scheme before a bare one.

    So a bare "$1$" is MD5-CRYPT in a passwd-file, and what the default says in a database.
    Source: auth_request_set_password(), Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-request.c.
    """
    stored = record.stored
    named = stored.startswith(b"{") and b"}" in stored and not record.noscheme
    if named or not isinstance(passdb.source, SqlSource):
        return stored
    return b"{%b}%b" % (passdb.default_scheme.encode(), stored)


def _ask(scene: Scene, passdb: Passdb) -> Record:
    dialect = scene.config.version.dialect
    assert scene.names
    names = scene.names
    known = values(names.looked_up, original=names.given, service=scene.service, dialect=dialect)
    if scene.password is not None:
        known["password"] = scene.password.text.decode("utf-8", "surrogateescape")

    def filled(template: str, escape: Escape = str) -> str:
        return expand(template, known, dialect, escape)

    source = passdb.source
    if isinstance(source, FileSource):
        path = filled(source.path, lambda text: text.partition("/")[0])
        return passwd_file.lookup(
            scene.dovecot.path(path), filled(source.username_format or "%u"), shown_as=path
        )
    if isinstance(source, SqlSource):
        sql.prepare(source)
        return scene.dovecot.inside(lambda: sql.lookup(source, lambda escape: filled(source.query, escape)))
    if isinstance(source, StaticSource):
        return Record(Outcome.FOUND, f"{scene.config.file}: passdb static", filled(source.password).encode())
    raise CannotObserve(passdb.source_problem)


def _numbers(config: AuthConfig) -> tuple[int, ...]:
    version = config.version
    return (version.major, version.minor, version.patch, version.build)
