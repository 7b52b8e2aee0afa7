"""A diagnosis as text for a terminal or a bug report.  Returns strings; prints nothing."""

import shlex
import textwrap
from collections.abc import Iterable, Sequence

from mailauth.dovecot.version import Dialect
from mailauth.evidence import (
    Evidence,
    Logins,
    LookedUp,
    PasswordCheck,
    StoredHash,
    Trials,
    UserName,
    Verifiers,
)
from mailauth.finding import Diagnosis, Finding, ProofStep, Remedy, Undecided

_INDENT = "  "
_LABEL = 7  # "seen   ", "fix    "
_WIDTH = 100
_CODES = 12  # of undecided rules that are named for one reason


def diagnosis_text(diagnosis: Diagnosis, dialect: Dialect, proof: Sequence[ProofStep] = ()) -> str:
    """Findings with evidence and remedy, what is undecided and why, and a count."""
    parts = [finding_text(finding, dialect, diagnosis.user) for finding in diagnosis.findings]
    parts += [_undecided_text(codes, reason) for reason, codes in _by_reason(diagnosis.undecided).items()]
    parts += [f"NOT ASKED\n{_labelled('lacks', [reason])}" for reason in diagnosis.unasked]
    parts.append(_evidence_text(diagnosis, (Logins,) if diagnosis.findings else _OF_THE_LOGIN))
    if proof:
        parts.append(proof_text(proof))
    parts.append(summary(diagnosis))
    return "\n\n".join(part for part in parts if part) + "\n"


def _by_reason(undecided: Iterable[Undecided]) -> dict[str, list[str]]:
    """The codes that each reason keeps undecided; the reason with the most rules first."""
    reasons: dict[str, list[str]] = {}
    for one in undecided:
        codes = reasons.setdefault(one.missing.reason, [])
        if one.rule.code not in codes:
            codes.append(one.rule.code)
    return dict(sorted(reasons.items(), key=lambda item: -len(item[1])))


def _undecided_text(codes: list[str], reason: str) -> str:
    """The codes, at most so many; --json has all."""
    more = f" and {len(codes) - _CODES} more" if len(codes) > _CODES + 1 else ""
    shown = codes[:_CODES] if more else codes
    head = textwrap.fill(
        ", ".join(shown) + more,
        _WIDTH,
        initial_indent="UNDECIDED  ",
        subsequent_indent=" " * 11,
        break_on_hyphens=False,
    )
    return f"{head}\n{_labelled('lacks', [reason])}"


def finding_text(finding: Finding, dialect: Dialect, user: str = "") -> str:
    rule, problem = finding.rule, finding.problem
    head = f"{rule.severity.value.upper()}  {rule.code}  {rule.title}  ({problem.certainty.value})"
    body = [head, _wrap(problem.says, _INDENT)]
    body.append(_labelled("seen", (f"{fact.source}\n  {fact.seen}" for fact in problem.because)))
    body.append(_remedy_text(problem.remedy, dialect))
    remedy = problem.remedy
    if remedy.config.get(dialect) or remedy.edits or remedy.store:
        body.append(_labelled("or", [shlex.join(["mailauth", "fix", rule.code, *([user] if user else [])])]))
    body.append(_labelled("more", [f"mailauth explain {rule.code}"]))
    return "\n".join(body)


def summary(diagnosis: Diagnosis) -> str:
    """Never "all is well": what was asked, and what was not."""
    count = len(diagnosis.findings)
    found = "Nothing found" if not count else f"{count} finding{'' if count == 1 else 's'}"
    undecided = len({one.rule.code for one in diagnosis.undecided})
    rules = len(diagnosis.silent)
    return f"{found}. {rules} rule{'' if rules == 1 else 's'} silent. {undecided} undecided."


def proof_text(proof: Sequence[ProofStep]) -> str:
    """What was done in the lab, and how the logins ended."""
    lines = ["PROOF  in a lab: a private Dovecot of this version, with this passdb's settings and this row"]
    for number, step in enumerate(proof, 1):
        answers = ", ".join("OK" if ok else "FAIL" for ok in step.answers)
        verdict = "as expected" if step.as_expected else "NOT as expected"
        lines.append(f"{_INDENT}{number}. {step.title}")
        lines += [f"{_INDENT}     {line}" for line in step.settings.splitlines()]
        lines.append(f"{_INDENT}   logins: {answers}  ({verdict})")
        lines += [f"{_INDENT}   its log: {line}" for line in step.log]
    return "\n".join(lines)


def _evidence_text(diagnosis: Diagnosis, kinds: tuple[type[Evidence], ...]) -> str:
    facts = [fact for fact in diagnosis.evidence if isinstance(fact, kinds)]
    return _labelled("seen", (f"{fact.source}\n  {fact.seen}" for fact in facts)) if facts else ""


# What is shown where nothing was found; --json has all that was looked at.
_OF_THE_LOGIN = (UserName, LookedUp, StoredHash, Verifiers, Trials, PasswordCheck, Logins)


def _remedy_text(remedy: Remedy, dialect: Dialect) -> str:
    lines = [remedy.summary]
    text = remedy.config.get(dialect)
    if text:
        lines.append(f"at the end of {remedy.file}    (Dovecot {dialect})")
        lines += [f"  {line}" for line in text.splitlines()]
    for edit in remedy.edits:
        lines.append(f"{edit.file}:{edit.line}")
        lines += [f"  - {edit.old}"] + ([f"  + {edit.new}"] if edit.new else [])
    if remedy.commands:
        lines.append(f"{'then' if text or remedy.edits else 'run'}: {', '.join(remedy.commands)}")
    if remedy.careful:
        lines.append(f"careful: {remedy.careful}")
    return _labelled("fix", ["\n".join(lines)])


def _labelled(label: str, items: Iterable[str]) -> str:
    """``label  first`` and the rest below it, each wrapped, with its own line breaks kept."""
    margin = _INDENT + " " * _LABEL
    lines = []
    for item in items:
        for line in item.splitlines():
            own = line[: len(line) - len(line.lstrip())]
            lines.append(_wrap(line.strip(), margin + own))
    text = "\n".join(lines)
    return f"{_INDENT}{label:<{_LABEL}}{text[len(margin) :]}"


def _wrap(text: str, margin: str) -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=margin, subsequent_indent=margin,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
