"""Look at everything once, in a straight line; apply the rules; return a Diagnosis.

Reads top to bottom.  Each step is ``see(kind, call)``: what it returns goes into the case; what it
could not see becomes Unobserved, and the rules that need it are undecided.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from mailauth import hashes
from mailauth.dovecot.authconfig import AuthConfig, FileSource, Passdb, SqlSource, StaticSource
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.site import read_config
from mailauth.dovecot.username import UserNames, normalise
from mailauth.dovecot.variables import Escape, expand, values
from mailauth.errors import CannotObserve, UsageError
from mailauth.evidence import (
    Configured,
    Evidence,
    Fact,
    Logins,
    LookedUp,
    NotApplicable,
    PassdbAnswer,
    PasswordCheck,
    StoredHash,
    Trials,
    Unobserved,
    UserName,
    Verifiers,
)
from mailauth.finding import Diagnosis, apply
from mailauth.hashes import Flaw, Hash, Password, Verdict
from mailauth.probes.login import observe_logins
from mailauth.probes.process import observe_verifiers
from mailauth.probes.trial import observe_trials
from mailauth.rules import RULES, memory_case
from mailauth.stores import passwd_file, sql
from mailauth.stores.store import Outcome, Record

_E = TypeVar("_E", bound=Evidence)
Facts = dict[type[Evidence], Fact]


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked: which user of which Dovecot, with which password, and whether to log in for real."""

    user: str
    dovecot: Installation = field(default_factory=Installation)
    password: Password | None = None
    login: bool = False
    service: str = "imap"


@dataclass(frozen=True, slots=True)
class Case:
    """One passdb in which the user was found."""

    passdb: Passdb
    record: Record
    hash: Hash | Flaw


@dataclass(frozen=True, slots=True)
class Looked:
    """A diagnosis, and what a proof in a lab needs to repeat it.  The records hold secrets."""

    diagnosis: Diagnosis
    config: AuthConfig
    cases: tuple[Case, ...]


def diagnose(target: Target) -> Diagnosis:
    """Find out why ``target.user`` cannot log in.

    Raises UsageError for a configuration that Dovecot does not accept and a user name that is none,
    CannotObserve when there is no Dovecot at all.  Everything else that cannot be seen is in the
    diagnosis, as undecided.
    """
    return look(target).diagnosis


def look(target: Target) -> Looked:
    """As ``diagnose``, with what was read along."""
    if not target.user or "\0" in target.user:
        raise UsageError("the user name is empty or has a NUL in it; give the name that the client sends.")
    config = read_config(target.dovecot)
    shared: Facts = {}
    configured = Configured("doveconf -a", config.version, config.file, config.services, config.allow_weak)
    shared[Configured] = configured
    names = _see(shared, UserName, lambda: _user_name(target, config))
    cases: list[Case] = []
    if names is None:
        unknown = shared[UserName]
        shared[LookedUp] = Unobserved(LookedUp, unknown.reason if isinstance(unknown, Unobserved) else "")
    elif names.refused:
        _skip(shared, (LookedUp, PasswordCheck), "Dovecot refuses the name")
    else:
        _see(shared, LookedUp, lambda: _look_up(target, config, names, cases))
    facts = [_look_at(case, target, config, names) for case in cases if names]
    _check_password(shared, target, cases, facts)
    if target.login and target.password is not None:
        password = target.password
        _see(
            shared,
            Logins,
            lambda: observe_logins(target.dovecot, config, target.user, password, target.service),
        )
    else:
        _skip(shared, (Logins,), "no login was asked for")
    merged = [shared | one for one in facts] or [shared | _without_a_hash(shared[LookedUp])]
    findings, undecided = apply(RULES, merged)
    loud = {finding.rule.code for finding in findings} | {one.rule.code for one in undecided}
    silent = tuple(rule for rule in RULES if rule.code not in loud)
    seen = (*shared.values(), *(fact for one in facts for fact in one.values()))
    return Looked(
        Diagnosis(target.user, tuple(findings), tuple(undecided), silent, seen), config, tuple(cases)
    )


def _see(facts: Facts, kind: type[_E], call: Callable[[], _E]) -> _E | None:
    """Look, and record what was seen or why not.  The one place that catches a bug in a probe."""
    try:
        facts[kind] = seen = call()
    except CannotObserve as why:
        facts[kind] = Unobserved(kind, str(why))
    except Exception as bug:  # noqa: BLE001 - one broken probe must not silence the rest
        # The place only: a message or a local value might hold a secret.
        last = traceback.extract_tb(bug.__traceback__)[-1]
        place = f"{last.filename.rpartition('/')[2]}:{last.lineno}"
        facts[kind] = Unobserved(kind, f"a bug in mailauth: {type(bug).__name__} at {place}.", bug=True)
    else:
        return seen
    return None


