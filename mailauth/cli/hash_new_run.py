"""What ``hash_new`` does; its options are in ``hash_new.py``."""

import json
import sys

import click

from mailauth import digits
from mailauth.cli.hash_status import STATUS
from mailauth.cli.shared.files import opened
from mailauth.cli.shared.given import only, without
from mailauth.cli.shared.patience import patience
from mailauth.cli.shared.progress import stepping
from mailauth.cli.shared.secrets import need_terminal, read_password
from mailauth.cli.shared.sheet import csv_printed
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.site import read_config
from mailauth.dovecot.sizes import parse_limit, parse_size
from mailauth.errors import CannotObserve, UsageError
from mailauth.hashes import Judgement, Password, batch, csv_rows, judge, making, strength


def new(
    scheme: str,
    profile: str | None,
    fit: bool,
    memory: str | None,
    vsz_limit: str | None,
    idle: str,
    csv_file: str | None,
    as_json: bool,
    jobs: int | None,
    ask_password: bool,
    password_fd: int | None,
    stdin: bool,
    user: str,
    dovecot: tuple[int, ...] | None,
    allow_weak: bool,
    **numbers: int | str | None,
) -> None:
    if profile == "list":
        only("hash new --profile list", frozenset({"profile"}))
        for name, (about, params) in strength.PROFILES.items():
            click.echo(f"{name:<16} {about} (m={params['memory']},t={params['time']},p={params['lanes']})")
        return
    _one_way(csv_file, profile, fit=fit)
    limit = making.DEFAULT_LIMIT if vsz_limit is None else parse_limit(vsz_limit)
    if fit and vsz_limit is None:
        limit = _limit_in_force()
    options: dict[str, int | str] = {}
    options |= making.profile(profile) if profile else {}
    options |= making.fit(limit, parse_size(idle)) if fit else {}
    if memory is not None:
        options["memory"] = digits.number(memory) or parse_size(memory) // 1024
    options |= {name: value for name, value in numbers.items() if value is not None}
    order = making.Order(scheme, tuple(options.items()), dovecot, allow_weak, limit, parse_size(idle))
    refused = making.refused_before(order)
    if refused is None and csv_file is not None:
        _make_many(order, csv_file, jobs)
        return
    made: str | Judgement
    if refused is None:
        password = _new_password(ask_password, password_fd, stdin)
        with patience("hashing"):
            made = making.make(order, password, user)
    else:
        made = refused
    if isinstance(made, Judgement):
        if as_json:
            click.echo(json.dumps({"stored": None, "verdict": made.verdict.value, "reason": made.reason}))
        else:
            click.echo(f"mailauth: not made: {made.reason}", err=True)
        sys.exit(STATUS[made.verdict])
    click.echo(json.dumps({"stored": made, "shown": judge.shown(made)}) if as_json else made)


def _one_way(csv_file: str | None, profile: str | None, *, fit: bool) -> None:
    """Raises UsageError for an option that another one leaves without a use."""
    if profile and fit:
        raise UsageError("--profile and --fit: one of the two.")
    if csv_file is None:
        without("hash new without --csv", "jobs")
    else:
        without("hash new --csv", "ask_password", "password_fd", "stdin", "user", "as_json")


def _new_password(ask: bool, descriptor: int | None, stdin: bool) -> Password:
    if not ask and (descriptor is not None or stdin):
        password = read_password(ask=False, descriptor=descriptor, stdin=stdin)
    else:
        need_terminal()
        text = click.prompt("New password", hide_input=True, confirmation_prompt="Once more", err=True)
        password = Password.of(text)
    assert password is not None, "one of the three was asked for"
    return password


def _limit_in_force() -> int | None:
    """The smaller of the limits of the two services that verify, as doveconf reports them."""
    try:
        config = read_config(Installation())
    except CannotObserve as why:
        raise UsageError(f"--fit needs --vsz-limit here: {why}") from None
    limits = [service.vsz_limit for service in config.services.values() if service.vsz_limit is not None]
    return min(limits, default=None)


def _make_many(order: making.Order, name: str, jobs: int | None) -> None:
    progress = stepping(None, "hashing", rows_on_stdout=True)
    with opened(name) as binary, csv_printed(making.COLUMNS) as write, progress as step:
        tasks = ([row] for row in csv_rows.read_csv(binary))
        maker = making.Maker(order)
        for answers in batch.in_order(maker, tasks, jobs=jobs or batch.cores(), lost=maker.lost):
            write(answers)
            step(more=len(answers))
