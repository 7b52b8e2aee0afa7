"""``mailauth fix CODE [USER]``."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from mailauth.cli.shared.case import case_options, target_of
from mailauth.cli.shared.given import only
from mailauth.cli.shared.options import config_option, password_options, pid_option
from mailauth.cli.shared.progress import saying
from mailauth.cli.shared.secrets import need_terminal, read_password
from mailauth.cli.shared.values import sayable
from mailauth.errors import UsageError

if TYPE_CHECKING:
    from mailauth.diagnose import Target
    from mailauth.fix.apply import Ending, Ready
    from mailauth.hashes import Password


@click.command()
@click.argument("code", required=False)
@click.argument("user", required=False, callback=sayable)
@click.option(
    "--apply",
    "do_it",
    is_flag=True,
    help="Apply it: write, check, reload, test; roll back if one of them fails.",
)
@click.option("--undo", metavar="ID", help="Roll back the applied, or interrupted, fix with this ID.")
@config_option
@pid_option
@password_options
@click.option(
    "--login", is_flag=True, help="Also make real logins first, for findings that only a login shows."
)
@case_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/fix.json).")
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
    """Print the remedy of a finding as a patch for this server, or apply it.

    Looks again, as mailauth diagnose does (without USER: as mailauth checkup), and prints what would change:
    files as a unified diff, the commands, the entry in the store.  Changes nothing without --apply.

    With --apply each step is checked: doveconf must accept the files, Dovecot must come back from its
    reload, the finding must be gone, and the login must work where the password is given.  If one does
    not, or if you interrupt it, all is put back as it was.  What was applied can be taken back later.

    Where the password must be set again, the one given (or asked for) becomes the new one.

    \b
    Exit status:  0 printed, applied, or taken back  1 refused, or failed and rolled back
                  2 wrong usage, or not found now    3 could not be looked at
                  130 interrupted, and rolled back   70 a bug in mailauth
    """
    from mailauth.dovecot.doveadm import chosen  # noqa: PLC0415 - --help needs none of it
    from mailauth.fix import apply, report  # noqa: PLC0415
    from mailauth.render.fix import fix_text  # noqa: PLC0415
    from mailauth.render.json import to_json  # noqa: PLC0415

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
    from mailauth.fix.journal import left_over  # noqa: PLC0415

    if name := left_over():
        click.echo(
            f"mailauth: an earlier fix was killed in the middle; to take it back: mailauth fix --undo {name}",
            err=True,
        )


def _code(given: str) -> str:
    """A code that there is.  Raises UsageError."""
    from difflib import get_close_matches  # noqa: PLC0415

    from mailauth.rules import RULES  # noqa: PLC0415

    codes = [rule.code for rule in RULES]
    if given.upper() not in codes:
        near = get_close_matches(given.upper(), codes, 1)
        hint = f"did you mean {near[0]}?" if near else "mailauth diagnose names those that it finds."
        raise UsageError(f"there is no finding {given.upper()}; {hint}")
    return given.upper()


def _fix(code: str, target: "Target", *, do_it: bool) -> tuple["Ready", "Ending | None"]:
    from mailauth.finding import StoreChange  # noqa: PLC0415
    from mailauth.fix import apply  # noqa: PLC0415

    with saying(on=do_it) as tell:
        tell("look at the server")
        ready = apply.plan_for(code, target)
    password = target.password
    if not do_it:
        return ready, None
    if ready.plan.store is StoreChange.NEW_PASSWORD and password is None:
        password = _ask_new()
        ready = replace(ready, target=replace(ready.target, password=password))
    with saying(on=True) as tell:
        return ready, apply.apply(apply.with_string(ready, password), tell=tell)


def _ask_new() -> "Password":
    from mailauth.hashes import Password  # noqa: PLC0415

    need_terminal()
    text = click.prompt("New password", hide_input=True, confirmation_prompt="Once more", err=True)
    return Password.of(text)
