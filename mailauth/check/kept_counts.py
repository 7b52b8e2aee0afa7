"""The count of the stores' rows, kept for a while: a large database is not counted every minute.

A count that took t seconds is used for 1000 t seconds, and for ``survey_age`` at the most: the stores are
counted for a thousandth of the time.  One run counts, others wait for it and read what it kept.  A count
that was cut off is not begun again before ``survey_age``.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from mailauth.check import keep
from mailauth.check.asked import Server
from mailauth.check.outcome import CheckLine, Outcome, Status, ago, of_error, of_finding, outcome, worst
from mailauth.check.stores import ask_stores, not_seen
from mailauth.check.watched import watched
from mailauth.dovecot.authconfig import FileSource, Passdb, SqlSource
from mailauth.errors import CannotObserve
from mailauth.evidence import Configured, Surveyed, Surveys, Unseen
from mailauth.hashes.damaged import Fate
from mailauth.judging import apply
from mailauth.memory.census import Census, census
from mailauth.probes.survey import Ask, survey_passdb
from mailauth.records import dataclass
from mailauth.stores.rows import Survey

ROWS = "rows"
_LATE_COUNT = 2  # a count so many times as old as it may be is told
_SHARE = 1000  # a count may take this part of the time


@dataclass(frozen=True, slots=True)
class Counted:
    """One passdb's rows: by what this Dovecot makes of them, and what of them takes memory."""

    passdb: int
    label: str
    fates: dict[str, int]
    census: Census


@dataclass(frozen=True, slots=True)
class KeptSurvey:
    """A count: ``began`` in seconds since 1970; what was counted, and what the rules say of it."""

    what: str
    began: float
    seconds: float = 0.0
    stores: list[Counted] = field(default_factory=list)
    said: list[CheckLine] = field(default_factory=list)
    not_read: list[CheckLine] = field(default_factory=list)

    @property
    def age(self) -> float:
        """Seconds."""
        return max(0.0, time.time() - self.began)

    def good(self, survey_age: float) -> bool:
        return self.age < min(survey_age, self.seconds * _SHARE)

    def not_counted(self, survey_age: float) -> list[CheckLine]:
        """What this count does not tell: of passdbs without rows to see, and of now where it is old."""
        said = list(self.not_read)
        if not self.stores and not said:
            text = "there is no store that mailauth looks into, so nothing was counted"
            said.append(CheckLine(Status.OK, text, unseen="any stored string"))
        if self.age > _LATE_COUNT * survey_age > 0:
            said.append(CheckLine(Status.WARNING, f"the rows were last counted {ago(self.age)}"))
        return said


def survey(server: Server, check: str, so_far: Callable[[Outcome], None]) -> KeptSurvey | Outcome:
    """The count; an Outcome of ``check`` where there is none, and none can be made."""
    asked_at, age, what = time.time(), server.asked.survey_age, _what(server)
    place = server.state / "survey.json"
    kept = _load(place, what)
    if kept and (kept.good(age) or kept.seconds > server.asked.timeout / 2):
        return kept  # a count that takes so long is made by a run with a longer timeout
    answers = ask_stores(server)
    if worst(one.status for one in answers) is Status.CRITICAL:
        return outcome(check, answers)
    late = outcome(check, [CheckLine(Status.WARNING, _LATE.format(server.asked.timeout))])
    so_far(late)
    with keep.alone(server.state / "survey.lock"):
        kept = _load(place, what)
        if kept and (kept.good(age) or kept.began + kept.seconds >= asked_at):
            return kept
        attempt = _load(server.state / "survey-attempt.json", what)
        if attempt and attempt.age < age:
            return kept or late
        return _count(server, what)


_LATE = (
    "the rows were not counted within {:g} s; run this check alone, with a longer --timeout, once an hour:"
    " the others use what it keeps"
)


def _load(path: Path, what: str) -> KeptSurvey | None:
    """Of the same question; not one of the future, whose age is not known: the clock was set back."""
    kept = keep.load(path, KeptSurvey)
    return kept if kept and kept.what == what and kept.began <= time.time() else None


def _what(server: Server) -> str:
    """What is counted, and who judges: where that is another, it is counted again.  Holds no secret."""
    config = server.config
    parts = [str(config.version), str(config.allow_weak), str(server.asked.rows_query)]
    for passdb in _counted(server):
        source = passdb.source
        place = source.path if isinstance(source, FileSource) else ""
        place = f"{source.place} {source.query}" if isinstance(source, SqlSource) else place
        place = place or passdb.place_of("args", "ldap_base", "base")
        parts += [passdb.label, passdb.default_scheme, place]
    return "\n".join(parts)


def _counted(server: Server) -> list[Passdb]:
    return [one for one in server.config.passdbs if not one.master and not one.deny]


def _count(server: Server, what: str) -> KeptSurvey:
    """Every row.  Kept only when all stores were read."""
    began = time.time()
    attempt = server.state / "survey-attempt.json"
    keep.save(attempt, KeptSurvey(what, began))
    ask = Ask(server.dovecot, server.config, server.asked.rows_query, names=3)
    found: list[Surveyed] = []
    not_read: list[CheckLine] = []
    unseen: list[Unseen] = []
    for passdb in _counted(server):
        if not passdb.has_rows:
            unseen.append(Unseen(passdb.number, passdb.label, passdb.source_problem))
            not_read.append(not_seen(unseen[-1]))
            continue
        try:
            found.append(Surveyed(passdb, survey_passdb(ask, passdb)))
        except CannotObserve as why:
            unseen.append(Unseen(passdb.number, passdb.label, str(why), needs_root=why.needs_root))
            not_read.append(CheckLine(of_error(why), unseen[-1].text))
    surveys = Surveys("the passdbs, every row", server.config.version, tuple(found), tuple(unseen))
    seen = {Surveys: surveys, Configured: Configured("doveconf -a", server.config)}
    findings, _ = apply(watched(ROWS), [seen])
    stores = [
        Counted(one.passdb.number, one.passdb.label, _fates(one.survey), census(one.survey)) for one in found
    ]
    said = [of_finding(finding) for finding in findings]
    kept = KeptSurvey(what, began, time.time() - began, stores, said, not_read)
    if worst(one.status for one in not_read) is Status.OK:
        keep.save(server.state / "survey.json", kept)
    with suppress(OSError):
        attempt.unlink()
    return kept


def _fates(survey: Survey) -> dict[str, int]:
    fates = dict.fromkeys(_FATES.values(), 0)
    for one in survey.classes:
        fates[_FATES[one.fate]] += one.rows
    return fates


_FATES = {
    Fate.SOUND: "sound",
    Fate.NEVER: "never_matches",
    Fate.REFUSED: "refused_as_weak",
    Fate.UNKNOWN: "unknown_scheme",
    Fate.LOCKED: "locked",
    Fate.OPEN: "lets_anyone_in",
}
