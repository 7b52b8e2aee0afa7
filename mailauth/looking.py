"""How it is looked: what each probe is asked for, and what becomes of one that cannot see.

Each step is ``see(kind, call)``: what it returns goes into the facts; what it could not see becomes
Unobserved, and the rules that need it are undecided.
"""

import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.typed import in_sentence, typed
from mailauth.errors import AS_ROOT, Ended
from mailauth.evidence import (
    AuthAnswer,
    AuthStart,
    Evidence,
    Fact,
    Host,
    Logins,
    LookedUp,
    MailSession,
    NotApplicable,
    StoredHash,
    Surveys,
    Unobserved,
    UserdbAnswer,
)
from mailauth.evidence.log import NO_AUTH
from mailauth.finding import Diagnosis, Finding
from mailauth.judging import SHOWN_BY_A_LOGIN, apply, judged
from mailauth.oserrors import from_world, place_of
from mailauth.probes.log_answer import observe_answer
from mailauth.probes.log_start import observe_auth_start
from mailauth.probes.scene import Scene
from mailauth.probes.table import Probe
from mailauth.remedies import in_database, of_a_stopped, placed
from mailauth.rules import RULES
from mailauth.stores.store import Outcome
from mailauth.waiting import for_auth

_DEFAULT = Installation()
_E = TypeVar("_E", bound=Evidence)
Facts = dict[type[Evidence], Fact]


def concluded(
    user: str, merged: list[Facts], seen: tuple[Fact, ...], dovecot: Installation = _DEFAULT
) -> Diagnosis:
    """Apply the rules.  What only root may see is reported with the command that shows it."""
    which = options(dovecot)
    words = ("diagnose", *which, user) if user else ("checkup", *which)
    command = f"run: {shlex.join(['sudo', 'mailauth', *words])}"
    login = shlex.join(["sudo", "mailauth", "diagnose", *which, "--login", "-p", user or "USER"])
    merged = [{kind: _with(command, fact) for kind, fact in facts.items()} for facts in merged]
    seen = tuple(_with(command, fact) for fact in seen)
    findings, undecided = for_auth(*apply(RULES, merged), merged[0].get(LookedUp))
    down = Diagnosis(user, (), (), (), seen).down
    findings = [
        _placed(dovecot, login, _in_database(_by_hand(_started(one, dovecot) if down else one, seen), seen))
        for one in findings
    ]
    undecided = [replace(one, missing=_by_a_login(login, one.missing)) for one in undecided]
    loud = {finding.rule.code for finding in findings} | {one.rule.code for one in undecided}
    silent = tuple(rule for rule in RULES if rule.code not in loud and judged(rule, merged))
    return Diagnosis(user, tuple(findings), tuple(undecided), silent, seen)


def _started(finding: Finding, dovecot: Installation) -> Finding:
    remedy = of_a_stopped(finding.problem.remedy, dovecot.config)
    return replace(finding, problem=replace(finding.problem, remedy=remedy))


def _with(command: str, fact: Fact) -> Fact:
    if isinstance(fact, Surveys | LookedUp):
        told = (replace(one, reason=one.reason.replace(AS_ROOT, command)) for one in fact.unseen)
        return replace(fact, unseen=tuple(told))
    if isinstance(fact, Unobserved) and fact.needs_root:
        return replace(fact, reason=fact.reason.replace(AS_ROOT, command))
    return fact


def options(dovecot: Installation) -> tuple[str, ...]:
    """The options that name this Dovecot to mailauth."""
    return (
        *(("--pid", str(dovecot.pid)) if dovecot.pid else ()),
        *(("-c", dovecot.config) if dovecot.config else ()),
    )


_MIGRATE = ("mailauth", "migrate")
_LDIF = "Of a directory: mailauth migrate ldif makes modifications of its entries, for ldapmodify."
_LDAPMODIFY = (
    "mailauth writes to no directory: change the entry with ldapmodify, or by the directory's own tools."
)


def _by_hand(finding: Finding, seen: tuple[Fact, ...]) -> Finding:
    """What is to be changed in an entry of a directory."""
    problem, told = finding.problem, finding.problem.remedy
    answers = (answer for fact in seen if isinstance(fact, LookedUp) for answer in fact.answers)
    directories = {answer.number for answer in answers if answer.driver == "ldap"}
    stored = {one.passdb for one in problem.because if isinstance(one, StoredHash)}
    if told.store is not None and stored and stored <= directories:
        told = replace(told, store=None, careful=f"{told.careful} {_LDAPMODIFY}".strip())
    surveys = next((one for one in problem.because if isinstance(one, Surveys)), None)
    drivers = {one.passdb.driver for one in surveys.stores} if surveys else set()
    if "ldap" in drivers:
        kept = told.commands if drivers != {"ldap"} else tuple(c for c in told.commands if c[:2] != _MIGRATE)
        told = replace(told, commands=kept, careful=f"{told.careful} {_LDIF}".strip())
    return replace(finding, problem=replace(problem, remedy=told))


