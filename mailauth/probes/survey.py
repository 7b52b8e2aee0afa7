"""Look at every stored string of every passdb."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from mailauth.dovecot import children, ldap_settings
from mailauth.dovecot.authconfig import OF_THE_SYSTEM, AuthConfig, FileSource, Passdb, Source, SqlSource
from mailauth.dovecot.defaults import default_scheme as usual_scheme
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.ldap_settings import Directory
from mailauth.dovecot.refusal import Refusal
from mailauth.dovecot.site import unread
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve, joined
from mailauth.evidence import Surveyed, Surveys, Unseen
from mailauth.evidence.survey import NEEDS_NONE
from mailauth.hashes.damaged import Reader
from mailauth.later import later
from mailauth.probes import accounts
from mailauth.probes.readers import reader_of, verifying
from mailauth.records import dataclass
from mailauth.stores import directory_rows, file_counts, sql, string_counts
from mailauth.stores.query import VARIABLE
from mailauth.stores.rows import Survey
from mailauth.stores.string_counts import Progress, Question, Tally

if TYPE_CHECKING:
    from mailauth.probes import system_survey
else:
    system_survey = later("mailauth.probes.system_survey")  # a part of every check's start

_WHOLE = 3600.0  # seconds for all of one store; a server that never ends its answer would keep us for ever


@dataclass(frozen=True, slots=True)
class Ask:
    """How a survey is made.

    ``config`` is what judges: as it is, or as another version would have it: then ``today``
    is what it is.  ``rows_query``:
    another query for all passwords.  ``names``: how many users are named for each class.
    """

    dovecot: Installation
    config: AuthConfig
    rows_query: str | None = None
    names: int = 5
    progress: Progress | None = None
    today: AuthConfig | None = None


def observe_surveys(ask: Ask) -> Surveys:
    """Every passdb that users are looked up in.  Raises CannotObserve when none can be read."""
    found: list[Surveyed] = []
    problems: list[Unseen] = []
    for passdb in ask.config.passdbs:
        if passdb.master or passdb.deny:
            continue
        try:
            seen = survey_passdb(ask, passdb)
        except CannotObserve as why:
            problems.append(Unseen(passdb.number, passdb.label, str(why), needs_root=why.needs_root))
        else:
            found.append(Surveyed(verifying(passdb), seen, passdb.scheme_set))
    if not found:
        if problems:
            raise joined(problems)
        raise CannotObserve(f"{ask.config.file} has no passdb that can be read.")
    return Surveys(
        "the passdbs, every row", ask.config.version, tuple(found), tuple(problems), ask.today is not None
    )


def survey_passdb(ask: Ask, passdb: Passdb) -> Survey:
    """All that one passdb's store holds.  Raises CannotObserve."""
    source = passdb.source
    today = None
    if ask.today is not None:
        now = next(one for one in ask.today.passdbs if one.number == passdb.number)
        today = reader_of(ask.today, now)
    question = Question(reader_of(ask.config, passdb), ask.names, today)
    if passdb.how == "lookup":
        return _of_directory(ask, passdb, question)
    if passdb.driver in OF_THE_SYSTEM:
        return system_survey.survey(ask.dovecot, ask.today or ask.config, passdb, question)
    if source is None:
        raise CannotObserve(passdb.source_problem)
    return _survey(source, question, ask, passdb)


def _of_directory(ask: Ask, passdb: Passdb, question: Question) -> Survey:
    """All entries that the filter finds, whoever the user is."""
    config = ask.today or ask.config
    passdb = next(one for one in config.passdbs if one.number == passdb.number)
    set_so = ldap_settings.read(config, passdb, ask.dovecot)
    base, text = directory_rows.of_everybody(set_so, config.version)
    directory_rows.prepare()
    identity, _ = accounts.as_dovecot(ask.dovecot, config, passdb.verified_by)
    with children.counting(ask.progress) as tell:
        found = ask.dovecot.inside(
            lambda: directory_rows.survey(set_so, base, text, config.version, question, tell),
            Survey,
            identity=identity,
            environment=dict(set_so.environment),
            seconds=_WHOLE,
        )
    return replace(found, whole=_whole(set_so, text))


