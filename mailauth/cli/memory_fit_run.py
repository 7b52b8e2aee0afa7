"""What ``memory_fit`` does; its options are in ``memory_fit.py``."""

import sys

import click

from mailauth.cli.memory_hash import take_hash
from mailauth.cli.shared.given import without
from mailauth.dovecot.authconfig import who_verifies
from mailauth.dovecot.doveadm import chosen
from mailauth.dovecot.sizes import parse_limit, parse_size
from mailauth.errors import UsageError
from mailauth.hashes import Hash
from mailauth.hashes.making import LARGEST_IDLE
from mailauth.memory.census import Census, ParameterSet
from mailauth.memory.fitting import PassdbFit, Process, service_fit, stanza
from mailauth.memory.footprint import of
from mailauth.memory.records import FitReport
from mailauth.probes.fitting import FitQuestion, observe_fit
from mailauth.render.json import to_json
from mailauth.render.memory_fit import fit_text


def command(
    stored: str | None,
    config: str | None,
    pid: int | None,
    rows_query: str | None,
    vsz_limit: str | None,
    driver: str | None,
    use_worker: bool,
    idle: str | None,
    workers: int,
    stdin: bool,
    fd: int | None,
    memory: str | None,
    lanes: int | None,
    as_json: bool,
) -> None:
    if vsz_limit is not None or driver is not None:
        if config is not None or pid is not None:
            raise UsageError(
                "--vsz-limit and --driver are for no Dovecot, -c and --pid for one: leave one pair out."
            )
        if vsz_limit is None or driver is None:
            raise UsageError("without a Dovecot, give both --vsz-limit and --driver.")
        without("memory fit without a Dovecot", "rows_query")
        parsed = take_hash(stored, stdin=stdin, descriptor=fd, memory=memory, time=None, lanes=lanes)
        report = by_hand(parsed, vsz_limit, driver, use_worker=use_worker, idle=idle, workers=workers)
    else:
        if stored is not None or stdin or fd is not None or memory is not None:
            raise UsageError(
                "a hash of your own needs --vsz-limit and --driver; without them leave out HASH, --stdin,"
                " --fd and --memory: the store's are taken."
            )
        without("memory fit of a Dovecot", "use_worker", "idle", "workers", "lanes")
        report = on_server(config, pid, rows_query)
    click.echo(to_json(report) if as_json else fit_text(report), nl=as_json)
    sys.exit(exit_status(report))


def on_server(config: str | None, pid: int | None, rows_query: str | None) -> FitReport:
    return observe_fit(FitQuestion(chosen(config, pid), rows_query))


def by_hand(
    parsed: Hash, vsz_limit: str, driver: str, *, use_worker: bool, idle: str | None, workers: int
) -> FitReport:
    """For a limit and a driver named on the command line."""
    service, _ = who_verifies(driver, use_worker=use_worker, use_cache=False, cache_with_worker=False)
    if service != "auth-worker":
        without(f"--driver {driver}, which auth itself verifies,", "workers")
    footprint = of(parsed)
    sets = (ParameterSet(parsed.shown, 1, footprint),) if footprint.parts else ()
    counted = Census("the command line", 1, sets, 0)
    limit = parse_limit(vsz_limit)
    size = parse_size(idle) if idle else LARGEST_IDLE
    place = "--idle" if idle else "assumed idle size: the largest measured, see --idle"
    most = workers if service == "auth-worker" else 1
    process = Process(service, None, limit, limit, place, size, 0, most)
    one = service_fit(process, counted)
    services = (one,) if one else ()
    return FitReport(
        "", "", (PassdbFit(f"passdb ({driver})", driver, counted, services, stanza(services), (), ""),)
    )


def exit_status(report: FitReport) -> int:
    """1 something is short; 3 something could not be looked at; else 0."""
    if any(one.short for one in report.passdbs):
        return 1
    return 3 if any(one.problem for one in report.passdbs) or not report.passdbs else 0
