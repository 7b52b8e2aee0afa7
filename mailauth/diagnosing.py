"""Look at everything once, in a straight line; apply the rules; return a Diagnosis.

Reads top to bottom; ``looking`` has the probes that are asked one after the other.
"""

from dataclasses import field, replace

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.reader import check_reader
from mailauth.dovecot.refusal import Refusal
from mailauth.dovecot.site import read_or_refusal, unread
from mailauth.errors import CannotObserve, UsageError
from mailauth.evidence import (
    Accepted,
    ClientAddress,
    Configured,
    DirectoryAnswers,
    End,
    Evidence,
    Fact,
    Foreseen,
    Logins,
    LookedUp,
    MailAccess,
    MailSession,
    NoStart,
    NotApplicable,
    PamAnswer,
    PasswordBytes,
    PasswordCheck,
    PasswordElsewhere,
    PasswordPart,
    PasswordVariant,
    Said,
    StoredHash,
    StoreMemory,
    Surveys,
    Trials,
    Unobserved,
    UnseenFailures,
    UserBind,
    UserdbAnswer,
    UserName,
    Verifiers,
)
from mailauth.finding import Diagnosis
from mailauth.hashes import Flaw, Hash, Password, Verdict
from mailauth.hashes.allowance import Allowance, allowed
from mailauth.hashes.interruptible import verify_hash
from mailauth.looking import Facts, auth_starts, concluded, lack, look_by, see, skip
from mailauth.probes.binding import Binder
from mailauth.probes.client_address import in_log, observe_address
from mailauth.probes.directory import observe_directories
from mailauth.probes.lookup import look_up, make_road, observe_user_name
from mailauth.probes.mail_access import observe_mail_access
from mailauth.probes.password import Suspect, observe_bytes, observe_kept, observe_part, observe_variants
from mailauth.probes.process import observe_verifiers
from mailauth.probes.real_login import observe_logins, without_login
from mailauth.probes.refused import observe_refusal
from mailauth.probes.scene import Case, Scene
from mailauth.probes.session import observe_session
from mailauth.probes.stored import observe_stored
from mailauth.probes.table import Scope, kinds_of, probes_of
from mailauth.probes.trial import observe_trials
from mailauth.probes.unreached import observe_elsewhere
from mailauth.probes.variables import cannot_look_up
from mailauth.probes.walk import walk
from mailauth.records import dataclass
from mailauth.rules import RULES, memory_case
from mailauth.stores.directed import Directed
from mailauth.stores.store import OF_THE_CONNECTION, Failing

