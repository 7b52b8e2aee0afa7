"""A diagnosis as JSON.  The records here are the schema: mailauth/schemas/diagnosis.json is made of them."""

import shlex
from dataclasses import field
from typing import Any

import msgspec

from mailauth.evidence import Evidence, NotApplicable, Unobserved
from mailauth.finding import Diagnosis, Edit, Problem, ProofStep, StoreChange
from mailauth.records import dataclass
from mailauth.schema import schema_of
from mailauth.visible import unicode_of, visible_json


@dataclass(frozen=True, slots=True)
class SeenReport:
    """One fact: where, and what."""

    kind: str
    source: str
    seen: str


@dataclass(frozen=True, slots=True)
class RemedyReport:
    """What to do."""

    summary: str
    config: dict[str, str]
    file: str
    commands: list[str]
    careful: str
    edits: list[Edit]
    store: StoreChange | None
    paste: list[str]
    database: str


@dataclass(frozen=True, slots=True)
class FindingReport:
    """One finding with its evidence."""

    code: str
    title: str
    severity: str
    certainty: str
    says: str
    because: list[SeenReport]
    remedy: RemedyReport


@dataclass(frozen=True, slots=True)
class UndecidedReport:
    """A rule that could not be asked."""

    code: str
    title: str
    missing: str
    reason: str


@dataclass(frozen=True, slots=True)
class DiagnosisReport:
    """The whole."""

    user: str
    dovecot: str
    findings: list[FindingReport]
    undecided: list[UndecidedReport]
    silent: list[str]
    evidence: list[SeenReport]
    not_looked_at: list[str]
    proof: list[ProofStep] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # of this machine, and no findings


def report(
    diagnosis: Diagnosis, dovecot: str, proof: tuple[ProofStep, ...] = (), notes: tuple[str, ...] = ()
) -> DiagnosisReport:
    """The diagnosis as plain data."""
    return DiagnosisReport(
        user=diagnosis.user,
        dovecot=dovecot,
        findings=[
            FindingReport(
                f.rule.code,
                f.rule.title,
                f.severity.value,
                f.problem.certainty.value,
                f.problem.says,
                [_seen(fact) for fact in f.problem.because],
                _remedy(f.problem),
            )
            for f in diagnosis.findings
        ],
        undecided=[
            UndecidedReport(u.rule.code, u.rule.title, u.missing.kind.__name__, u.missing.reason)
            for u in diagnosis.undecided
        ],
        silent=[rule.code for rule in diagnosis.silent],
        evidence=[_seen(fact) for fact in diagnosis.evidence if isinstance(fact, Evidence)],
        not_looked_at=[
            f"{fact.kind.__name__}: {fact.reason}"
            for fact in diagnosis.evidence
            if isinstance(fact, NotApplicable | Unobserved)
        ]
        + list(diagnosis.unasked),
        proof=list(proof),
        notes=list(notes),
    )


def to_json(value: object) -> str:
    """What cannot be seen, or is no Unicode, is escaped."""
    try:
        text = msgspec.json.encode(value)
    except UnicodeEncodeError:  # a byte that was no UTF-8
        text = msgspec.json.encode(_of_unicode(msgspec.to_builtins(value)))
    return visible_json(msgspec.json.format(text, indent=2).decode())


def _of_unicode(value: Any) -> Any:
    if isinstance(value, dict):
        return {_of_unicode(name): _of_unicode(one) for name, one in value.items()}
    if isinstance(value, list):
        return list(map(_of_unicode, value))
    return unicode_of(value) if isinstance(value, str) else value


def schema() -> dict[str, object]:
    """The JSON schema of a diagnosis."""
    return schema_of(DiagnosisReport)


def _seen(fact: Evidence) -> SeenReport:
    return SeenReport(type(fact).__name__, fact.source, fact.seen)


def _remedy(problem: Problem) -> RemedyReport:
    remedy = problem.remedy
    config = {str(dialect): text for dialect, text in remedy.config.items()}
    return RemedyReport(
        remedy.summary,
        config,
        remedy.file,
        list(map(shlex.join, remedy.commands)),
        remedy.careful,
        list(remedy.edits),
        remedy.store,
        list(remedy.paste),
        remedy.database,
    )
