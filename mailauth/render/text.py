"""A diagnosis as text for a terminal or a bug report.  Returns strings; prints nothing."""

import shlex
from collections.abc import Iterable, Sequence

from mailauth.counted import counted
from mailauth.dovecot.version import Dialect
from mailauth.evidence import (
    Evidence,
    Logins,
    LookedUp,
    MailSession,
    PasswordCheck,
    StoredHash,
    Surveys,
    Trials,
    UserInLog,
    UserName,
    Verifiers,
)
from mailauth.finding import Bears, Certainty, Diagnosis, Finding, ProofStep, Remedy, Severity, Undecided
from mailauth.render.wrapped import wrap
from mailauth.visible import visible

_INDENT = "  "
_LABEL = 7  # "seen   ", "fix    "
_WIDTH = 100
_COMMAND = ("run: ", "then: ", "and: ")
_CODES = 12  # of undecided rules that are named for one reason


def diagnosis_text(
    diagnosis: Diagnosis,
    dialect: Dialect,
    proof: Sequence[ProofStep] = (),
    width: int = _WIDTH,
    *,
    fixable: bool = True,
    notes: Sequence[str] = (),
) -> str:
    """Findings with evidence and remedy, what is undecided and why, ``notes``, and a count.

    ``fixable``: ``mailauth fix`` finds them, too: they concern the Dovecot that runs.

    Sentences are wrapped at ``width``; what is to be pasted never is.
    """
    parts = [
        finding_text(finding, dialect, diagnosis.user, width, diagnosis.again, fixable=fixable)
        for finding in diagnosis.findings
    ]
    parts += [
        _undecided_text(codes, reason, width) for reason, codes in _by_reason(diagnosis.undecided).items()
    ]
    parts += ["NOT ASKED\n" + _lacks(reason, width) for reason in _not_told(diagnosis)]
    parts.append(_evidence_text(diagnosis, (Logins,) if diagnosis.findings else _OF_THE_LOGIN, width))
    if proof:
        parts.append(proof_text(proof))
    parts.append(_untried(diagnosis, width))
    parts += [_wrap(note, "", width) for note in notes]
    parts.append(summary(diagnosis))
    return "\n\n".join(part for part in parts if part) + "\n"


def _not_told(diagnosis: Diagnosis) -> list[str]:
    """The passdbs that were not looked into, where neither a reason says so nor a login made up for it."""
    told = [one.missing.reason for one in diagnosis.undecided]
    if diagnosis.let_in:
        return []
    return [one for one in diagnosis.unasked if not any(one.removesuffix(".") in reason for reason in told)]


def _by_reason(undecided: Iterable[Undecided]) -> dict[str, list[str]]:
    """The codes that each reason keeps undecided; the reason with the most rules first."""
    reasons: dict[str, list[str]] = {}
    for one in undecided:
        codes = reasons.setdefault(one.missing.reason, [])
        if one.rule.code not in codes:
            codes.append(one.rule.code)
    return dict(sorted(reasons.items(), key=lambda item: -len(item[1])))


def _undecided_text(codes: list[str], reason: str, width: int) -> str:
    """The codes, at most so many; --json has all."""
    more = f" and {len(codes) - _CODES} more" if len(codes) > _CODES + 1 else ""
    shown = codes[:_CODES] if more else codes
    title = "UNDECIDED  "
    head = _wrap(", ".join(shown) + more, " " * len(title), width)
    return f"{title}{head[len(title) :]}\n{_lacks(reason, width)}"


def _lacks(reason: str, width: int) -> str:
    """What could not be seen; the command that shows it is on a line of its own, to be pasted."""
    what, run, command = visible(reason).partition("; run: ")
    text = _labelled("lacks", [f"{what}." if run else what], width)
    return f"{text}\n{_INDENT}{'run':<{_LABEL}}{command.removesuffix('.')}" if run else text


def finding_text(
    finding: Finding,
    dialect: Dialect,
    user: str = "",
    width: int = _WIDTH,
    again: tuple[str, ...] = (),
    *,
    fixable: bool = True,
) -> str:
    """One finding; ``again``: the options with which ``mailauth fix`` finds it, too."""
    rule, problem = finding.rule, finding.problem
    head = f"{finding.severity.value.upper()}  {rule.code}  {rule.title}  ({problem.certainty.value})"
    body = [head, _wrap(visible(problem.says), _INDENT, width)]
    body.append(_labelled("seen", map(_seen, problem.because), width))
    body.append(_remedy_text(problem.remedy, dialect, width))
    remedy = problem.remedy
    if fixable and not remedy.by_hand and (remedy.config.get(dialect) or remedy.edits or remedy.store):
        option = user.startswith("-")  # only to look at
        words = ["mailauth", "fix", *(again if option else ()), *(["--"] if option else []), rule.code]
        words += [*([user] if user else []), *(() if option else again)]
        body.append(_labelled("or", [shlex.join(words)], width))
    body.append(_labelled("more", [f"mailauth explain {rule.code}"], width))
    return "\n".join(body)


