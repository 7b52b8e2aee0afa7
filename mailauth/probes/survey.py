"""Look at every stored string of every passdb."""

from dataclasses import dataclass

from mailauth.dovecot.as_if import set_by_hand
from mailauth.dovecot.authconfig import AuthConfig, FileSource, Passdb, SqlSource, StaticSource
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve
from mailauth.evidence import Surveyed, Surveys
from mailauth.hashes.damage import Reader
from mailauth.stores import sql, survey
from mailauth.stores.survey import Progress, Question, Survey, Tally


@dataclass(frozen=True, slots=True)
class Ask:
    """How a survey is made.

    ``config`` is what judges: as it is, or as another version would have it (``as_if``).  ``rows_query``:
    another query for all passwords.  ``names``: how many users are named for each class.
    """

    dovecot: Installation
    config: AuthConfig
    rows_query: str | None = None
    names: int = 5
    progress: Progress | None = None
    as_if: bool = False


def observe_surveys(ask: Ask) -> Surveys:
    """Every passdb that users are looked up in.  Raises CannotObserve when none can be read."""
    found: list[Surveyed] = []
    problems: list[str] = []
    for passdb in ask.config.passdbs:
        if passdb.master or passdb.deny:
            continue
        try:
            seen = survey_passdb(ask, passdb)
        except CannotObserve as why:
            problems.append(f"{passdb.label}: {why}")
        else:
            found.append(Surveyed(passdb, seen, set_by_hand(ask.config, passdb, ask.dovecot)))
    if not found:
        raise CannotObserve(" ".join(problems) or f"{ask.config.file} has no passdb that can be read.")
    return Surveys("the passdbs, every row", ask.config.version, tuple(found), tuple(problems), ask.as_if)


def survey_passdb(ask: Ask, passdb: Passdb) -> Survey:
    """All that one passdb's store holds.  Raises CannotObserve."""
    source, dovecot = passdb.source, ask.dovecot
    question = Question(reader_of(ask.config, passdb), isinstance(source, SqlSource), ask.names)
    if isinstance(source, FileSource):
        files = survey.files_of(source.path, dovecot.path("/"))
        return survey.of_files(files, source.path, question, ask.progress)
    if isinstance(source, SqlSource):
        sql.prepare(source)
        progress = ask.progress if dovecot.pid is None else None  # a child's is nobody's to see
        return dovecot.inside(lambda: survey.of_database(source, question, ask.rows_query, progress))
    if isinstance(source, StaticSource):
        tally = Tally(question)
        tally.add(source.password.encode(), ())
        return Survey("passdb static", 1, tally.classes())
    raise CannotObserve(passdb.source_problem)


def reader_of(config: AuthConfig, passdb: Passdb) -> Reader:
    """Who reads this passdb's strings."""
    version = config.version
    numbers = (version.major, version.minor, version.patch, version.build)
    return Reader(numbers, passdb.default_scheme, config.allow_weak)
