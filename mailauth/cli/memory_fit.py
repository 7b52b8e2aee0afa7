"""``mailauth memory fit``."""

import sys

import click

from mailauth.cli.memory_hash import hash_argument, take_hash
from mailauth.cli.shared.options import config_option, pid_option
from mailauth.errors import UsageError
from mailauth.hashes import Hash
from mailauth.memory.fitting import PassdbFit
from mailauth.memory.report import FitReport

_DRIVERS = ("passwd-file", "pgsql", "ldap", "static", "mysql", "sqlite", "pam", "lua")


@click.command(name="fit")
@hash_argument
@config_option
@pid_option
@click.option(
    "--rows-query",
    metavar="SQL",
    help="A SELECT of all users and passwords, if Dovecot's query does not show it.",
)
@click.option(
    "--vsz-limit",
    metavar="SIZE",
    help="Without a Dovecot: vsz_limit of the process; 0 or unlimited for none.",
)
@click.option("--driver", type=click.Choice(_DRIVERS), help="Without a Dovecot: driver of the passdb.")
@click.option(
    "--use-worker", is_flag=True, help="Without a Dovecot: judge as with 2.4's passdb_use_worker = yes."
)
@click.option("--idle", metavar="SIZE", help="Without a Dovecot: size of the idle process.  [26M]")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=30,
    help="Without a Dovecot: number of auth-workers.",
    metavar="N",
)
@click.option("--stdin", is_flag=True, help="Without a Dovecot: read the stored hash from standard input.")
@click.option(
    "--fd",
    type=click.IntRange(min=0),
    metavar="FD",
    help="Without a Dovecot: read the stored hash from this file descriptor.",
)
@click.option(
    "--memory", metavar="M", help="Instead of a hash: Argon2 memory, in KiB (65536) or as a size (64M)."
)
@click.option("--lanes", type=click.IntRange(min=1), metavar="P", help="Argon2 lanes (threads).  [1]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/memory-fit.json).")
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
    """Check whether the hashes in the store fit into the processes that verify them.

    On a server: reads the configuration, counts the parameters of all rows in the store, reads size and
    limits of the processes that verify, and prints the smallest vsz_limit that is enough.  Changes nothing;
    a worker that does not run yet is started by looking up a user that does not exist.

    Without one: give --vsz-limit, --driver and a HASH (or --stdin, --memory).

    \b
    Exit status:  0 all fits               1 something does not, or would not at peak
                  2 wrong usage            3 something could not be looked at
    """
    from mailauth.render.json import to_json  # noqa: PLC0415 - --help needs none of it
    from mailauth.render.memory_fit import fit_text  # noqa: PLC0415

    if vsz_limit is not None or driver is not None:
        if config is not None or pid is not None:
            raise UsageError(
                "--vsz-limit and --driver are for no Dovecot, -c and --pid for one: leave one pair out."
            )
        if vsz_limit is None or driver is None:
            raise UsageError("without a Dovecot, give both --vsz-limit and --driver.")
        parsed = take_hash(stored, stdin=stdin, descriptor=fd, memory=memory, time=None, lanes=lanes)
        report = by_hand(parsed, vsz_limit, driver, use_worker=use_worker, idle=idle, workers=workers)
    else:
        if stored is not None or stdin or fd is not None or memory is not None:
            raise UsageError(
                "a hash of your own needs --vsz-limit and --driver; without, the store's are taken."
            )
        report = on_server(config, pid, rows_query)
    click.echo(to_json(report) if as_json else fit_text(report), nl=as_json)
    sys.exit(exit_status(report))


def on_server(config: str | None, pid: int | None, rows_query: str | None) -> FitReport:
    from mailauth.dovecot.doveadm import chosen  # noqa: PLC0415
    from mailauth.probes.fitting import Question, observe_fit  # noqa: PLC0415

    return observe_fit(Question(chosen(config, pid), rows_query))


def by_hand(
    parsed: Hash, vsz_limit: str, driver: str, *, use_worker: bool, idle: str | None, workers: int
) -> FitReport:
    """For a limit and a driver named on the command line."""
    from mailauth.dovecot.authconfig import who_verifies  # noqa: PLC0415
    from mailauth.dovecot.sizes import parse_limit, parse_size  # noqa: PLC0415
    from mailauth.hashes.making import LARGEST_IDLE  # noqa: PLC0415
    from mailauth.memory.census import Census, ParameterSet  # noqa: PLC0415
    from mailauth.memory.fitting import Process, service_fit, stanza  # noqa: PLC0415
    from mailauth.memory.footprint import of  # noqa: PLC0415

    service, _ = who_verifies(driver, use_worker=use_worker, use_cache=False, cache_with_worker=False)
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
