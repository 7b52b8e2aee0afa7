"""What ``memory_recommend`` does; its options are in ``memory_recommend.py``."""

import os
import sys

import click

from mailauth.cli.memory_hash import with_parameters
from mailauth.cli.shared.given import without
from mailauth.cli.shared.progress import stepping
from mailauth.dovecot.doveadm import chosen
from mailauth.dovecot.sizes import parse_limit, parse_size
from mailauth.errors import CannotObserve, UsageError
from mailauth.hashes.making import LARGEST_IDLE
from mailauth.memory.huge_pages import (
    TURNS,
    HugePages,
    HugeTrial,
    check_changeable,
    huge_pages,
    setting_of,
    trial,
    undone_by,
)
from mailauth.memory.recommend import Advice, RunningPassdb, Wish, advise, fitting
from mailauth.memory.records import RecommendReport
from mailauth.memory.speed import Speed, speed
from mailauth.probes.ceilings import observe_ceilings
from mailauth.probes.linked import linked_library
from mailauth.probes.running_passdb import observe_running_passdb
from mailauth.render.json import to_json
from mailauth.render.memory_recommend import recommend_text

_USUAL = "passwd-file"  # where no Dovecot and no driver is known
_WORKERS = 30  # Dovecot's default


def command(
    config: str | None,
    pid: int | None,
    rows_query: str | None,
    driver: str | None,
    use_worker: bool,
    vsz_limit: str | None,
    ram: str | None,
    cores: int | None,
    users: int | None,
    peak: float,
    latency: float,
    idle: str | None,
    workers: int | None,
    seconds: float,
    apply_to: str | None,
    try_huge_pages: bool,
    dovecot: str | None,
    as_json: bool,
) -> None:
    if dovecot and not apply_to:
        raise UsageError("--dovecot says which Dovecot the lab has: add --apply-to lab.")
    server, assumed = None, ""
    if driver is not None:
        without("--driver, which is for no Dovecot,", "config", "pid", "rows_query")
    else:
        server, assumed = found(config, pid, rows_query)
    if server is not None:
        without("memory recommend for a Dovecot", "use_worker")
    wish = Wish(
        driver=driver or (server.driver if server else _USUAL),
        memory=parse_size(ram) if ram else (server.free if server else _free()) // 2,
        cores=cores or (server.cores if server else len(os.sched_getaffinity(0))),
        peak=peak,
        latency=latency / 1000,
        vsz_limit=parse_limit(vsz_limit) if vsz_limit else None,
        may_raise=vsz_limit is None,
        idle=parse_size(idle) if idle else server.idle if server else LARGEST_IDLE,
        most_workers=workers or (server.workers if server else _WORKERS),
        users=(server.users if server and users is None else users) or 0,
        use_worker=use_worker,
        verified_by=server.service if server else None,
    )
    if wish.service != "auth-worker":
        without(f"{f'--driver {driver}' if driver else wish.driver}, which auth itself verifies,", "workers")
    pages = _pages(must=try_huge_pages)
    advice = measured(wish, seconds)
    proof = None
    if apply_to and advice.chosen:
        from mailauth.lab.prove_memory import prove  # noqa: PLC0415 - a lab is made on demand only

        proof = prove(wish, advice.chosen, advice.config, dovecot=dovecot)
    tried = _tried(pages, advice, seconds) if pages and try_huge_pages else None
    report = RecommendReport(advice, proof, server, assumed, pages, tried)
    click.echo(to_json(report) if as_json else recommend_text(report), nl=as_json)
    well = tried is None or tried.put_back
    sys.exit(0 if well and advice.chosen and (proof is None or proof.worked == proof.asked) else 1)


def _pages(*, must: bool) -> HugePages | None:
    """The setting, where it is seen.  Raises CannotObserve where it must be, and for a trial of nothing."""
    try:
        pages = huge_pages()
    except CannotObserve:
        if must:
            raise
        return None
    if must:
        check_changeable(pages)
    if must and pages.given:
        raise CannotObserve(f"{pages.file} is always: logins have huge pages, and there is nothing to try.")
    return pages


def _tried(pages: HugePages, advice: Advice, seconds: float) -> HugeTrial:
    """With the parameters that are recommended, else doveadm pw's default.  Raises CannotObserve."""
    row = advice.chosen
    parsed = with_parameters(str(row.m), row.t, 1) if row else with_parameters("65536", 3, 1)
    click.echo(
        f"{pages.file} is set to always for some seconds, and back to {pages.setting} also if this command is"
        f" killed; should its guard be killed too, run: {undone_by(pages)}",
        err=True,
    )
    library = linked_library("libsodium")
    try:
        with stepping(2 * TURNS, "trying huge pages") as step:
            return trial(
                parsed, pages, parallel=advice.wish.parallel, seconds=seconds, library=library, step=step
            )
    finally:
        now = setting_of(pages)
        if now == pages.setting:
            click.echo(f"{pages.file} is {now} again.", err=True)
        else:
            click.echo(f"{pages.file} IS {now}, NOT {pages.setting}: run: {undone_by(pages)}", err=True)


def found(config: str | None, pid: int | None, rows_query: str | None) -> tuple[RunningPassdb | None, str]:
    """The Dovecot that is meant; None, and why, where none was named and none can be looked at.

    Raises what ``observe_running_passdb`` raises where it was named.
    """
    try:
        return observe_running_passdb(chosen(config, pid), rows_query), ""
    except (CannotObserve, UsageError) as why:
        if (config, pid, rows_query) != (None, None, None):
            raise
        return None, str(why)


def measured(wish: Wish, seconds: float) -> Advice:
    """Measure what fits, the quick rows first, and no row that will surely be too slow."""
    library = linked_library("libsodium")
    rows = sorted((row for row in fitting(wish) if not row.refused), key=lambda row: row.m * row.t)
    speeds: dict[tuple[int, int], Speed] = {}
    pace = 0.0  # seconds for a KiB and pass, at the best
    with stepping(len(rows), "measuring") as step:
        for row in rows:
            if pace * row.m * row.t <= 1.5 * wish.latency:
                parsed = with_parameters(str(row.m), row.t, 1)
                seen = speed(parsed, wish.parallel, seconds=seconds, library=library)
                speeds[row.m, row.t] = seen
                pace = seen.time.least / (row.m * row.t)
            step(row.name)
    return advise(wish, speeds)


def _free() -> int:
    """The least that any ceiling over this very process leaves."""
    return min(one.free for one in observe_ceilings(os.getpid(), os.getpid()))