# Seconds for a login where a database keeps Dovecot waiting, a minute at most: sql-api-private.h of 2.3.19.1.
_SHORT, _WITHOUT_DATABASE = 5.0, 10.0
_OF_PASSWORD = (PasswordCheck, UserBind, PamAnswer)
_DROPPED = 2.0  # where a directory drops its connections: who asks it waits without an end


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked: which user of which Dovecot, with which password, and whether to log in for real."""

    user: str
    dovecot: Installation = field(default_factory=Installation)
    password: Password | None = None
    login: bool = False
    service: str = "imap"
    variants: float = 3.0  # seconds for near variants of a wrong password; 0: none are tried
    named_service: bool = False  # the service was asked for, and is not only the default
    audit: bool = False  # also judge what works by today's recommendations
    host: str = ""  # the name or address that the client connects to
    port: int = 0
    mechanism: str = ""  # the SASL mechanism that the client uses
    address: str = ""  # where the client is; "": not known
    allowance: Allowance = field(default_factory=Allowance)  # for all tries of hashes
    binds: bool = False  # a directory may be asked about the password, by one bind: an attempt that counts
    asks_pam: bool = False  # so may PAM, once
    asks_lua: bool = False  # the Lua scripts of passdbs may be run, without any right
    config: AuthConfig | None = None  # as read for this service already; None: it is read


@dataclass(frozen=True, slots=True)
class Looked:
    """A diagnosis, and what a proof in a lab needs to repeat it.  The records hold secrets."""

    diagnosis: Diagnosis
    config: AuthConfig
    cases: tuple[Case, ...]


def diagnose(target: Target) -> Diagnosis:
    """Find out why ``target.user`` cannot log in.  Raises UsageError for a configuration file
    and a user name that is none, CannotObserve when there is no Dovecot at all.  Everything else that cannot
    be seen is in the diagnosis, as undecided.
    """
    return look(target).diagnosis


def look(target: Target) -> Looked:
    """As ``diagnose``, with what was read along."""
    with allowed(target.allowance):
        return _look(target)


def _look(target: Target) -> Looked:
    if not target.user or "\0" in target.user:
        raise UsageError("the user name is empty or has a NUL in it; give the name that the client sends.")
    config = target.config or read_or_refusal(target.dovecot, target.service)
    if isinstance(config, Refusal):
        return refused(target, config)
    scene = Scene(
        target.dovecot,
        config,
        target.user,
        target.service,
        target.password,
        target.login,
        variants=target.variants,
        named_service=target.named_service,
        host=target.host,
        port=target.port,
        mechanism=target.mechanism,
        address=target.address,
        audit=target.audit,
        binds=target.binds,
        asks_pam=target.asks_pam,
        asks_lua=target.asks_lua,
    )
    shared: Facts = {Configured: Configured("doveconf -a", config)}
    misread = cannot_look_up(config)
    skip(shared, (UserName,) if misread else (), misread)
    names = None if misread else see(shared, UserName, lambda: observe_user_name(scene))
    scene = replace(scene, names=names)
    scene = replace(scene, road=make_road(scene) if names else None)
    cases: list[Case] = []
    if names is None:
        lack(shared, (LookedUp, ClientAddress), UserName)
    elif names.refused:
        end = End(Said.REFUSED, 0, names.looked_up)
        shared[LookedUp] = LookedUp("auth_username_chars: no passdb is asked", (), (), end, end)
        skip(shared, (*_OF_PASSWORD, ClientAddress), "Dovecot refuses the name")
    else:
        scene = _look_up(shared, scene, cases)
    scene = replace(scene, cases=tuple(cases))
    facts = [_look_at(case, scene) for case in cases]
    _check_password(shared, scene, facts)
    check = shared[PasswordCheck]
    scene = replace(scene, end=check.end if isinstance(check, PasswordCheck) and check.lets_in else None)
    scene = _log_in(shared, scene)
    look_by(probes_of(Scope.SERVER, Scope.USER), shared, scene)
    _look_at_mail(shared, scene)
    skip(shared, (Surveys, StoreMemory, Foreseen, UnseenFailures), "mailauth checkup looks at all users")
    merged = [shared | one for one in facts] or [shared | _without_a_hash(shared[LookedUp])]
    seen = (*shared.values(), *(fact for one in facts for fact in one.values()))
    return Looked(concluded(target.user, merged, seen, target.dovecot), config, scene.cases)


def _look_up(shared: Facts, scene: Scene, cases: list[Case]) -> Scene:
    """Ask the passdbs, into ``cases``; what is known of the client and its patience thereafter."""
    lookups = see(shared, LookedUp, lambda: look_up(scene, cases))
    if lookups is not None and (address := in_log(scene)):
        scene = replace(scene, address=address, logged=True)
        scene = replace(scene, road=make_road(scene))
        cases.clear()
        lookups = see(shared, LookedUp, lambda: look_up(scene, cases))
    if lookups is None:
        skip(shared, (ClientAddress,), "no entry was read")
    else:
        see(shared, ClientAddress, lambda: observe_address(scene, lookups))
        scene = replace(scene, userdb_fails=lookups.userdb_fails, patience=_patience(lookups, scene))
    directories = see(shared, DirectoryAnswers, lambda: observe_directories(scene))
    dropped = directories.those(Directed.DROPS) if directories else ()
    scene = replace(scene, patience=_DROPPED) if dropped else scene
    if any(one.alone for one in dropped):
        skip(shared, (UserdbAnswer,), "auth connects to that directory for ever once it is asked")
    return scene


def _log_in(shared: Facts, scene: Scene) -> Scene:
    """A real login where one was asked for and auth is there; whether it was let in."""
    if not auth_starts(shared, scene):
        return scene
    if not scene.login or scene.password is None:
        see(shared, Logins, lambda: without_login(scene, Logins))
        see(shared, MailSession, lambda: without_login(scene, MailSession))
        return scene
    logins = see(shared, Logins, lambda: observe_logins(scene))
    see(shared, MailSession, lambda: observe_session(scene, logins))
    if logins is not None and any(reply.ok for reply in logins.replies):
        skip(shared, (PasswordVariant,), "the login works")  # a cache may let an old password in
    return replace(scene, let_in=logins is not None and all(reply.ok for reply in logins.replies))


def refused(target: Target, refusal: Refusal) -> Looked:
    """Dovecot refuses it, and no more is seen.  Raises CannotObserve where another Dovecot runs with it."""
    check_reader(target.dovecot, refusal)
    reason = f"Dovecot does not take {refusal.file}, so nothing else was looked at."
    facts: Facts = {kind: Unobserved(kind, reason) for rule in RULES for kind in rule.needs}
    see(facts, Accepted, lambda: observe_refusal(target.dovecot, refusal))
    seen = tuple(fact for fact in facts.values() if not isinstance(fact, Unobserved) or fact.bug)
    return Looked(concluded(target.user, [facts], seen, target.dovecot), unread(refusal), ())


def _look_at_mail(shared: Facts, scene: Scene) -> None:
    """The mail folder that the userdb named."""
    answer = shared[UserdbAnswer]
    if isinstance(answer, UserdbAnswer):
        see(shared, MailAccess, lambda: observe_mail_access(scene, answer))
    else:
        lack(shared, (MailAccess,), UserdbAnswer)


def _without_a_hash(lookups: Fact) -> Facts:
    """No passdb gave a hash: because there is none, or because we could not ask."""
    kinds = (StoredHash, Verifiers, Trials, *kinds_of(Scope.CASE))
    if isinstance(lookups, Unobserved):
        return {kind: Unobserved(kind, lookups.reason) for kind in kinds}
    return {kind: NotApplicable(kind, "there is no stored hash") for kind in kinds}


def _look_at(case: Case, scene: Scene) -> Facts:
    """One passdb's case: the stored hash, the process that verifies it, the trial, and what else is asked."""
    facts: Facts = {}
    stored = see(facts, StoredHash, lambda: observe_stored(case, scene))
    look_by(probes_of(Scope.CASE), facts, replace(scene, cases=(case,)))
    if isinstance(facts[NoStart], NoStart):  # to wake it again would make Dovecot wait longer with the next
        skip(facts, (Verifiers, Trials), "no process that verifies starts")
    else:
        _look_at_memory(facts, case, scene, stored)
    return facts