def _without_a_hash(lookups: Fact) -> Facts:
    """No passdb gave a hash: because there is none, or because we could not ask."""
    kinds = (StoredHash, Verifiers, Trials)
    if isinstance(lookups, Unobserved):
        return {kind: Unobserved(kind, lookups.reason) for kind in kinds}
    return {kind: NotApplicable(kind, "there is no stored hash") for kind in kinds}


def _skip(facts: Facts, kinds: tuple[type[Evidence], ...], reason: str) -> None:
    facts.update({kind: NotApplicable(kind, reason) for kind in kinds})


def _user_name(target: Target, config: AuthConfig) -> UserName:
    names: UserNames = normalise(target.user, config, target.service)
    return UserName("auth_username_format", names.given, names.looked_up, names.refused)


def _look_up(target: Target, config: AuthConfig, names: UserName, cases: list[Case]) -> LookedUp:
    """Ask every passdb in Dovecot's order; the cases are filled with those that have a hash."""
    answers: list[PassdbAnswer] = []
    problems: list[str] = []
    for passdb in config.passdbs:
        if passdb.master:
            continue  # asked for master users only
        if passdb.deny or passdb.skip != "never" or passdb.username_filter or passdb.mechanisms:
            problems.append(f"{passdb.label}: mailauth does not follow deny, skip and filters yet.")
            continue
        try:
            record = _ask(target, config, names, passdb)
        except CannotObserve as why:
            problems.append(f"{passdb.label}: {why}")
            continue
        answers.append(PassdbAnswer(passdb.label, record.place, record.outcome, record.fields))
        if record.outcome is Outcome.FOUND:
            parsed = hashes.parse(
                as_taken(record, passdb),
                default_scheme=passdb.default_scheme,
                dovecot=_numbers(config),
                allow_weak=config.allow_weak,
            )
            cases.append(Case(passdb, record, parsed))
    if problems and not cases:
        raise CannotObserve(" ".join(problems))
    if not answers:
        raise CannotObserve(f"{config.file} has no passdb that can be asked.")
    return LookedUp("the passdbs, in Dovecot's order", tuple(answers), tuple(problems))


def as_taken(record: Record, passdb: Passdb) -> bytes:
    """The stored string as Dovecot takes it: a SQL passdb puts the default scheme before a bare one.

    So a bare "$1$" is MD5-CRYPT in a passwd-file, and what the default says in a database.
    Source: auth_request_set_password(), Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-request.c.
    """
    stored = record.stored
    named = stored.startswith(b"{") and b"}" in stored and not record.noscheme
    if named or not isinstance(passdb.source, SqlSource):
        return stored
    return b"{%b}%b" % (passdb.default_scheme.encode(), stored)


def _bare_as(case: Case) -> str:
    """The scheme that a string without {SCHEME} should have had before it, where the default is wrong."""
    from mailauth.hashes.mend import mend  # noqa: PLC0415 - 20 ms that only a bare string needs

    stored = case.record.stored
    if isinstance(case.hash, Flaw):
        mistaken = case.hash.verdict is not Verdict.WEAK  # then it was taken for what it is
    else:
        mistaken = case.hash.scheme.name in _AS_TEXT
    if stored[:1] == b"{" or not mistaken:
        return ""
    mended = mend(stored)
    if mended is None or not mended.stored.endswith(b"}" + stored):
        return ""
    return mended.stored[1:].partition(b"}")[0].decode()


_AS_TEXT = frozenset({"PLAIN", "CLEAR", "CLEARTEXT", "PLAIN-TRUNC"})


def _ask(target: Target, config: AuthConfig, names: UserName, passdb: Passdb) -> Record:
    dialect = config.version.dialect
    known = values(names.looked_up, original=names.given, service=target.service, dialect=dialect)
    if target.password is not None:
        known["password"] = target.password.text.decode("utf-8", "surrogateescape")

    def filled(template: str, escape: Escape = str) -> str:
        return expand(template, known, dialect, escape)

    source = passdb.source
    if isinstance(source, FileSource):
        path = filled(source.path, lambda text: text.partition("/")[0])
        return passwd_file.lookup(
            target.dovecot.path(path), filled(source.username_format or "%u"), shown_as=path
        )
    if isinstance(source, SqlSource):
        sql.prepare(source)
        return target.dovecot.inside(lambda: sql.lookup(source, lambda escape: filled(source.query, escape)))
    if isinstance(source, StaticSource):
        return Record(Outcome.FOUND, f"{config.file}: passdb static", filled(source.password).encode())
    raise CannotObserve(passdb.source_problem)


