"""Apply the rules, and weigh what each claims against all that the same run has seen.  Pure: no I/O.

A rule sees its own facts: a stored string that no password matches.  That it *blocks the login* is a claim
about the whole way through the passdbs, and does not hold past a passdb that was not looked into, past a
login that worked in the same run, or past a cause that another rule names.  What only lost its weight is
lowered; what is open is undecided, with what would show it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mailauth.dovecot.drivers import Question
from mailauth.evidence import (
    Accepted,
    AuthAnswer,
    AuthFiles,
    AuthStart,
    Configured,
    End,
    Evidence,
    Fact,
    Logins,
    LookedUp,
    MailSession,
    NotApplicable,
    PasswordBytes,
    PasswordCheck,
    Running,
    Said,
    StoredHash,
    Surveys,
    Unobserved,
    UserdbAnswer,
    UserName,
)
from mailauth.evidence.log import NO_AUTH
from mailauth.evidence.logins import NO_ANSWER
from mailauth.evidence.lookup import Unseen
from mailauth.evidence.userdb import PROXIED
from mailauth.finding import Bears, Certainty, Finding, Problem, Rule, Severity, Undecided
from mailauth.stores.store import Outcome
from mailauth.unread_files import without_files

Facts = Mapping[type[Evidence], Fact]
Judged = tuple[list[Finding], list[Undecided]]


_OF_ENTRY = frozenset({Bears.ENTRY, Bears.DATABASE, Bears.CONNECTION, Bears.RUNNING})
_OF_FILE = frozenset({Bears.FILE, Bears.CLOSED_FILE})
_OF_ANSWER = frozenset({Bears.ANSWER, Bears.UNKNOWN_USER})
_STARTS = frozenset({Bears.START, Bears.NEXT_START})
_OF_AUTH = _STARTS | {Bears.AUTH}
# What a login that worked shows to be no hindrance.
_SHOWN = _OF_ENTRY | _OF_FILE | _OF_ANSWER | _OF_AUTH
# What is said of these rests on the files, which need not be what runs (CONF016).
_BY_THE_FILES = _OF_ENTRY - {Bears.RUNNING} | _OF_ANSWER | {Bears.MECHANISM}
_LET_IN = "A login made now still worked: by the auth cache, or by another passdb or entry."
_WEIGHT = (Severity.BLOCKS_LOGIN, Severity.RISK, Severity.NOTE)


def apply(rules: Iterable[Rule], cases: Iterable[Facts]) -> Judged:
    """Ask each rule about each case.  Equal findings, and equal silences, are kept once.

    What blocks logins comes first, and of that what is proven.
    """
    rules = tuple(rules)
    cases = _none_left(rules, list(cases))
    findings: list[Finding] = []
    undecided: list[Undecided] = []
    for one in rules:
        for facts in cases:
            told = _asked(one, facts)
            if isinstance(told, Finding) and told not in findings:
                findings.append(told)
            elif isinstance(told, Undecided) and told not in undecided:
                undecided.append(told)
    findings = [one for one in findings if not _gives_way(one, findings)]
    findings, more = _without_auth(findings, cases)
    undecided += more
    loud = {finding.rule.code for finding in findings} | {one.rule.code for one in undecided}
    undecided += [one for facts in cases[:1] for one in _open(rules, facts) if one.rule.code not in loud]
    # What is said last is for lack of a weightier cause; a note is none.
    others = (one.severity for one in findings if not one.rule.last and one.severity is not Severity.NOTE)
    heaviest = min(map(_WEIGHT.index, others), default=len(_WEIGHT))
    findings = [one for one in findings if not one.rule.last or _WEIGHT.index(one.severity) < heaviest]
    findings.sort(key=lambda one: (_WEIGHT.index(one.severity), one.problem.certainty is Certainty.LIKELY))
    return findings, undecided


def _gives_way(one: Finding, findings: Iterable[Finding]) -> bool:
    """Whether another rule says more of the same fault; what was lowered below this one is another."""
    named = [other for other in findings if other.rule.code in one.rule.yields_to]
    least = [max(one.severity, other.rule.severity, key=_WEIGHT.index) for other in named]
    return any(_WEIGHT.index(a.severity) <= _WEIGHT.index(b) for a, b in zip(named, least, strict=True))


def _none_left(rules: Sequence[Rule], cases: list[Facts]) -> list[Facts]:
    """The same; where by itself each entry that the user has blocks, none of them makes up for another.

    Without a password the way past one entry is followed as if the others matched.  What an entry has is not
    asked again: a passdb that was not looked into, or says anything but "found" or "unknown user", leaves it.
    """
    lookups = cases[0].get(LookedUp) if cases else None
    if len(cases) < 2 or not isinstance(lookups, LookedUp) or lookups.unseen:
        return cases
    asked = [one for one in lookups.answers if one.outcome is not Outcome.UNKNOWN_USER and not one.deny]
    blocked = {
        stored.passdb
        for facts in cases
        if isinstance(stored := facts.get(StoredHash), StoredHash)
        and any(_blocks_by_itself(rule, facts) for rule in rules)
    }
    if not {one.number for one in asked} <= blocked:
        return cases
    ends = tuple((number, replace(end, said=Said.MISMATCH, decided_by=0)) for number, end in lookups.without)
    return [{**facts, LookedUp: replace(lookups, without=ends)} for facts in cases]


def _blocks_by_itself(rule: Rule, facts: Facts) -> bool:
    """Whether a rule says of the entry of this case, proven, that it lets nobody in."""
    if rule.bears is not Bears.ENTRY or StoredHash not in rule.needs:
        return False
    seen = [facts[kind] for kind in rule.needs]
    if not all(isinstance(fact, Evidence) for fact in seen):
        return False
    problem = rule.check(*seen, *_seen(rule.also, facts))
    if problem is None or problem.certainty is not Certainty.PROVEN:
        return False
    return (problem.severity or rule.severity) is Severity.BLOCKS_LOGIN


def judged(rule: Rule, cases: Iterable[Facts]) -> bool:
    """Whether all that the rule needs was seen in a case: else it was not asked."""
    return any(all(isinstance(facts[kind], Evidence) for kind in rule.needs) for facts in cases)


def _asked(rule: Rule, facts: Facts) -> Finding | Undecided | None:
    """What one rule says of one case."""
    seen = [facts[kind] for kind in rule.needs]
    if any(isinstance(fact, NotApplicable) for fact in seen):
        return None
    missing = next((fact for fact in seen if isinstance(fact, Unobserved)), None)
    if missing is not None:
        shown = _worked(facts) and rule.severity is Severity.BLOCKS_LOGIN and not missing.bug
        return None if shown and rule.bears in _SHOWN else Undecided(rule, missing)
    problem: Problem | None = _of_what_runs(rule, rule.check(*seen, *_seen(rule.also, facts)), facts)
    if problem is None or (problem.severity or rule.severity) is not Severity.BLOCKS_LOGIN:
        return None if problem is None else Finding(rule, problem)
    weighed = _weighed(rule, problem, facts)
    if isinstance(weighed, Unobserved):
        return Undecided(rule, weighed)
    return Finding(rule, weighed) if weighed else None


def _of_what_runs(rule: Rule, problem: Problem | None, facts: Facts) -> Problem | None:
    """A Dovecot that runs goes on with what it read, whatever is in the files now."""
    accepted, running = facts.get(Accepted), facts.get(Running)
    if problem is None:
        return None
    if Accepted in rule.needs and isinstance(accepted, Accepted) and accepted.running:
        also = (
            f" The Dovecot that runs (process {accepted.running}) goes on with what it read before: the next"
            " start fails."
        )
        return replace(problem, says=problem.says + also, severity=Severity.RISK)
    changed = isinstance(running, Running) and running.changed
    if changed and rule.bears in _BY_THE_FILES and problem.certainty is Certainty.PROVEN:
        return replace(problem, certainty=Certainty.LIKELY)
    return problem


def _seen(kinds: Iterable[type[Evidence]], facts: Facts) -> list[Evidence | None]:
    found = [facts.get(kind) for kind in kinds]
    return [fact if isinstance(fact, Evidence) else None for fact in found]


def _weighed(rule: Rule, problem: Problem, facts: Facts) -> Problem | Unobserved | None:
    """The problem with the weight that it has; None: it is none; Unobserved: whether it is one is open."""
    bears = rule.bears
    if bears is None or bears is Bears.NOTHING:
        return problem
    if bears in _OF_FILE and any(isinstance(one, AuthStart) for one in problem.because):
        return problem  # auth does not start for lack of that file: no passdb is asked
    if _of_userdbs(bears, problem, facts):
        return _of_session(problem, facts)
    if bears is Bears.MAIL:
        return _of_mail(problem, facts)
    if bears is Bears.NEXT_START and problem.severity is None and _goes_on(facts):
        return replace(problem, says=f"{problem.says} {_GOES_ON}", severity=Severity.RISK)
    if bears in _SHOWN and _worked(facts):
        if bears in _OF_ANSWER:
            return None
        return lowered(problem, _LET_IN)
    if bears is Bears.ROWS:
        return _of_rows(problem, facts)
    lookups = facts.get(LookedUp)
    if bears in _OF_AUTH or not isinstance(lookups, LookedUp):
        return problem
    return _on_the_way(rule, bears, problem, lookups, facts)


_LETS_ANYONE_IN = "Any password still logs in."
_GOES_ON = "The auth that runs goes on with what it read before: logins work until the next reload or start."


def _goes_on(facts: Facts) -> bool:
    """An auth answers, so that it read something else than what the files say now."""
    start = facts.get(AuthStart)
    return isinstance(start, AuthStart) and start.starts


def _of_mail(problem: Problem, facts: Facts) -> Problem:
    """What comes after auth, against a session made now, and a passdb that may bring fields of its own."""
    lookups = facts.get(LookedUp)
    if isinstance(facts.get(MailSession), MailSession):
        return _of_session(problem, facts)
    if isinstance(lookups, LookedUp) and lookups.right and not lookups.right.lets_in and lookups.unseen:
        names = " or ".join(one.passdb for one in lookups.unseen)
        return lowered(problem, f"{names}, which mailauth did not look into, may bring what is missing.")
    return problem


def _of_session(problem: Problem, facts: Facts) -> Problem:
    session, userdb = facts.get(MailSession), facts.get(UserdbAnswer)
    if isinstance(session, MailSession) and not session.ended_at:
        return lowered(problem, "A session made now still worked.")
    configured = facts.get(Configured)
    if isinstance(configured, Configured) and (why := configured.config.without_userdb):
        return lowered(problem, f"{why[0].upper()}{why[1:]}.")
    proxied = isinstance(userdb, NotApplicable) and userdb.reason == PROXIED
    return lowered(problem, "This user's login goes on to another server (proxy).") if proxied else problem


def _of_userdbs(bears: Bears, problem: Problem, facts: Facts) -> bool:
    """Whether a userdb fails by it: none makes up for that (else its answer is no failure)."""
    if bears is Bears.CLOSED_FILE:
        files = [one for fact in problem.because if isinstance(fact, AuthFiles) for one in fact.files]
        return bool(files) and all(one.by_userdbs for one in files)
    if bears not in (Bears.DATABASE, Bears.CONNECTION):
        return False
    lookups = facts.get(LookedUp)
    alone = isinstance(lookups, LookedUp) and not any(one.failure for one in lookups.answers)
    told = [one for one in problem.because if isinstance(one, LookedUp)]
    return any(one.userdb_fails or (one.userdbs and alone) for one in told)


def _on_the_way(
    rule: Rule, bears: Bears, problem: Problem, lookups: LookedUp, facts: Facts
) -> Problem | Unobserved | None:
    """A claim about the way through the passdbs, against where that ends."""
    end = _end(rule, bears, lookups, facts)
    if end is None:
        return problem
    if bears in _OF_ANSWER and end.said is Said.FAILURE and any(one.failure for one in lookups.answers):
        failing = " and ".join(one.passdb for one in lookups.answers if one.failure)
        return Unobserved(LookedUp, f"{failing} gives no answer, which another finding names.")
    of_all = bears in (Bears.MECHANISM, Bears.UNKNOWN_USER)  # that is said of every passdb
    unseen = [one for one in lookups.unseen if of_all or one.number in end.unseen]
    if unseen:
        return _past(bears, problem, unseen, facts)
    if bears in _OF_ENTRY | {Bears.UNKNOWN_USER} and lookups.wrong and lookups.wrong.lets_in:
        if bears is Bears.UNKNOWN_USER:
            return None  # HASH023 says that any password logs in
        return replace(lowered(problem, _LETS_ANYONE_IN), certainty=problem.certainty)
    if bears is Bears.CLOSED_FILE and (by := without_files(lookups, facts)):
        return replace(lowered(problem, by), certainty=problem.certainty)
    if bears in _OF_ENTRY and end.lets_in and end.decided_by != _number(rule, facts):
        by = next((step.passdb for step in end.steps if step.number == end.decided_by), "another passdb")
        also = f"That holds for this passdb alone: a password that {by} takes logs in."
        if isinstance(facts.get(PasswordCheck), PasswordCheck):  # else whose password it is is not known
            also = f"{by} still lets the user in."
        return replace(lowered(problem, also), certainty=problem.certainty)
    return problem


def _past(bears: Bears, problem: Problem, unseen: Sequence[Unseen], facts: Facts) -> Problem | Unobserved:
    """A claim past passdbs that were not looked into; a login that failed tells what they said."""
    names = " and ".join(one.passdb for one in unseen)
    codes = _refused(facts)
    if codes is not None and (bears not in _OF_ANSWER or "temp_fail" not in codes):
        also = f" auth refused the login, so {names} {'do' if unseen[1:] else 'does'} not let the user in."
        return replace(problem, says=problem.says + also, certainty=Certainty.LIKELY)
    if bears in _OF_ANSWER:
        return _unobserved(unseen, facts)
    also = f"Whether that keeps the user out depends on {names}, which mailauth did not look into."
    return lowered(problem, also)


def _of_rows(problem: Problem, facts: Facts) -> Problem:
    surveys = facts.get(Surveys)
    if not isinstance(surveys, Surveys) or not surveys.unseen:
        return problem
    names = " and ".join(one.passdb for one in surveys.unseen)
    return lowered(problem, f"{names}, which mailauth did not look into, may let these users in.")


def lowered(problem: Problem, also: str) -> Problem:
    """What blocks no login as far as it was seen, and is wrong all the same."""
    return replace(problem, says=f"{problem.says} {also}", certainty=Certainty.LIKELY, severity=Severity.RISK)


def _end(rule: Rule, bears: Bears, lookups: LookedUp, facts: Facts) -> End | None:
    """Where the way ends that the claim is about."""
    if bears in _OF_FILE:
        return lookups.wrong
    check = facts.get(PasswordCheck)
    if isinstance(check, PasswordCheck) and check.end:
        return check.end
    return dict(lookups.without).get(_number(rule, facts), lookups.right)


def _number(rule: Rule, facts: Facts) -> int:
    """The passdb whose entry a rule speaks of; 0: of none alone."""
    stored = facts.get(StoredHash)
    return stored.passdb if StoredHash in rule.needs and isinstance(stored, StoredHash) else 0


def _worked(facts: Facts) -> bool:
    """Every real login of this run was let in."""
    logins = facts.get(Logins)
    return isinstance(logins, Logins) and all(reply.ok for reply in logins.replies)


def _refused(facts: Facts) -> frozenset[str] | None:
    """The codes of the real logins of this run, if every one failed."""
    logins = facts.get(Logins)
    if not isinstance(logins, Logins) or any(one.ok or one.code == NO_ANSWER for one in logins.replies):
        return None
    return frozenset(reply.code for reply in logins.replies)


def _without_auth(findings: list[Finding], cases: Sequence[Facts]) -> Judged:
    """Where auth does not run, nothing is proven of what it would say of this user."""
    dead = [one for one in findings if one.rule.bears in _STARTS and one.severity is Severity.BLOCKS_LOGIN]
    answers = [facts.get(AuthAnswer) for facts in cases]
    # It was asked to greet: there was nobody to do so.
    silent = any(isinstance(one, NotApplicable) and one.reason == NO_AUTH for one in answers)
    if not dead and not silent:
        return findings, []
    cause = dead[0].rule.code if dead else NO_AUTH
    first = f"{cause[0].upper()}{cause[1:]}: fix that first."
    kept: list[Finding] = []
    undecided: list[Undecided] = []
    for one in findings:
        bears = one.rule.bears
        if bears in _OF_ANSWER:
            reason = f"auth does not answer ({cause}): what it says of a password shows when it does."
            undecided.append(Undecided(one.rule, Unobserved(LookedUp, reason)))
        elif not dead and bears is Bears.CONNECTION:
            kept.append(one)
        elif bears in _OF_ENTRY and one.severity is Severity.BLOCKS_LOGIN:
            kept.append(replace(one, problem=lowered(one.problem, first)))
        else:
            kept.append(one)
    return kept, undecided


def _open(rules: Iterable[Rule], facts: Facts) -> list[Undecided]:
    """The questions that are open for a passdb on the user's way that was not looked into."""
    lookups, check = facts.get(LookedUp), facts.get(PasswordCheck)
    if not isinstance(lookups, LookedUp) or not lookups.right or _worked(facts):
        return []
    given = isinstance(facts.get(PasswordBytes), PasswordBytes)
    if given:
        end = check.end if isinstance(check, PasswordCheck) and check.end else lookups.wrong
        numbers = set(end.unseen) if end else set()
    else:
        numbers = {step.number for step in lookups.right.steps if step.said is Said.UNASKED}
    found = []
    for one in lookups.unseen:
        if one.number in numbers:
            open_ = [asked for asked in one.open if given or asked is not Question.PASSWORD]
            missing = _unobserved([one], facts)
            found += [Undecided(rule, missing) for rule in rules if rule.asks in open_]
    return found


def _unobserved(unseen: Sequence[Unseen], facts: Facts) -> Unobserved:
    """What was not looked into, and the login that shows what comes of it, where none was made."""
    reason = "; ".join(one.text.removesuffix(".") for one in unseen)
    name = facts.get(UserName)
    told = any(one.needs_root for one in unseen)  # the command that shows it
    if not told and isinstance(facts.get(Logins), NotApplicable) and isinstance(name, UserName):
        reason += f"; {SHOWN_BY_A_LOGIN}"
    return Unobserved(LookedUp, f"{reason}.")


SHOWN_BY_A_LOGIN = "a real login shows what comes of it"
