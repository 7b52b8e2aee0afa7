"""Look at what a running Dovecot has for its hashes: who verifies them, how much memory, how many users."""

from contextlib import suppress

import psutil

from mailauth.dovecot.authconfig import AuthConfig, Passdb
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.nobody import NOBODY
from mailauth.dovecot.site import read_config
from mailauth.errors import CannotObserve
from mailauth.memory.recommend import RunningPassdb
from mailauth.probes.ceilings import observe_ceilings
from mailauth.probes.fitting import workers
from mailauth.probes.process import idle_size, master_process, observe_verifiers
from mailauth.probes.survey import Ask, survey_passdb


def observe_running_passdb(dovecot: Installation, rows_query: str | None = None) -> RunningPassdb:
    """The first passdb whose strings Dovecot verifies, and the process that does.

    Where no worker runs, a lookup of a user who does not exist starts one.  Raises UsageError for a
    configuration that Dovecot refuses, CannotObserve where no Dovecot runs, where its processes may not be
    read, and where it verifies no stored string.
    """
    config = read_config(dovecot)
    verified = [one for one in config.passdbs if one.has_rows and not (one.master or one.deny)]
    if not verified:
        raise CannotObserve(f"{config.file}: no passdb has stored strings that Dovecot verifies.")
    passdb = verified[0]
    verifiers = observe_verifiers(dovecot, config, passdb, NOBODY)
    process, master = verifiers.miss, master_process(dovecot, config)
    pid = process.pid or master.pid
    size = process.size
    with suppress(psutil.Error, CannotObserve):
        size = idle_size(pid, frozenset()) if process.pid else size
    return RunningPassdb(
        str(config.version),
        config.version.dialect,
        config.file,
        passdb.label,
        passdb.driver,
        process.service,
        process.pid,
        size,
        workers(dovecot, config) if process.service == "auth-worker" else 1,
        _cores(pid),
        min(one.free for one in observe_ceilings(pid, master.pid)),
        process.configured,
        process.place,
        _users(dovecot, config, passdb, rows_query),
        tuple(one.label for one in verified[1:]),
    )


def _cores(pid: int) -> int:
    """How many the process may run on."""
    with suppress(psutil.Error):
        return len(psutil.Process(pid).cpu_affinity() or ())
    return psutil.cpu_count() or 1


def _users(dovecot: Installation, config: AuthConfig, passdb: Passdb, rows_query: str | None) -> int | None:
    try:
        return survey_passdb(Ask(dovecot, config, rows_query), passdb).rows
    except CannotObserve:
        return None