def _untried(diagnosis: Diagnosis, width: int) -> str:
    """Why a finding is likely and not proven, where no login was made; and the command that makes one."""
    likely = any(one.problem.certainty is Certainty.LIKELY for one in diagnosis.findings)
    if not likely or not diagnosis.user or any(isinstance(fact, Logins) for fact in diagnosis.evidence):
        return ""
    if "--login" in diagnosis.again:  # it was asked for, and none could be made
        return ""
    option = diagnosis.user.startswith("-")
    words = [
        "mailauth",
        "diagnose",
        *(one for one in diagnosis.again if one != "-p"),
        "--login",
        "-p",
        *(["--"] if option else []),
        diagnosis.user,
    ]
    why = "Likely: it follows from what was read; no login was tried. To try one:"
    return f"{_wrap(why, '', width)}\n{_INDENT}{shlex.join(words)}"


def summary(diagnosis: Diagnosis) -> str:
    """Never "all is well": what was asked, and what was not."""
    count = len(diagnosis.findings)
    blocked = any(one.severity is Severity.BLOCKS_LOGIN for one in diagnosis.findings)
    found = counted(count, "finding") if count else "Nothing found"
    undecided = len({one.rule.code for one in diagnosis.undecided})
    rules = counted(len(diagnosis.silent), "other check" if count else "check")
    works = _of_logins(diagnosis, blocked=blocked)
    quiet = f"{found}. {rules} found nothing" if count else f"{found} by {rules}"
    if not count and any(one.missing.kind is Surveys for one in diagnosis.undecided):
        told = f"{works}{quiet}; {undecided} could not be decided, among them the stores' rows."
    else:
        told = f"{works}{quiet}. {undecided} undecided."
    passdbs = " and ".join(one.partition(":")[0] for one in diagnosis.unasked)
    return f"{told} Not looked into: {passdbs}." if passdbs else told


def _of_logins(diagnosis: Diagnosis, *, blocked: bool) -> str:
    """What the logins of this run showed, and no more: the network, or another client, they did not try."""
    if not diagnosis.let_in:
        return ""
    session = next((fact for fact in diagnosis.evidence if isinstance(fact, MailSession)), None)
    if session and session.ended_at:
        return f"auth takes the password, and a session of our own fails: {session.ended_at}. "
    if not blocked:
        return "The login works. "
    refused = {one.rule.bears for one in diagnosis.findings if one.severity is Severity.BLOCKS_LOGIN}
    if Bears.MAIL in refused:
        return "auth takes the password, and the login fails after that. "
    return f"auth takes the password{', and a session of our own works' if session else ''}. "


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


def _evidence_text(diagnosis: Diagnosis, kinds: tuple[type[Evidence], ...], width: int) -> str:
    facts = [fact for fact in diagnosis.evidence if isinstance(fact, kinds)]
    if not diagnosis.findings:
        facts += [fact for fact in diagnosis.evidence if isinstance(fact, UserInLog) and fact.failures]
    return _labelled("seen", map(_seen, facts), width) if facts else ""


# What is shown where nothing was found; --json has all that was looked at.
_OF_THE_LOGIN = (UserName, LookedUp, StoredHash, Verifiers, Trials, PasswordCheck, Logins)


def _remedy_text(remedy: Remedy, dialect: Dialect, width: int) -> str:
    lines = [visible(remedy.summary)]
    text = remedy.config.get(dialect)
    if text:
        lines.append(f"at the end of {remedy.file}    (Dovecot {dialect})")
        lines += [f"  {line}" for line in text.splitlines()]
    for edit in remedy.edits:
        lines.append(f"{edit.file}:{edit.line}")
        lines += [f"  - {edit.old}"] + ([f"  + {edit.new}"] if edit.new else [])
    if remedy.commands:
        first = "then" if text or remedy.edits else "run"
        commands = map(shlex.join, remedy.commands)
        lines += [f"{first if not number else 'and'}: {one}" for number, one in enumerate(commands)]
    if remedy.paste:
        lines.append(f"or as the administrator of {visible(remedy.database)}:")
        lines += [f"  {one}" for one in remedy.paste]
    if remedy.careful:
        lines.append(f"careful: {visible(remedy.careful)}")
    return _labelled("fix", ["\n".join(lines)], width)


def _seen(fact: Evidence) -> str:
    """A value with line ends in it makes no lines of its own."""
    return f"{visible(fact.source)}\n  {visible(fact.seen)}"


def _labelled(label: str, items: Iterable[str], width: int) -> str:
    """``label  first`` and the rest below it, each wrapped, with its own line breaks kept."""
    margin = _INDENT + " " * _LABEL
    lines = []
    for item in items:
        for line in item.splitlines():
            own = line[: len(line) - len(line.lstrip())]
            pasted = label == "fix" and (own or line.startswith(_COMMAND))
            lines.append(margin + line if pasted else _wrap(line.strip(), margin + own, width))
    text = "\n".join(lines)
    return f"{_INDENT}{label:<{_LABEL}}{text[len(margin) :]}"


def _wrap(text: str, margin: str, width: int) -> str:
    return "\n".join(wrap(text, margin, width))
