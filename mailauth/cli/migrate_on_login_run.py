"""What ``migrate_on_login`` does; its options are in ``migrate_on_login.py``."""

import re
import secrets
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from mailauth import private
from mailauth.check.keep import replace_whole
from mailauth.cli.migrate_bind import bind_of
from mailauth.cli.migrate_scheme import new_hashes
from mailauth.dovecot import holding, typed
from mailauth.dovecot.doveadm import Installation, at_pid, chosen
from mailauth.dovecot.site import read_config
from mailauth.errors import CannotObserve, Refused, UsageError
from mailauth.fix.apply import Ending
from mailauth.fix.patch import diff
from mailauth.hashes.making import length_of, must_fit, options_of
from mailauth.listening.repeats import Repeats
from mailauth.listening.sockets import listening
from mailauth.migrate import enable as switching
from mailauth.migrate import onlogin, sealed_password, users_left
from mailauth.migrate.crew import workers
from mailauth.migrate.enable import Switch
from mailauth.migrate.limits import Seen
from mailauth.migrate.onlogin import OnLogin, load, unfit
from mailauth.migrate.rehash_progress import by_counters, by_rows, to_keep
from mailauth.migrate.service import RehashService, order_for
from mailauth.migrate.serving import must_serve
from mailauth.migrate.tally import OutcomeCounts
from mailauth.migrate.units import service_unit, socket_unit
from mailauth.migrate.users_out import opened
from mailauth.migrate.writable import must_be_writable
from mailauth.migrate.write import write
from mailauth.render.json import to_json
from mailauth.render.progress import draw, progress_text

_SETTINGS = "settings.json"
_TALLY = "tally.sqlite"
_SEEN = "seen"
_COUNTED = "counted.json"
_HOST = "127.0.0.1"


def enable(
    config: str | None,
    pid: int | None,
    scheme: str,
    profile: str,
    cost: int | None,
    rounds: int | None,
    port: int,
    long_passwords: str,
    accept_port: bool,
    name: str,
    accept_loss: bool,
    do_it: bool,
    as_json: bool,
    **named: Any,
) -> None:
    new_hashes("on-login enable", scheme)
    dovecot, bind = chosen(config, pid), bind_of(named)
    found = read_config(dovecot)
    options = options_of(scheme, profile, cost, rounds)
    settings = onlogin.OnLogin(
        key=sealed_password.new_key(),
        token=secrets.token_hex(16),
        nonce=sealed_password.new_key(),
        port=port,
        config=found.file,
        scheme=scheme.upper(),
        options=options,
        long_too=long_passwords == "as-typed",
        pid=dovecot.pid,
        mark=holding.mark(dovecot.pid) if dovecot.pid else "",
        accept_port=accept_port,
        accept_loss=accept_loss,
        bind_name=bind.name if bind else "",
        bind_password=bind.password.raw if bind else b"",
        insecure=bool(bind and bind.insecure),
    )
    if why := onlogin.unfit(settings):
        raise Refused(f"{why}.")
    _must_be_alone(settings, folder(name))
    if not accept_loss:
        must_serve(dovecot, found, settings.goal)
    must_fit(order := order_for(dovecot, found, settings))
    for note in must_be_writable(dovecot, found, length_of(order), bind):
        click.echo(f"mailauth: note: {note}", err=True)
    if most := settings.goal.reads:
        click.echo(f"mailauth: note: {settings.scheme} reads the first {most} bytes of a password", err=True)
    switch = switching.to_enable(settings, found, dovecot)
    if not do_it:
        _show(switch, dovecot, as_json)
        return
    path = folder(name) / _SETTINGS
    _keep(path, onlogin.dump(settings))
    ending = switching.carry_out(switch, dovecot)
    if ending.problem:
        path.unlink(missing_ok=True)
    _told(ending, as_json, f"Now run: mailauth migrate on-login serve, or its units   (settings: {path})")


def disable(config: str | None, pid: int | None, name: str, do_it: bool, as_json: bool) -> None:
    dovecot = chosen(config, pid)
    switch = switching.to_disable(read_config(dovecot), dovecot)
    if not do_it:
        _show(switch, dovecot, as_json)
        return
    ending = switching.carry_out(switch, dovecot)
    if not ending.problem:
        (folder(name) / _SETTINGS).unlink(missing_ok=True)
    _told(ending, as_json, "The service has nothing to do any more; stop it.")


