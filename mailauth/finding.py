"""What a rule says.  Pure: no I/O here or below."""

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from enum import Enum

from mailauth.dovecot.drivers import Question
from mailauth.dovecot.version import Dialect
from mailauth.evidence import Evidence, Fact, Logins, LookedUp, Running, Surveys, Unobserved
from mailauth.records import dataclass


class Severity(Enum):
    """By consequence."""

    BLOCKS_LOGIN = "blocks login"  # this user cannot log in, or not always
    RISK = "risk"  # logins work now; something likely will break them, or let in whom it should not
    NOTE = "note"  # worth knowing, breaks nothing


class Certainty(Enum):
    """How we know."""

    PROVEN = "proven"  # we reproduced it
    LIKELY = "likely"  # it follows from what we read


class Bears(Enum):
    """What a rule's claim that the login is blocked rests on."""

    ENTRY = "one passdb's entry: another passdb may let the user in"
    DATABASE = "one database, a passdb's or a userdb's: another passdb may let the user in"
    CONNECTION = "the same; and 2.3's auth is killed where PostgreSQL does not take its first connection"
    RUNNING = "one passdb's entry, and the process that runs, whatever the files say now"
    FILE = "one passdb's file, which we can read where Dovecot cannot"
    CLOSED_FILE = "the same, where Dovecot goes on as result_internalfail says"
    ROWS = "the entries of many users in one passdb"
    MECHANISM = "what is stored for a mechanism that does not send the password"
    ANSWER = "what all the passdbs say together"
    UNKNOWN_USER = "that no passdb knows the user"
    AUTH = "whether auth itself works"
    START = "whether auth runs at all: else it says nothing of a password"
    NEXT_START = "the same, by the files: an auth that runs goes on with what it read"
    MAIL = "what comes after auth"
    NOTHING = "none of it: the network, TLS, the client's own attempts, the log, another version"


@dataclass(frozen=True, slots=True)
class Edit:
    """One line of a file that must change where it stands: ``new`` "" takes it away.  Holds no secret."""

    file: str
    line: int
    old: str
    new: str


