"""Look at the server and at every row of its stores, without a user: a health check before an upgrade."""

from collections.abc import Callable
from dataclasses import field, replace

from mailauth.diagnosing import Looked, Target, refused
from mailauth.dovecot.as_if import as_if
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.refusal import Refusal
from mailauth.dovecot.site import read_or_refusal
from mailauth.dovecot.version import Version
from mailauth.evidence import (
    Configured,
    DirectoryAnswers,
    Foreseen,
    LookedUp,
    LuaScripts,
    StoreMemory,
    Surveys,
    SystemAccounts,
    UnseenFailures,
)
from mailauth.finding import Diagnosis
from mailauth.looking import Facts, auth_starts, concluded, lack, look_by, see, skip
from mailauth.probes.fitting import observe_memory
from mailauth.probes.foreseen import observe_foreseen
from mailauth.probes.log_unseen import observe_unseen_failures
from mailauth.probes.lua_scripts import observe_lua
from mailauth.probes.nobody import ask_accounts, ask_directories, ask_stores
from mailauth.probes.scene import Scene
from mailauth.probes.survey import Ask, observe_surveys
from mailauth.probes.table import Scope, probes_of
from mailauth.probes.variables import cannot_look_up
from mailauth.records import dataclass
from mailauth.rules import RULES


@dataclass(frozen=True, slots=True)
class Checkup:
    """What is asked: which Dovecot, and which version it is to be judged as.

    ``names``: how many users are named for each class of rows.
    """

    dovecot: Installation = field(default_factory=Installation)
    as_if: Version | None = None
    rows_query: str | None = None
    names: int = 5
    progress: Callable[[int], None] | None = None


def checkup(asked: Checkup) -> Diagnosis:
    """Check the whole server, without a user.  Raises UsageError and CannotObserve, as ``diagnose`` does."""
    return look_at_all(asked).diagnosis


def look_at_all(checkup: Checkup) -> Looked:
    """Every rule that needs no user.  With ``as_if``, only what that version would make of it all."""
    config = read_or_refusal(checkup.dovecot)
    if isinstance(config, Refusal):
        return refused(Target("", checkup.dovecot), config)
    facts: Facts = {}
    judging = config
    if checkup.as_if is None:
        facts[Configured] = Configured("doveconf -a", config)
        scene = Scene(checkup.dovecot, config)
        auth_starts(facts, scene)
        look_by(probes_of(Scope.SERVER), facts, scene)
        see(facts, UnseenFailures, lambda: observe_unseen_failures(scene))
        skip(facts, (Foreseen,), "no other version was asked about")
    else:
        version = checkup.as_if
        judging = as_if(config, version)
        facts[Configured] = Configured(f"doveconf -a, as if for {version}", judging)
        see(facts, Foreseen, lambda: observe_foreseen(checkup.dovecot, config, version))
        old = Scene(checkup.dovecot, config)
        see(facts, LuaScripts, lambda: observe_lua(old, version.dialect))
    _look_at_stores(facts, checkup, config, judging)
    if checkup.as_if is None and not cannot_look_up(config):
        see(facts, LookedUp, lambda: ask_stores(scene))
        see(facts, DirectoryAnswers, lambda: ask_directories(scene))
        see(facts, SystemAccounts, lambda: ask_accounts(scene))
    kinds = {kind for rule in RULES for kind in rule.needs} - facts.keys()
    skip(facts, tuple(kinds), "no user is asked about")
    return Looked(concluded("", [facts], tuple(facts.values()), checkup.dovecot), judging, ())


def _look_at_stores(facts: Facts, checkup: Checkup, config: AuthConfig, judging: AuthConfig) -> None:
    ask = Ask(
        checkup.dovecot,
        judging,
        checkup.rows_query,
        checkup.names,
        checkup.progress,
        config if checkup.as_if is not None else None,
    )
    if not config.passdbs:  # CONF014 says what comes of that
        skip(facts, (Surveys, StoreMemory), "there is no passdb")
        return
    surveys = see(facts, Surveys, lambda: observe_surveys(ask))
    if surveys is None:
        lack(facts, (StoreMemory,), Surveys)
    else:
        # Another version has these limits, too, and processes much like those that run now.
        own = replace(ask, config=config, progress=None)
        see(facts, StoreMemory, lambda: observe_memory(own, surveys))
