"""What changed between two rounds of logins, and how long to wait for the next.  Pure."""

from collections.abc import Sequence

from mailauth.clients.door import Answer
from mailauth.login.judge import judge
from mailauth.login.way import Attempt
from mailauth.records import dataclass

_LONGEST = 3600.0  # seconds between two rounds while passwords are refused
REFUSED_AGAIN = 2  # logins that may be refused in a round after one that was


@dataclass(frozen=True, slots=True)
class AnswerChange:
    """One way, or the verdict, that is not what it was."""

    what: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class Round:
    """What is known after a round: each way's last answer, by its name, and the layers that break."""

    answers: tuple[tuple[str, str], ...] = ()
    breaks: tuple[str, ...] = ()
    refused: bool = False


def after(before: Round, attempts: Sequence[Attempt]) -> Round:
    """A way that was not tried keeps its last answer."""
    answers = dict(before.answers)
    for one in attempts:
        if one.answer is not Answer.NOT_TRIED:
            answers[one.way.name] = _said(one)
    return Round(
        tuple(answers.items()),
        tuple(dict.fromkeys(fault.name for fault in judge(attempts).faults)),
        any(one.answer is Answer.REFUSED for one in attempts),
    )


def changes(before: Round, now: Round) -> tuple[AnswerChange, ...]:
    """The ways whose answer is another, in their order; the verdict last."""
    old = dict(before.answers)
    found = [
        AnswerChange(name, old.get(name, "not tried"), said)
        for name, said in now.answers
        if old.get(name, "not tried") != said
    ]
    if before.breaks != now.breaks:
        found.append(AnswerChange("breaks", _list(before.breaks), _list(now.breaks)))
    return tuple(found)


def wait(seconds: float, refused: int) -> float:
    """Seconds until the next round: twice as long after each round in a row that was refused."""
    return min(seconds * 2.0 ** min(refused, 32), max(seconds, _LONGEST))


def _said(one: Attempt) -> str:
    where = f" at {one.step.value}" if one.step and not one.ok else ""
    return f"{one.answer.value}{where}"


def _list(layers: tuple[str, ...]) -> str:
    return ", ".join(layers) or "nothing"