class StoreChange(Enum):
    """What has to be done to the user's entry in the store; ``mailauth fix`` does it."""

    MEND = "mend the stored string"  # what the hash says stays the same, so no password is needed
    NEW_PASSWORD = "set the password again"  # noqa: S105 - what is lost is lost


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do: a sentence, text to paste for each dialect, commands, and what to beware of.

    ``file`` is where the text goes: at its end, so that nothing after it sets the same again.
    ``edits`` are lines to change where they stand, since nothing at the end can take them back.
    ``commands``, a list of words each, are run as they are, after the files were changed.
    ``paste``: lines for a shell that change the entry in the database ``database``, as its administrator.
    ``by_hand``: a part that only the administrator can do comes first; applying the rest alone mends nothing.

    Rules make one with more than words by mailauth/remedies.py only, which knows what may stand where.

    Raises ValueError for a text without a file.
    """

    summary: str
    config: Mapping[Dialect, str] = field(default_factory=dict)
    file: str = ""
    commands: tuple[tuple[str, ...], ...] = ()
    careful: str = ""
    edits: tuple[Edit, ...] = ()
    store: StoreChange | None = None
    by_hand: bool = False
    paste: tuple[str, ...] = ()
    database: str = ""

    def __post_init__(self) -> None:
        if any(self.config.values()) and not self.file:
            raise ValueError("a text to paste needs the file that it goes into")


@dataclass(frozen=True, slots=True)
class Problem:
    """One case of a rule: what is wrong, with this case's numbers, and what shows it.

    ``severity``: of this case, where the evidence says more or less than the rule does; None: the rule's.
    """

    says: str
    because: tuple[Evidence, ...]
    certainty: Certainty
    remedy: Remedy
    severity: Severity | None = None

    def __post_init__(self) -> None:
        if not self.because:
            raise ValueError("a problem without evidence is an opinion")


Check = Callable[..., Problem | None]


class Trait(Enum):
    """What a check or a fix must know of a rule, beside its severity."""

    SOUND_ROWS = "what it finds in rows is beside the point: the strings themselves are sound"
    WORSE_WHEN_BUSY = "critical while every process that could serve computes"
    OF_UPGRADE = "about another version of Dovecot than the one that runs"


@dataclass(frozen=True, slots=True)
class Rule:
    """A code that stays for ever, what it is called, and a pure function of evidence.

    ``also``: evidence that says more where it is there, and is not needed.  ``last``: it is shown only where
    nothing else that was found blocks the login.  ``bears``: what that it blocks rests on.  ``asks``: the
    question that stays open where a passdb was not looked into.  ``watch``: the check that asks it, too.
    ``traits``: what checks and fixes must know of it.
    """

    code: str
    title: str
    severity: Severity
    check: Check
    needs: tuple[type[Evidence], ...]
    explanation: str
    yields_to: frozenset[str] = frozenset()
    also: tuple[type[Evidence], ...] = ()
    last: bool = False
    bears: Bears | None = None
    asks: Question | None = None
    watch: str = ""
    traits: frozenset[Trait] = frozenset()


def rule(
    code: str,
    title: str,
    severity: Severity,
    *,
    yields_to: Iterable[str] = (),
    last: bool = False,
    bears: Bears | None = None,
    asks: Question | None = None,
    watch: str = "",
    traits: Iterable[Trait] = (),
) -> Callable[[Check], Rule]:
    """Make a rule of a function: its parameters' types are the evidence it needs.

    Those at the end that may be None it does not need: None is what was not seen, for whatever reason.

    What it finds is not told where a rule of ``yields_to`` finds the same fault and says more of it.
    """

    def make(check: Check) -> Rule:
        hints = typing.get_type_hints(check)
        asked = [hints[name] for name in inspect.signature(check).parameters]
        needs = tuple(kind for kind in asked if not typing.get_args(kind))
        also = tuple(typing.get_args(kind)[0] for kind in asked[len(needs) :])
        module = inspect.getmodule(check)
        explanation = inspect.cleandoc((module and module.__doc__) or "")
        return Rule(
            code,
            title,
            severity,
            check,
            needs,
            explanation,
            yields_to=frozenset(yields_to),
            also=also,
            last=last,
            bears=bears,
            asks=asks,
            watch=watch,
            traits=frozenset(traits),
        )

    return make


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule and the problem that it found."""

    rule: Rule
    problem: Problem

    @property
    def severity(self) -> Severity:
        """Of this case."""
        return self.problem.severity or self.rule.severity


@dataclass(frozen=True, slots=True)
class Undecided:
    """A rule that could not be asked, and what it lacked."""

    rule: Rule
    missing: Unobserved


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything found, everything undecided, everything seen.

    ``again``: the options with which another command finds the same case.
    """

    user: str
    findings: tuple[Finding, ...]
    undecided: tuple[Undecided, ...]
    silent: tuple[Rule, ...]
    evidence: tuple[Fact, ...]
    again: tuple[str, ...] = ()

    @property
    def unasked(self) -> tuple[str, ...]:
        """The passdbs that were not looked into, and why."""
        return next((fact.unasked for fact in self.evidence if isinstance(fact, LookedUp | Surveys)), ())

    @property
    def open(self) -> bool:
        """Something is undecided; or, where every row was asked about, a passdb was not looked into."""
        rows = any(isinstance(fact, Surveys) and fact.unasked for fact in self.evidence)
        return bool(self.undecided) or rows

    @property
    def down(self) -> bool:
        """No Dovecot runs: what needs a reload then needs a start."""
        return any(isinstance(fact, Running) and fact.pid is None for fact in self.evidence)

    @property
    def let_in(self) -> bool:
        """Real logins were made, and every one was let in."""
        made = [fact for fact in self.evidence if isinstance(fact, Logins)]
        return bool(made) and all(reply.ok for one in made for reply in one.replies)


@dataclass(frozen=True, slots=True)
class ProofStep:
    """One step of a proof in a lab: what was set, how the logins in a row ended, what Dovecot logged."""

    title: str
    settings: str
    answers: tuple[bool, ...]
    log: tuple[str, ...]
    as_expected: bool