def serve(pid: int | None, wanted: int | None, name: str) -> None:
    settings, own = _settings(name), folder(name)
    if pid is not None:
        named = at_pid(pid, settings.config).pid
        settings = msgspec.structs.replace(settings, pid=named, mark=holding.mark(named) if named else "")
    onlogin.dovecot_of(settings)  # raises: another process has its number by now
    if why := unfit(settings):
        raise UsageError(f"{why}.")
    say = Repeats(lambda text: click.echo(text, err=True))
    count = workers(settings.goal, wanted)
    if wanted and count < wanted:
        click.echo(f"mailauth: note: memory is there for {count} of {wanted} hashes at once", err=True)
    ours = partial(write, bind=settings.bind)
    service = RehashService(settings, OutcomeCounts(own / _TALLY), ours, say, Seen(own / _SEEN), count)
    listener = listening(_HOST, settings.port)
    at_once = f"up to {count} at once" if count > 1 else "one at a time"
    click.echo(f"listening on {_HOST}:{settings.port}, to make {settings.scheme}, {at_once}", err=True)
    service.run(listener)


def unit(holds: bool, name: str) -> None:
    settings = _settings(name)
    program = str(Path(sys.argv[0]).resolve())
    click.echo(socket_unit(settings, name) if holds else service_unit(settings, program, name), nl=False)


def status(name: str, as_json: bool, rows: bool, users_out: Path | None, picture: Path | None) -> None:
    if users_out and not rows:
        raise UsageError("--users-out lists rows: add --rows.")
    settings, own = _settings(name), folder(name)
    if why := unfit(settings):
        click.echo(f"The service does not run so: {why}.", err=True)
    tally = OutcomeCounts(own / _TALLY)
    found = by_rows(settings, tally) if rows else by_counters(settings, tally, own / _COUNTED)
    if rows:
        _keep(own / _COUNTED, to_keep(found))
    if picture:
        draw(found, picture)
    problems: list[str] = []
    with opened(users_out) as each:
        problems += users_left.told(settings, each) if each else []
    click.echo(to_json(found) if as_json else progress_text(found), nl=as_json)
    for why in problems:
        click.echo(f"mailauth: not listed: {why}", err=True)
    sys.exit(1 if problems else 0)


def folder(name: str = "") -> Path:
    """Where a service's settings and counts are.  Raises UsageError when it cannot be made."""
    if name and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
        raise UsageError(f"--name {name}: up to 31 small letters, digits and hyphens.")
    path = private.state("on-login") / name
    try:
        private.make(path)
    except OSError as why:
        raise UsageError(f"{path}: cannot be made ({why.strerror}); run this as root.") from None
    return path


def _must_be_alone(settings: OnLogin, own: Path) -> None:
    """Raises Refused where another Dovecot has this name, or this port, already."""
    for path in (folder() / _SETTINGS, *sorted(folder().glob(f"*/{_SETTINGS}"))):
        try:
            other = load(path)
        except (OSError, ValueError):
            continue
        same = (other.config, other.pid) == (settings.config, settings.pid)
        if path.parent == own and not same:
            raise Refused(
                f"on-login is enabled for {other.config} already ({path}): give this Dovecot another --name"
                " and --port; or remove that file, if that Dovecot is gone."
            )
        if path.parent != own and other.port == settings.port:
            raise Refused(
                f"port {other.port} is that of the on-login of {other.config} ({path}): choose another."
            )


def _settings(name: str = "") -> OnLogin:
    path = folder(name) / _SETTINGS
    try:
        return load(path)
    except FileNotFoundError:
        raise UsageError(
            f"{path}: on-login is not enabled; run: mailauth migrate on-login enable --apply"
        ) from None
    except (OSError, ValueError) as why:
        raise UsageError(f"{path}: cannot be read ({why}); disable and enable on-login again.") from None


def _keep(path: Path, content: bytes) -> None:
    try:
        replace_whole(path, content, 0o600)
    except OSError as why:
        raise CannotObserve(f"{path}: cannot be written ({why.strerror}).") from None


def _show(switch: Switch, dovecot: Installation, as_json: bool) -> None:
    diffs = [diff(change) for change in switch.plan.files]
    commands = [typed.shown(dovecot, *one) for one in switch.plan.commands]
    secret = [f"{path} ({'root only' if text else 'taken away'})" for path, text in switch.secret.items()]
    if as_json:
        click.echo(to_json({"diffs": diffs, "files": secret, "commands": commands}))
        return
    parts = [*diffs, *(f"{path} (root only):\n{_indented(text)}" for path, text in switch.shown.items())]
    parts += [f"{path} (taken away)" for path, text in switch.secret.items() if not text]
    click.echo("\n".join([*parts, f"then: {', '.join(commands)}"]))
    click.echo("Nothing was changed; --apply does it.")


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


def _told(ending: Ending, as_json: bool, after: str) -> None:
    if as_json:
        click.echo(to_json({"id": ending.id, "state": ending.state.value, "problem": ending.problem}))
    else:
        for step in ending.steps:
            click.echo(f"{'ok  ' if step.ok else 'FAIL'}  {step.what}{f': {step.said}' if step.said else ''}")
        click.echo(after if not ending.problem else f"{ending.state.value}: {ending.problem}")
    if ending.problem:
        sys.exit(130 if ending.interrupted else 1)
