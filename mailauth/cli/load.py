"""``mailauth load``."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mailauth.cli.load_options import options, plan_of

if TYPE_CHECKING:
    from mailauth.load.accounts import Mix
    from mailauth.load.plan import Plan, Target
    from mailauth.load.pool import Pool
    from mailauth.load.result import LoadResult, Sample
    from mailauth.load.run import Show
    from mailauth.load.tally import Tally

_EACH_UNTIL, _THEN_EACH = 20.0, 10.0  # seconds: a line each second at first, then one in ten


_EPILOG = """\b
mailauth load --lab --profile dovecot --find-knee
mailauth load --users users.csv --rate 50 --duration 60
mailauth load --lab --by imap --ramp 5:50

\b
Exit status:  0 nothing failed, or a knee was found
              1 some failed, were lost or unsent, a --stop ended it, or there is no knee
              2 wrong usage
              3 the server is not reached
              130 interrupted; the report has what was measured
"""


@click.command(epilog=_EPILOG)
@options
def load(as_json: bool, picture: Path | None, **given: Any) -> None:
    """Measure the login rate that Dovecot sustains, and what happens above it.

    Asks at the auth socket, or by IMAP, at a rate that does not wait for answers; latency counts from
    the time when the request was due.  Loads a lab's Dovecot, this machine's, or any with
    --i-own-this-server.
    """
    from mailauth.cli.load_where import where  # noqa: PLC0415 - --help needs none of it
    from mailauth.load.accounts import Mix  # noqa: PLC0415
    from mailauth.load.drive import INTERRUPTED  # noqa: PLC0415
    from mailauth.load.run import load as run  # noqa: PLC0415
    from mailauth.render.json import to_json  # noqa: PLC0415
    from mailauth.render.load import load_text  # noqa: PLC0415

    plan = plan_of(given)
    with where(given, plan) as place, showing() as show:
        mix = Mix(place.accounts, plan.wrong)
        sources = addresses(given["sources"]) if given["sources"] else []
        result = run(plan, place.about, pool_of(plan, place.target, mix, sources), mix, place.watch, show)
    click.echo(to_json(result) if as_json else load_text(result), nl=as_json)
    if picture:
        from mailauth.render.load_picture import picture as draw  # noqa: PLC0415 - an optional extra

        draw(result, picture)
    sys.exit(130 if result.ended == INTERRUPTED else _status(result))


def _status(result: "LoadResult") -> int:
    from mailauth.load.drive import DURATION  # noqa: PLC0415

    if result.knee:
        return 0 if result.knee.rate else 1
    return 0 if result.ended == DURATION and not result.counts.bad + result.warm_up_counts.bad else 1


def pool_of(plan: "Plan", target: "Target", mix: "Mix", sources: list[str]) -> Callable[[], "Pool"]:
    """Makes the connections, inside the event loop."""
    from mailauth.load.authpool import AuthPool  # noqa: PLC0415
    from mailauth.load.imappool import ImapPool  # noqa: PLC0415
    from mailauth.load.plan import AuthTarget  # noqa: PLC0415
    from mailauth.load.pool import Bounds  # noqa: PLC0415

    bounds = Bounds(plan.in_flight, plan.timeout, sources)
    if isinstance(target, AuthTarget):
        return lambda: AuthPool(target.path, mix, bounds, plan.connections)
    return lambda: ImapPool(target, mix, bounds)


def addresses(count: int) -> list[str]:
    """Of 127.0.0.0/8, but not 127.0.0.1, where others come from."""
    return [f"127.77.{n // 250}.{n % 250 + 1}" for n in range(count)]


@contextmanager
def showing() -> Iterator["Show"]:
    """On standard error: a live board on a terminal, else a line now and then."""
    from mailauth.render.load import sample_line  # noqa: PLC0415

    if not sys.stderr.isatty():

        def line(what: str, sample: "Sample", tally: "Tally") -> None:
            if sample.at < _EACH_UNTIL or sample.at % _THEN_EACH < 1:
                click.echo(sample_line(what, sample, tally.counts()), err=True)

        yield line
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    from mailauth.render.load_live import Board  # noqa: PLC0415

    board = Board()
    with Live(console=Console(file=sys.__stderr__), auto_refresh=False, transient=True) as live:
        yield lambda what, sample, tally: live.update(
            board.update(what, sample, tally.counts()), refresh=True
        )
