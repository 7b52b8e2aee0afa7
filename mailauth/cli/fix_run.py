"""What ``fix`` does; its options are in ``fix.py``."""

import sys
from dataclasses import replace
from difflib import get_close_matches

import click

from mailauth.cli.shared.given import only
from mailauth.cli.shared.progress import saying
from mailauth.cli.shared.secrets import need_terminal, read_password
from mailauth.cli.shared.target import target_of
from mailauth.diagnosing import Target
from mailauth.dovecot.doveadm import chosen
from mailauth.errors import UsageError
from mailauth.finding import StoreChange
from mailauth.fix import apply, report
from mailauth.fix.apply import Ending
from mailauth.fix.journal import left_over
from mailauth.fix.ready import Ready, check_use
from mailauth.hashes import Password
from mailauth.render.fix import fix_text
from mailauth.render.json import to_json
from mailauth.rules import RULES


def fix(
    code: str | None,
    user: str | None,
    do_it: bool,
    undo: str | None,
    config: str | None,
    pid: int | None,
    ask_password: bool,
    password_fd: int | None,
    password_stdin: bool,
    login: bool,
    service: str,
    address: str,
    host: str,
    mechanism: str,
    as_json: bool,
) -> None:
    if undo is None:
        _tell_of_a_killed_one()
    dovecot = chosen(config, pid)
    ending: Ending | None = None
    if undo is not None:
        only("fix --undo", frozenset({"undo", "config", "pid", "as_json"}))
        ending = apply.undo(undo, dovecot if config is not None or pid is not None else None)
        told = report.undone(ending)
    else:
        if user is None:
            only("fix without a USER", frozenset({"code", "do_it", "config", "pid", "as_json"}))
        if code is None:
            raise UsageError("name the finding: mailauth fix MEM001 alice; mailauth diagnose finds it.")
        password = read_password(ask=ask_password, descriptor=password_fd, stdin=password_stdin)
        if login and password is None:
            raise UsageError("--login needs the password: add -p, --password-fd or --password-stdin.")
        target = target_of(
            user or "",
            dovecot,
            password,
            login=login or (do_it and password is not None),
            service=service,
            address=address,
            host=host,
            mechanism=mechanism,
        )
        ready, ending = _fix(_code(code), target, do_it=do_it)
        told = report.report(ready, ending)
    click.echo(to_json(told) if as_json else fix_text(told), nl=as_json)
    if ending is None:
        return
    sys.exit(130 if ending.interrupted else 0 if told.state in ("applied", "undone") and ending.clean else 1)


def _tell_of_a_killed_one() -> None:
    """Whatever is found now: what it left half done may be the reason."""
    if name := left_over():
        click.echo(
            f"mailauth: an earlier fix was killed in the middle; to take it back: mailauth fix --undo {name}",
            err=True,
        )


def _code(given: str) -> str:
    """A code that there is.  Raises UsageError."""
    codes = [rule.code for rule in RULES]
    if given.upper() not in codes:
        near = get_close_matches(given.upper(), codes, 1)
        hint = f"did you mean {near[0]}?" if near else "mailauth diagnose names those that it finds."
        raise UsageError(f"there is no finding {given.upper()}; {hint}")
    return given.upper()


def _fix(code: str, target: Target, *, do_it: bool) -> tuple[Ready, Ending | None]:
    with saying(on=do_it) as tell:
        tell("look at the server")
        ready = apply.plan_for(code, target)
    password = target.password
    if not do_it:
        return ready, None
    check_use(ready)  # before a password is asked for
    if ready.plan.store is StoreChange.NEW_PASSWORD and password is None:
        password = _ask_new()
        ready = replace(ready, target=replace(ready.target, password=password))
    with saying(on=True) as tell:
        return ready, apply.apply(apply.with_string(ready, password), tell=tell)


def _ask_new() -> Password:
    need_terminal()
    text = click.prompt("New password", hide_input=True, confirmation_prompt="Once more", err=True)
    return Password.of(text)