def _look_at_memory(facts: Facts, case: Case, scene: Scene, stored: StoredHash | None) -> None:
    if stored is None or isinstance(case.hash, Flaw) or not stored.memory.total or scene.names is None:
        reason = "the stored string cannot match" if isinstance(case.hash, Flaw) else "it takes no memory"
        skip(facts, (Verifiers, Trials), reason)
        return
    parsed, user = case.hash, scene.names.looked_up
    blocks = frozenset({stored.memory.blocks})
    verifiers = see(
        facts,
        Verifiers,
        lambda: observe_verifiers(scene.dovecot, scene.config, case.passdb, user, blocks),
    )
    if verifiers is None:
        lack(facts, (Trials,), Verifiers)
    else:
        see(facts, Trials, lambda: observe_trials(parsed, scene.password, stored, verifiers))


def _patience(lookups: LookedUp, scene: Scene) -> float:
    """How many seconds a login may take."""
    if lookups.failures(Failing.SLOW):
        return _SHORT
    return _WITHOUT_DATABASE if lookups.failures(*OF_THE_CONNECTION) else scene.patience


def _check_password(shared: Facts, scene: Scene, facts: list[Facts]) -> None:
    """The given password against each sound hash; near variants of a wrong one; the part of a right one."""
    sound = _sound(scene.cases, facts)
    suspects = [Suspect(parsed, _source(one[StoredHash])) for parsed, one in sound]
    _verify_password(shared, scene, facts, sound, suspects)
    check, password = shared[PasswordCheck], scene.password
    if password is None:
        skip(shared, (PasswordBytes,), "no password was given")
    else:
        see(shared, PasswordBytes, lambda: observe_bytes(password))
    kinds: tuple[type[Evidence], ...] = (PasswordVariant, PasswordPart)
    if isinstance(check, Unobserved):
        lack(shared, kinds, PasswordCheck)
        return
    if password is None or not isinstance(check, PasswordCheck):
        skip(shared, kinds, "no password was verified")
        return
    user = scene.looked_up
    hashes = check.verdicts[: len(suspects)]
    right = [one for one, said in zip(suspects, hashes, strict=True) if said is Verdict.MATCH]
    if right or not suspects:
        why = "the password is right" if right else "each would be one bind more"
        skip(shared, (PasswordVariant,), why)
        see(shared, PasswordPart, lambda: observe_part(right, password, user))
    else:
        skip(shared, (PasswordPart,), "the password is wrong")
        see(shared, PasswordVariant, lambda: observe_variants(suspects, password, user, scene.variants))
        see(shared, PasswordElsewhere, lambda: observe_elsewhere(scene, check))


