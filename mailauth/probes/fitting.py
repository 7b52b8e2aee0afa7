"""Look at every passdb of a server: its hashes, who verifies them, under which limits."""

from contextlib import suppress

import psutil

from mailauth import digits
from mailauth.dovecot import typed
from mailauth.dovecot.authconfig import AuthConfig, Passdb
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.nobody import NOBODY
from mailauth.dovecot.site import read_config
from mailauth.errors import CannotObserve
from mailauth.evidence import StoreMemory, Surveys, Verifiers, VerifyingProcess
from mailauth.memory.census import Census, census
from mailauth.memory.fitting import PassdbFit, Process, ServiceFit, bite, service_fit, stanza
from mailauth.memory.records import FitReport
from mailauth.probes import pam_library
from mailauth.probes.ceilings import observe_ceilings
from mailauth.probes.process import idle_size, master_process, observe_verifiers
from mailauth.probes.survey import Ask, survey_passdb
from mailauth.records import dataclass

_WORKERS = 30  # auth_worker_max_count's and, in 2.4, process_limit's default


@dataclass(frozen=True, slots=True)
class FitQuestion:
    """Which Dovecot; ``rows_query``: another query for all passwords; ``user``: one to look up."""

    dovecot: Installation
    rows_query: str | None = None
    user: str = NOBODY  # looked up to start a worker, where none runs


def observe_fit(question: FitQuestion) -> FitReport:
    """Everything ``memory fit`` says of a server.

    Raises UsageError for a configuration that Dovecot refuses, CannotObserve when there is no Dovecot.
    What cannot be seen of one passdb is in the report.
    """
    config = read_config(question.dovecot)
    passdbs = tuple(
        _passdb(question, config, passdb)
        for passdb in config.passdbs
        if not passdb.master and not passdb.deny
    )
    return FitReport(
        str(config.version), config.file, passdbs, typed.shown(question.dovecot, "doveadm", "reload")
    )


def _passdb(question: FitQuestion, config: AuthConfig, passdb: Passdb) -> PassdbFit:
    ask = Ask(question.dovecot, config, question.rows_query)
    counted = None
    try:
        counted = census(survey_passdb(ask, passdb))
        return fit_passdb(question, config, passdb, counted)
    except CannotObserve as why:
        return PassdbFit(passdb.label, passdb.driver, counted, (), "", (), str(why))


def fit_passdb(question: FitQuestion, config: AuthConfig, passdb: Passdb, counted: Census) -> PassdbFit:
    """A store's largest hash against the processes that verify it.  Raises CannotObserve."""
    if counted.largest is None:
        return PassdbFit(passdb.label, passdb.driver, counted, (), "", (), "")
    blocks = frozenset(one.footprint.memory.blocks for one in counted.sets)
    verifiers = observe_verifiers(question.dovecot, config, passdb, question.user, blocks)
    master = master_process(question.dovecot, config).pid
    services = tuple(_services(question.dovecot, config, verifiers, counted))
    limit, blocks_of_one = verifiers.miss.limit, counted.largest.footprint.memory.blocks
    if verifiers.helper and any(one.harms for one in services) and limit and blocks_of_one < limit:
        raise pam_library.is_smaller(verifiers.helper, verifiers.miss.service)
    pid = verifiers.miss.pid or master
    ceilings = observe_ceilings(pid, master)
    bites = tuple(bite(one, services, counted.largest.footprint) for one in ceilings)
    return PassdbFit(passdb.label, passdb.driver, counted, services, stanza(services), bites, "")


def observe_memory(ask: Ask, surveys: Surveys) -> StoreMemory:
    """Whether the largest hash of each store fits where it is verified.  Raises CannotObserve."""
    question = FitQuestion(ask.dovecot)
    fits = []
    for one in surveys.stores:
        try:
            fits.append(fit_passdb(question, ask.config, one.passdb, census(one.survey)))
        except CannotObserve as why:
            raise CannotObserve(f"{one.passdb.label}: {why.reason}", needs_root=why.needs_root) from None
    return StoreMemory("/proc, and the largest hash of each store", tuple(fits))


def _services(
    dovecot: Installation, config: AuthConfig, verifiers: Verifiers, counted: Census
) -> list[ServiceFit]:
    found = [service_fit(_process(dovecot, config, verifiers.miss, counted), counted)]
    if verifiers.hit is not None:
        found.append(
            service_fit(
                _process(dovecot, config, verifiers.hit, counted),
                counted,
                on_cache_hit=True,
                falls_back=verifiers.falls_back,
            )
        )
    return [one for one in found if one is not None]


def _process(dovecot: Installation, config: AuthConfig, seen: VerifyingProcess, counted: Census) -> Process:
    size, resident = seen.size, 0
    blocks = {one.footprint.memory.blocks for one in counted.sets}
    if seen.pid is not None:
        with suppress(psutil.Error, CannotObserve):
            size, resident = idle_size(seen.pid, blocks), psutil.Process(seen.pid).memory_info().rss
    most = workers(dovecot, config) if seen.service == "auth-worker" else 1
    return Process(seen.service, seen.pid, seen.limit, seen.configured, seen.place, size, resident, most)


def workers(dovecot: Installation, config: AuthConfig) -> int:
    """How many auth-workers may run: auth_worker_max_count in 2.3, the service's process_limit in 2.4."""
    text = config.tree.get("auth_worker_max_count")
    if config.version.dialect == "2.4":
        text = dovecot.run("doveconf", "-h", "service/auth-worker/process_limit").out.strip()
    return digits.number(text) or _WORKERS