def _look_at(case: Case, target: Target, config: AuthConfig, names: UserName) -> Facts:
    """One passdb's case: the stored hash, the process that verifies it, the trial."""
    facts: Facts = {}
    stored = _see(facts, StoredHash, lambda: _stored_hash(case))
    if stored is None or isinstance(case.hash, Flaw) or not stored.memory.total:
        reason = "the stored string cannot match" if isinstance(case.hash, Flaw) else "it takes no memory"
        _skip(facts, (Verifiers, Trials), reason)
        return facts
    parsed = case.hash
    blocks = frozenset({stored.memory.blocks})
    verifiers = _see(
        facts,
        Verifiers,
        lambda: observe_verifiers(target.dovecot, config, case.passdb, names.looked_up, blocks),
    )
    if verifiers is None:
        missing = facts[Verifiers]
        reason = missing.reason if isinstance(missing, Unobserved) else ""
        facts[Trials] = Unobserved(Trials, reason)
    else:
        _see(facts, Trials, lambda: observe_trials(parsed, target.password, stored, verifiers))
    return facts


def _stored_hash(case: Case) -> StoredHash:
    source = f"{case.passdb.label}, {case.record.place}"
    length = len(case.record.stored)
    bare_as = _bare_as(case)
    if isinstance(case.hash, Flaw):
        flaw = case.hash
        shown = hashes.shown(case.record.stored, default_scheme=case.passdb.default_scheme)
        named = shown[1:].partition("}")[0] if shown.startswith("{") else case.passdb.default_scheme
        return StoredHash(source, shown, named, length, hashes.Memory(), flaw.reason, flaw.verdict, bare_as)
    parsed = case.hash
    memory = hashes.hash_memory(parsed)
    return StoredHash(source, parsed.shown, parsed.scheme.name, length, memory, "", None, bare_as)


def _check_password(shared: Facts, target: Target, cases: list[Case], facts: list[Facts]) -> None:
    """The given password against each sound hash; a trial without a limit has done so already."""
    lookups, name = shared[LookedUp], shared[UserName]
    if PasswordCheck in shared:
        return
    if target.password is not None and isinstance(lookups, Unobserved):
        shared[PasswordCheck] = Unobserved(PasswordCheck, lookups.reason)
        return
    sound = _sound(cases, facts)
    if target.password is None or not sound:
        _skip(shared, (PasswordCheck,), "no password was given" if sound else "there is no sound hash")
        return
    password = target.password
    user = name.looked_up if isinstance(name, UserName) else target.user

    def check() -> PasswordCheck:
        verdicts = tuple(_verify(parsed, one, password, user) for parsed, one in sound)
        right = [one for (_, one), said in zip(sound, verdicts, strict=True) if said is Verdict.MATCH]
        passing = next((one for one in right if _fits(one)), None)
        if passing is not None:
            _set_aside(facts, passing)
        return PasswordCheck("verified here, without a limit", verdicts, passing is not None)

    _see(shared, PasswordCheck, check)


def _sound(cases: list[Case], facts: list[Facts]) -> list[tuple[Hash, Facts]]:
    """The hashes that a password can match, with their facts."""
    found = []
    for case, one in zip(cases, facts, strict=True):
        stored = one[StoredHash]
        if isinstance(case.hash, Hash) and isinstance(stored, StoredHash) and not stored.bare_as:
            found.append((case.hash, one))
    return found


def _verify(parsed: Hash, one: Facts, password: Password, user: str) -> Verdict:
    """MATCH or MISMATCH.  Raises CannotObserve when it was not worked out."""
    trials = one[Trials]
    if isinstance(trials, Trials) and trials.unlimited is not None:
        return trials.unlimited
    said = hashes.verify_hash(parsed, password, user=user)
    if said.verdict not in (Verdict.MATCH, Verdict.MISMATCH):
        raise CannotObserve(f"the password was not verified: {said.reason}.")
    return said.verdict


def _fits(one: Facts) -> bool:
    """The verifying process was seen to have room, or none is needed."""
    stored, trials = one[StoredHash], one[Trials]
    if isinstance(trials, Trials) and isinstance(stored, StoredHash):
        return not memory_case.short_of_memory(trials, stored.memory)
    return isinstance(trials, NotApplicable)


def _set_aside(facts: list[Facts], passing: Facts) -> None:
    """Where one passdb lets the user in, what is wrong in another blocks nothing: Dovecot goes on."""
    stored = passing[StoredHash]
    for other in facts:
        if other is not passing and isinstance(stored, StoredHash):
            _skip(other, (StoredHash, Verifiers, Trials), f"{stored.source} lets the user in")


def _numbers(config: AuthConfig) -> tuple[int, ...]:
    version = config.version
    return (version.major, version.minor, version.patch, version.build)