def _source(fact: Fact) -> str:
    return fact.source if isinstance(fact, Evidence) else ""


def _verify_password(
    shared: Facts, scene: Scene, facts: list[Facts], sound: list[tuple[Hash, Facts]], suspects: list[Suspect]
) -> None:
    """The password as it was given, against what accounts that are refused have, too: into ``suspects``."""
    if PasswordCheck in shared:
        return
    if scene.password is not None and isinstance(shared[LookedUp], Unobserved):
        lack(shared, _OF_PASSWORD, LookedUp)
        return
    binder = Binder(scene)
    if scene.password is None or not (sound or scene.refused or binder.may_bind):
        skip(shared, (PasswordCheck,), "no password was given" if sound else "there is no sound hash")
        see(shared, UserBind, binder.observe)
        see(shared, PamAnswer, lambda: binder.observe_pam(None))
        return
    password, user = scene.password, scene.looked_up

    def check() -> PasswordCheck | NotApplicable:
        verdicts = tuple(_verify(parsed, one, password, user) for parsed, one in sound)
        kept = observe_kept(scene)
        suspects.extend(kept)
        of_refused = tuple(_verify(one.hash, {}, password, user) for one in kept)
        if not (verdicts or kept or binder.may_bind):
            return NotApplicable(PasswordCheck, "there is no sound hash")
        right = [one for (_, one), said in zip(sound, verdicts, strict=True) if said is Verdict.MATCH]
        passing = [one for one in right if _fits(one)]
        refusing = {one.refusing for one, said in zip(kept, of_refused, strict=True) if said is Verdict.MATCH}
        end = _end(scene, facts, passing, binder, refusing)
        if lets_in := end.lets_in and (bool(passing) or binder.takes):
            _set_aside(facts, sorted(passing, key=lambda one: _number(one) != end.decided_by))
        source = binder.source if not (sound or kept) else "verified here, without a limit"
        return PasswordCheck(source, (*verdicts, *of_refused, *binder.verdicts), lets_in, end, binder.text)

    checked = see(shared, PasswordCheck, check)
    see(shared, UserBind, binder.observe)
    see(shared, PamAnswer, lambda: binder.observe_pam(checked))


def _end(scene: Scene, facts: list[Facts], passing: list[Facts], binder: Binder, refusing: set[int]) -> End:
    """Where the way ends when these hashes match: fields, rules and other passdbs have a say."""
    pairs = zip(scene.cases, facts, strict=True)
    numbers = refusing | {case.passdb.number for case, one in pairs if any(one is r for r in passing)}
    assert scene.road
    return walk(scene.road, lambda entry: entry.passdb.number in numbers or binder.is_taken(entry))


def _sound(cases: tuple[Case, ...], facts: list[Facts]) -> list[tuple[Hash, Facts]]:
    """The hashes that a password can match, with their facts."""
    found = []
    for case, one in zip(cases, facts, strict=True):
        stored = one[StoredHash]
        if isinstance(case.hash, Hash) and isinstance(stored, StoredHash) and stored.damage is None:
            found.append((case.hash, one))
    return found


def _verify(parsed: Hash, one: Facts, password: Password, user: str) -> Verdict:
    """MATCH or MISMATCH.  Raises CannotObserve when it was not worked out."""
    trials = one.get(Trials)
    if isinstance(trials, Trials) and trials.unlimited is not None:
        return trials.unlimited
    said = verify_hash(parsed, password, user=user)
    if said.verdict not in (Verdict.MATCH, Verdict.MISMATCH):
        raise CannotObserve(f"the password was not verified: {said.reason}.")
    return said.verdict


def _fits(one: Facts) -> bool:
    """The verifying process was seen to have room, or none is needed."""
    if isinstance(one.get(NoStart), NoStart):
        return False
    stored, trials = one[StoredHash], one[Trials]
    if isinstance(trials, Trials) and isinstance(stored, StoredHash):
        return not memory_case.short_of_memory(trials, stored.memory)
    return isinstance(trials, NotApplicable)


def _number(one: Facts) -> int:
    stored = one[StoredHash]
    return stored.passdb if isinstance(stored, StoredHash) else 0


def _set_aside(facts: list[Facts], passing: list[Facts]) -> None:
    """Where one passdb lets the user in, what is wrong in another blocks nothing: Dovecot goes on."""
    source = _source(passing[0][StoredHash]) if passing else "the directory"
    for other in facts:
        if other not in passing[:1]:
            skip(other, tuple(other), f"{source} lets the user in")
