"""Logins side by side: as records (their JSON schema is made of them) and as text."""

import shlex
from collections.abc import Sequence
from typing import Any

from mailauth.clients.door import Answer, Step
from mailauth.errors import AS_ROOT
from mailauth.login.judge import Fault, Judgement
from mailauth.login.way import Attempt, Layer
from mailauth.records import dataclass
from mailauth.render.memory import columns
from mailauth.render.wrapped import wrap
from mailauth.schema import schema_of

_STEPS = (Step.CONNECT, Step.TLS, Step.GREETING, Step.AUTH, Step.MAIL)
_MOST = 12  # answers that are told in words
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """One login by one way; times in seconds."""

    way: str
    layer: str
    service: str
    mechanism: str
    tls: str  # plain, starttls, tls; "" where there is no connection
    host: str
    port: int
    answer: str
    step: str
    said: str
    code: str
    seconds: float
    steps: dict[str, float]


@dataclass(frozen=True, slots=True)
class FaultReport:
    """A layer that breaks."""

    layer: str
    name: str
    service: str
    says: str
    cause: str  # what the log's line comes to: "no permission"; "" where that is not known
    log: str  # the line of Dovecot's log that says so
    diagnose: str  # the command that tells more; "" where none does


@dataclass(frozen=True, slots=True)
class LoginReport:
    """The whole; ``first`` is the layer that disagrees first, "" where all agree."""

    user: str
    dovecot: str
    first: str
    faults: list[FaultReport]
    attempts: list[AttemptReport]
    unseen: list[str]
    notes: list[str]  # what was left out


def login_report(
    user: str,
    dovecot: str,
    attempts: Sequence[Attempt],
    judged: Judgement,
    where: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> LoginReport:
    """``where``: the options that name this Dovecot, for the commands that tell more."""
    as_root = f"run: {shlex.join(['sudo', 'mailauth', 'login', *where, '-p', user])}"
    return LoginReport(
        user,
        dovecot,
        judged.first.name if judged.first else "",
        [_fault(one, user, where) for one in judged.faults],
        [_attempt(one) for one in attempts],
        [f"{one.way.name}: {one.said.replace(AS_ROOT, as_root)}" for one in judged.unseen],
        [*notes, *(f"{one.way.name}: {one.said}" for one in attempts if _is_noted(one))],
    )


def _is_noted(one: Attempt) -> bool:
    """What is stored was not tried, since a passdb was not looked into; a port is a proxy's."""
    return one.answer is Answer.NOT_TRIED and (one.way.layer is Layer.HASH or bool(one.way.proxied))


def login_schema() -> dict[str, Any]:
    """mailauth/schemas/login.json."""
    return schema_of(LoginReport)


def _fault(one: Fault, user: str, where: Sequence[str]) -> FaultReport:
    command = shlex.join(["mailauth", "diagnose", *where, "-p", *one.diagnose, user])
    # A link of Postfix's is not Dovecot's: diagnose does not see it.
    told = "" if one.breaks.value.startswith("Postfix") else command
    return FaultReport(one.breaks.value, one.name, one.service, one.says, one.cause, one.log, told)


def _attempt(one: Attempt) -> AttemptReport:
    way = one.way
    return AttemptReport(
        way.name,
        way.layer.value,
        way.service,
        way.mechanism,
        way.tls or "",
        way.door.host if way.door else "",
        way.door.port if way.door else 0,
        one.answer.value,
        one.step.value if one.step else "",
        one.said,
        one.code,
        one.seconds,
        {step.value: took for step, took in one.steps},
    )


def login_text(report: LoginReport, attempts: Sequence[Attempt]) -> str:
    """The ways with the first mechanism and the time of each step; the other mechanisms; what disagrees."""
    tried = [one for one in attempts if one.answer is not Answer.NOT_TRIED]
    parts = [
        [f"{report.user} by {len(attempts)} ways, Dovecot {report.dovecot}  (times in ms)", *_layers(tried)],
        _mechanisms(attempts),
        [line for number, one in enumerate(report.faults) for line in _fault_text(one, first=not number)],
        _words(tried),
        [_wrapped(one, "NOT SEEN  ") for one in report.unseen],
        [_wrapped(one, "note   ") for one in report.notes],
        [_count(attempts)],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _layers(tried: Sequence[Attempt]) -> list[str]:
    first = next((one.way.mechanism for one in tried if one.way.mechanism), "")
    rows = [
        (
            one.way.name,
            _answer(one),
            _ms(one.seconds) if one.seconds else "",
            *(_ms(dict(one.steps)[step]) if step in dict(one.steps) else "" for step in _STEPS),
        )
        for one in tried
        if one.way.mechanism in ("", first)
    ]
    head = ("way", "answer", "time", *(step.value.replace("authentication", "auth") for step in _STEPS))
    return columns(head, rows, (0, 1))


def _mechanisms(attempts: Sequence[Attempt]) -> list[str]:
    """One line for each place that was tried with several mechanisms."""
    names = tuple(dict.fromkeys(one.way.mechanism for one in attempts if one.way.mechanism))
    cells: dict[str, dict[str, str]] = {}
    for one in attempts:
        if one.way.mechanism and one.answer is not Answer.NOT_TRIED:
            place = one.way.name.removesuffix(f" {one.way.mechanism}")
            cells.setdefault(place, {})[one.way.mechanism] = f"{_answer(one)} {_ms(one.seconds)}"
    rows = [
        (place, *(found.get(name, "") for name in names)) for place, found in cells.items() if len(found) > 1
    ]
    return columns(("mechanisms", *names), rows, tuple(range(len(names) + 1))) if rows else []


def _fault_text(one: FaultReport, *, first: bool) -> list[str]:
    name = f"{one.name}: {one.cause}" if one.cause else one.name
    lines = [f"{'FIRST TO DISAGREE' if first else 'ALSO'}  {name}", _wrapped(one.says, "  ")]
    if one.log:
        lines.append(_wrapped(one.log, "  log    "))
    return [*lines, f"  more   {one.diagnose}"] if one.diagnose else lines


def _words(tried: Sequence[Attempt]) -> list[str]:
    """What was said where it was not yes, once, and by how many."""
    told: dict[str, list[str]] = {}
    for one in tried:
        if not one.ok and one.answer is not Answer.UNSEEN and one.said:
            told.setdefault(one.said, []).append(one.way.name)
    lines = [
        _wrapped(f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {said}", "said   ")
        for said, names in list(told.items())[:_MOST]
    ]
    return [*lines, f"{len(told) - _MOST} more: --json has them"] if len(told) > _MOST else lines


def _wrapped(text: str, label: str) -> str:
    return "\n".join(wrap(text, " " * len(label), _WIDTH, label))


def _count(attempts: Sequence[Attempt]) -> str:
    counts: dict[Answer, int] = {}
    for one in attempts:
        counts[one.answer] = counts.get(one.answer, 0) + 1
    return ", ".join(f"{counts[answer]} {answer.value}" for answer in Answer if answer in counts) + "."


def _answer(one: Attempt) -> str:
    return one.answer.value if one.ok else one.answer.value.upper()


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"
