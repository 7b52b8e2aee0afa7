"""``mailauth`` alone: what is on this machine, and the next command."""

import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import click

from mailauth import overdue
from mailauth.cli.commands import help_text
from mailauth.cli.log_run import of_this_dovecot
from mailauth.counted import counted
from mailauth.dovecot import containers
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.containers import Runs
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.logreport import FromLogReport, Reading
from mailauth.dovecot.programs import PATH
from mailauth.dovecot.refusal import Refusal
from mailauth.dovecot.site import read_or_refusal
from mailauth.errors import AS_ROOT, MailauthError
from mailauth.probes.process import NotRunning, master_process
from mailauth.visible import visible

SECONDS = 0.8
"""Seconds after which no more is looked at: who types no command waits for none."""
_DAY = timedelta(hours=24)
_READING = 0.4  # seconds of the log
_USERS = 3  # who fail, by their names
_OTHERS = 4  # Dovecots beside the one that is looked at
_WIDTH = 80  # characters of a file's name that others chose
_ALL = "All commands: mailauth --help"
_ANY_USER = "mailauth diagnose USER"


class _LateError(BaseException):
    """As an interrupt, which nothing takes for an answer."""


def show() -> None:
    """Print it; the help where no Dovecot is installed, and none runs in a container."""
    said = about(Installation(), SECONDS) if shutil.which("doveconf", path=PATH) else elsewhere()
    click.echo("\n".join([*said, _ALL]) + "\n" if said else help_text(), nl=False)


def elsewhere() -> list[str]:
    """The Dovecots that run here though none is installed, and the next command; nothing where none does."""
    beside = containers.every()
    return [*_beside(beside), _next(_ask(beside))] if beside else []


def about(dovecot: Installation, seconds: float) -> list[str]:
    """A sentence for each thing: version, master, passdbs, failed logins, and last the next command.

    Reads, and no more than ``seconds`` long; what was not seen by then is said.
    """
    said: list[str] = []
    following = _ANY_USER
    try:
        with overdue.ended(seconds, _LateError()):
            following = _look(dovecot, said.append)
    except _LateError:
        said.append(
            f"mailauth stopped looking after {seconds:g} seconds: mailauth checkup looks at everything."
        )
    except MailauthError as why:
        said.append(_sentence(str(why)))
        following = _ANY_USER if why.needs_root else "mailauth checkup"
    return [*said, _next(following)]


def _next(command: str) -> str:
    return f"Next: {'sudo ' if os.geteuid() else ''}{command}"


def _look(dovecot: Installation, say: Callable[[str], None]) -> str:
    """The command that comes next.  Raises MailauthError."""
    found = read_or_refusal(dovecot)
    say(f"Dovecot {found.version} is installed, with {found.file}.")
    if isinstance(found, Refusal):
        say(f"Dovecot does not accept its configuration: {found.place}: {found.words}")
        return "mailauth checkup"
    say(_passdbs(found))
    master, runs = 0, True
    try:
        master = master_process(dovecot, found).pid
        say(f"It is running (master process {master}).")
    except NotRunning as why:
        say(_sentence(str(why)))
        runs = False
    except MailauthError as why:
        say(f"It could not be seen whether it runs: {_sentence(str(why))}")
    beside = [one for one in containers.every() if not _is_ours(one, master, found.file)]
    for line in _beside(beside):
        say(line)
    following = _log(dovecot, found, say)
    if runs:
        return following
    return _ask(beside) if len(beside) == 1 and not dovecot.config else "mailauth checkup"


def _is_ours(one: Runs, master: int, file: str) -> bool:
    """Whether it is the one that was looked at: by its number, or, where that was not seen, by its file."""
    return one.pid == master or (not master and not one.apart and one.config in ("", file))


def _beside(found: Sequence[Runs]) -> Iterator[str]:
    for one in found[:_OTHERS]:
        where = f"in the container {one.container}" if one.container else f"here, process {one.pid}"
        where += f" of user {one.user}" if one.user is not None else ""
        of = f", with {visible(one.config, _WIDTH)}" if one.config else ""
        yield f"Another Dovecot runs {where}{of}: add {shlex.join(one.option)}."
    if rest := found[_OTHERS:]:
        yield f"{len(rest)} more run here."


def _ask(found: Sequence[Runs]) -> str:
    """Of none that another user has started, who would be given the password that is typed."""
    found = [one for one in found if one.user is None]
    if not found:
        return _ANY_USER
    return shlex.join(["mailauth", "diagnose", *found[0].option, "USER"])


def _passdbs(config: AuthConfig) -> str:
    names = ", ".join(one.driver for one in config.passdbs)
    many = len(config.passdbs)
    return f"{counted(many, 'passdb')}: {names}." if many else "It has no passdb."


def _log(dovecot: Installation, config: AuthConfig, say: Callable[[str], None]) -> str:
    """What the log's last day says of failed logins; the command for that."""
    try:
        report = of_this_dovecot(dovecot, config, Reading((), _DAY, seconds=_READING))
    except MailauthError as why:
        say(f"The log was not read: {_sentence(str(why))}")
        return _ANY_USER
    say(_failures(report))
    return "mailauth log" if report.failures or report.keeps_out else _ANY_USER


def _failures(report: FromLogReport) -> str:
    where = ", ".join(report.sources)
    if not report.first:
        return f"{where}: no login."
    more = " or more" if report.partial else ""
    names = [shlex.quote(row.user) for row in report.rows[:_USERS] if row.user]
    rest = report.users - len(names)
    who = ", ".join(names) + (f" and {rest} more" if names and rest > 0 else "")
    days = f"{where}, the 24 hours to {report.last}"
    if not report.failures:
        return f"{days}: no failed login, {report.logins} worked."
    many = f"{report.failures}{more} failed login{'' if report.failures == 1 else 's'}"
    return f"{days}: {many}{f', of {who}' if who else ''}."


def _sentence(text: str) -> str:
    text = text.replace(AS_ROOT, "run: sudo mailauth")
    return text[:1].upper() + text[1:]