def _in_database(finding: Finding, seen: tuple[Fact, ...]) -> Finding:
    """What is to be changed in a row of a database, as lines to paste, where it is plain which row."""
    problem = finding.problem
    lookups = next((fact for fact in seen if isinstance(fact, LookedUp)), None)
    if lookups is None or any(isinstance(one, Host) for one in problem.because):
        return finding
    stored = next((one for one in problem.because if isinstance(one, StoredHash)), None)
    answers = [one for one in lookups.answers if one.outcome in (Outcome.FOUND, Outcome.NO_PASSWORD)]
    if stored is not None:
        answers = [one for one in answers if one.number == stored.passdb]
    if len(answers) != 1 or (row := answers[0].row) is None:
        return finding
    told = in_database(problem.remedy, row, only_blanks=stored is not None and stored.only_blanks)
    return replace(finding, problem=replace(problem, remedy=told))


def _placed(dovecot: Installation, login: str, finding: Finding) -> Finding:
    problem = finding.problem

    def put(sentence: str) -> str:
        return in_sentence(dovecot, sentence).replace(_A_LOGIN, login)

    remedy = placed(problem.remedy, options(dovecot), partial(typed, dovecot), put)
    return replace(finding, problem=replace(problem, says=put(problem.says), remedy=remedy))


def _by_a_login(command: str, missing: Unobserved) -> Unobserved:
    reason = missing.reason.replace(SHOWN_BY_A_LOGIN, f"run: {command}").replace(_A_LOGIN, command)
    return replace(missing, reason=reason)


_A_LOGIN = "mailauth diagnose --login -p USER"


def see(facts: Facts, kind: type[_E], call: Callable[[], _E | NotApplicable]) -> _E | None:
    """Look, and record what was seen or why not.  The one place that catches a bug in a probe."""
    try:
        facts[kind] = seen = call()
    except Exception as bug:  # noqa: BLE001 - one broken probe must not silence the rest
        facts[kind] = _unobserved(kind, bug)
    else:
        return None if isinstance(seen, NotApplicable) else seen
    return None


def _unobserved(kind: type[Evidence], why: Exception) -> Unobserved:
    known = from_world(why, f"what {kind.__name__} needs")
    if known is None:
        return Unobserved(kind, f"a bug in mailauth: {type(why).__name__} at {place_of(why)}.", bug=True)
    said = f"{known}; try again." if isinstance(known, Ended) else str(known)
    return Unobserved(kind, said, needs_root=known.needs_root)


def auth_starts(facts: Facts, scene: Scene) -> bool:
    """Whether auth starts, as far as that can be seen: where it does not, who asks it gets no answer."""
    # The first greeting, which waits for all that auth is at work on.
    see(facts, AuthAnswer, lambda: observe_answer(scene))
    start = see(facts, AuthStart, lambda: observe_auth_start(scene))
    if start is None or start.starts:
        answer = facts[AuthAnswer]
        if isinstance(answer, NotApplicable) and answer.reason == NO_AUTH:
            # An idle auth had ended, and on a busy machine the next one took longer than that to start.
            see(facts, AuthAnswer, lambda: observe_answer(scene))
        return True
    skip(facts, (AuthAnswer, Logins, MailSession, UserdbAnswer), NO_AUTH)
    return False


def skip(facts: Facts, kinds: tuple[type[Evidence], ...], reason: str) -> None:
    facts.update({kind: NotApplicable(kind, reason) for kind in kinds})


def lack(facts: Facts, kinds: tuple[type[Evidence], ...], like: type[Evidence]) -> None:
    """These are missing for the same reason as ``like`` is."""
    missing = facts[like]
    assert isinstance(missing, Unobserved | NotApplicable)
    facts.update({kind: replace(missing, kind=kind) for kind in kinds})


def look_by(probes: tuple[Probe, ...], facts: Facts, scene: Scene) -> None:
    """By each of these, but those that were looked by already."""
    for one in probes:
        if one.kind not in facts:
            see(facts, one.kind, partial(one.observe, scene))
