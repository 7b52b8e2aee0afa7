"""What ``load`` does; its options are in ``load.py``."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mailauth.cli.load_plan import plan_of
from mailauth.cli.load_where import Where, where
from mailauth.later import later
from mailauth.load.attack import Attackers
from mailauth.load.authpool import AuthPool
from mailauth.load.drive import DURATION, INTERRUPTED
from mailauth.load.imappool import ImapPool
from mailauth.load.plan import AttackPlan, AuthTarget, LoadPlan, Target, on_this_machine
from mailauth.load.pool import Bounds, Pool
from mailauth.load.result import LoadResult, Sample
from mailauth.load.run import Show
from mailauth.load.run import load as run
from mailauth.load.tally import LoadTally
from mailauth.load.users import Mix
from mailauth.render.json import to_json
from mailauth.render.load import load_text, sample_line
from mailauth.render.load_live import Board
from mailauth.render.load_picture import picture as draw

if TYPE_CHECKING:
    import rich.console
    import rich.live
else:
    rich = later("rich")

_ADDRESSES, _USERS = 100, 78  # how many an attack comes from; users log in from 127.78.0.1 on
_EACH_UNTIL, _THEN_EACH = 20.0, 10.0  # seconds: a line each second at first, then one in ten


def load(as_json: bool, picture: Path | None, **given: Any) -> None:
    plan = plan_of(given)
    with where(given, plan) as place, showing() as show:
        mix = Mix(place.accounts, plan.wrong)
        if plan.attack:
            result = attacked(
                plan, plan.attack, place, mix, show, given["sources"], same=given["same_address"]
            )
        else:
            bounds = Bounds(
                plan.in_flight, plan.timeout, addresses(given["sources"]) if given["sources"] else []
            )
            result = run(plan, place.about, pool_of(plan, place.target, mix, bounds), mix, place.watch, show)
    click.echo(to_json(result) if as_json else load_text(result), nl=as_json)
    if picture:
        draw(result, picture)
    sys.exit(130 if result.ended == INTERRUPTED else _status(result))


def _status(result: LoadResult) -> int:
    if result.knee:
        return 0 if result.knee.rate else 1
    if result.attack:
        return 0 if result.attack.found else 1
    return 0 if result.ended == DURATION and not result.counts.bad + result.warm_up_counts.bad else 1


def attacked(
    plan: LoadPlan, attack: AttackPlan, place: Where, mix: Mix, show: Show, sources: int | None, *, same: bool
) -> LoadResult:
    """Wrong passwords for the same users, from ``sources`` addresses, beside their right logins."""
    here = on_this_machine(place.target)
    count = (sources or _ADDRESSES) if here else 0
    guesses = Mix(place.accounts, 1.0)
    theirs = Bounds(attack.in_flight, attack.timeout, addresses(count), penalties=True, guessing=True)
    same = same or not here
    ours = addresses(count) if same else addresses(_ADDRESSES, _USERS) if here else []
    bounds = Bounds(plan.in_flight, plan.timeout, ours, penalties=True)
    attackers = Attackers(pool_of(plan, place.target, guesses, theirs), guesses, count, same, place.defences)
    pool = pool_of(plan, place.target, mix, bounds)
    return run(plan, place.about, pool, mix, place.watch, show, attackers=attackers)


def pool_of(plan: LoadPlan, target: Target, mix: Mix, bounds: Bounds) -> Callable[[], Pool]:
    """Makes the connections, inside the event loop."""
    if isinstance(target, AuthTarget):
        return lambda: AuthPool(target.path, mix, bounds, plan.connections)
    return lambda: ImapPool(target, mix, bounds)


def addresses(count: int, second: int = 77) -> list[str]:
    """Of 127.0.0.0/8, but not 127.0.0.1, where others come from."""
    return [f"127.{second}.{n // 250}.{n % 250 + 1}" for n in range(count)]


@contextmanager
def showing() -> Iterator[Show]:
    """On standard error: a live board on a terminal, else a line now and then."""
    if not sys.stderr.isatty():

        def line(what: str, sample: Sample, tally: LoadTally) -> None:
            if sample.at < _EACH_UNTIL or sample.at % _THEN_EACH < 1:
                click.echo(sample_line(what, sample, tally.counts()), err=True)

        yield line
        return
    board = Board()
    with rich.live.Live(
        console=rich.console.Console(file=sys.__stderr__), auto_refresh=False, transient=True
    ) as live:
        yield lambda what, sample, tally: live.update(
            board.update(what, sample, tally.counts()), refresh=True
        )