def _whole(set_so: Directory, text: str) -> bool:
    """Whether ``text`` finds whomever the filter finds: each variable became (attribute=*).

    Part of a value, as in (mail=*@*), is compared only by attributes that have a rule for it: RFC 4512 4.1.2.
    """
    of_anybody = f"{text})".count(_PRESENT) - f"{set_so.filter})".count(_PRESENT)
    none_needed = any(one.name in NEEDS_NONE for one in set_so.fields)
    plain = of_anybody == len(VARIABLE.findall(set_so.filter)) and not VARIABLE.search(set_so.base)
    return plain and not none_needed


_PRESENT = "=*)"


def _survey(source: Source, question: Question, ask: Ask, passdb: Passdb | None = None) -> Survey:
    """``passdb``: that of a Dovecot, which reads it as one of its services."""
    dovecot = ask.dovecot
    if isinstance(source, FileSource):
        files = [dovecot.path(name) for name in string_counts.files_of(source.path, dovecot.path)]
        return file_counts.of_files(files, source.path, question, ask.progress)
    if isinstance(source, SqlSource):
        sql.prepare(source)
        identity, environment = None, None
        if os.geteuid() == 0:
            environment = dict(source.environment if passdb else os.environ)
            if passdb:
                identity, _ = accounts.as_dovecot(dovecot, ask.today or ask.config, passdb.verified_by)
        with children.counting(ask.progress) as tell:
            return dovecot.inside(
                lambda: string_counts.of_database(source, question, ask.rows_query, tell),
                Survey,
                identity=identity,
                environment=environment,
                writes=sql.written(source),
                seconds=_WHOLE,
            )
    tally = Tally(question)
    if source.password is not None:
        tally.add(source.password.encode(), ())
    return Survey("passdb static", 1, tally.classes())


def survey_alone(
    source: Source, version: Version | None, default_scheme: str | None, names: int, progress: Progress | None
) -> Surveys:
    """A store without a Dovecot, as ``version`` would judge it.  Raises CannotObserve."""
    judge = version or NEWEST
    passdb = alone(source, judge, default_scheme)
    config = unread(Refusal(judge, "", "", "", 0, ""))
    question = Question(reader_alone(passdb, judge), names)
    seen = _survey(source, question, Ask(Installation(), config, None, names, progress))
    return Surveys("the store", judge, (Surveyed(passdb, seen, default_scheme is not None),))


NEWEST = Version(2, 4, 5)
"""Who judges a store where there is no Dovecot, and none is named."""


def alone(source: Source, version: Version, default_scheme: str | None) -> Passdb:
    """The passdb that a store would be to ``version`` as it is when it is new."""
    driver = source.driver if isinstance(source, SqlSource) else "passwd-file"
    scheme = (default_scheme or usual_scheme(driver, version)).upper()
    return Passdb(1, driver, "", scheme, source, "", "auth", None)


def reader_alone(passdb: Passdb, version: Version) -> Reader:
    """Who reads it."""
    return Reader(
        version.numbers,
        passdb.default_scheme,
        version.dialect == "2.3",
        prefixing=isinstance(passdb.source, SqlSource),
    )


def assumed(version: Version | None, default_scheme: str | None, surveys: Surveys) -> str:
    """What was not said of a store that is read without a Dovecot, in one sentence; "" where all was."""
    return assumption(version, default_scheme, surveys.version, surveys.stores[0].passdb.default_scheme)


def assumption(version: Version | None, default_scheme: str | None, judge: Version, scheme: str) -> str:
    """The same of a store that is not read yet."""
    parts = [
        *([] if version else [f"Dovecot {judge} (--dovecot says another)"]),
        *([] if default_scheme else [f"its default scheme {scheme} (--default-scheme)"]),
    ]
    return f"Assumed: {' and '.join(parts)}." if parts else ""
