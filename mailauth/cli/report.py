"""``mailauth report``."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailauth.cli.hash_options import opened
from mailauth.cli.main import BUG
from mailauth.cli.shared.options import config_option, password_options, pid_option
from mailauth.cli.shared.output import exit_status
from mailauth.cli.shared.progress import counting
from mailauth.cli.shared.secrets import read_password
from mailauth.cli.shared.values import sayable
from mailauth.errors import AS_ROOT, CannotObserve, UsageError

if TYPE_CHECKING:
    from mailauth.diagnose import Looked
    from mailauth.dovecot.doveadm import Installation
    from mailauth.evidence import Evidence, Fact
    from mailauth.hashes import Password
    from mailauth.load.result import LoadResult
    from mailauth.render.html import Page, Unseen
    from mailauth.stores.survey import Progress

_STDOUT = "-"


_MOST_LOAD = 64 * 1024 * 1024  # bytes of a load's result


@click.command()
@click.argument("user", required=False, callback=sayable)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    default="mailauth-report.html",
    show_default=True,
    metavar="FILE",
    help="Write to this file; - for standard output.",
)
@click.option(
    "--load",
    "loaded",
    metavar="FILE",
    help="Also show this result of mailauth load --json.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--anonymous", is_flag=True, help="Replace the names of users and hosts, and addresses.")
@config_option
@pid_option
@click.option(
    "--rows-query",
    metavar="SQL",
    help="A SELECT of all users and passwords, if Dovecot's query does not show it.",
)
@password_options
def report(
    user: str | None,
    output: str,
    loaded: str | None,
    force: bool,
    anonymous: bool,
    config: str | None,
    pid: int | None,
    rows_query: str | None,
    ask_password: bool,
    password_fd: int | None,
    password_stdin: bool,
) -> None:
    """Write one HTML file with all results about this server, to send to a colleague.

    What mailauth checkup finds, what the stores hold, whether the hashes fit into memory; with USER also
    what diagnose USER finds, with --load also the login rate that it sustains.  The file needs
    neither network nor scripts, and can be read on a phone and printed.  It holds no password and no
    hash.  It names users, hosts and addresses; --anonymous replaces these.  Only you can read the
    file.  Changes nothing else.

    \b
    Exit status:  0 nothing found, all decided    1 found
                  2 wrong usage or configuration  3 nothing found, something not looked at
                  70 a bug in mailauth
    """
    if user is None and (ask_password or password_stdin or password_fd is not None):
        raise UsageError("a password is for a USER: mailauth report USER.")
    if output != _STDOUT:
        _check_free(Path(output), force=force)
    from mailauth.dovecot.doveadm import chosen  # noqa: PLC0415 - --help needs none of it

    password = read_password(ask=ask_password, descriptor=password_fd, stdin=password_stdin)
    load = _load(loaded) if loaded else None
    looked, unseen = _look(chosen(config, pid), user, password, rows_query)
    page = _page(looked, unseen, load)
    status = _status(looked, page)
    if anonymous:
        page = _anonymous(page, looked)
    from mailauth.render.html import page_html  # noqa: PLC0415 - --help needs none of it

    text = page_html(page)
    if output == _STDOUT:
        click.echo(text, nl=False)
    else:
        _write(Path(output), text.encode(), force=force)
        click.echo(f"{output}: {_counted(page)}")
        for one in page.unseen:
            click.echo(f"not looked at: {one.part}: {one.reason}")
    sys.exit(status)


def _counted(page: "Page") -> str:
    """No findings are not all of it where something was not looked at."""
    found, undecided = len(page.findings), len(page.undecided)
    told = f"{found} finding{'' if found == 1 else 's'}"
    return f"{told}, {undecided} rule{'' if undecided == 1 else 's'} undecided." if undecided else f"{told}."


def _look(
    dovecot: "Installation",
    user: str | None,
    password: "Password | None",
    rows_query: str | None,
) -> "tuple[list[Looked], list[Unseen]]":
    """The server, and the user if there is one; what could not be seen, and why."""
    from mailauth.diagnose import Target, look  # noqa: PLC0415 - --help needs none of it
    from mailauth.diagnose_all import Checkup, look_at_all  # noqa: PLC0415
    from mailauth.render.html import Unseen  # noqa: PLC0415

    looked: list[Looked] = []
    unseen: list[Unseen] = []
    with _saying("the server and its stores") as progress:
        try:
            looked.append(look_at_all(Checkup(dovecot, None, rows_query, progress=progress)))
        except CannotObserve as why:
            unseen.append(Unseen("server", _told(why)))
    if user is not None:
        with _saying(f"the user {user!r}"):
            try:
                looked.append(look(Target(user, dovecot, password)))
            except CannotObserve as why:
                unseen.append(Unseen("user", _told(why)))
    return looked, unseen


def _load(name: str) -> "LoadResult":
    """Raises UsageError."""
    import msgspec  # noqa: PLC0415 - --help needs none of it

    from mailauth.load.result import LoadResult  # noqa: PLC0415

    try:
        with opened(name) as file:
            return msgspec.json.decode(file.read(_MOST_LOAD), type=LoadResult)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as why:
        raise UsageError(f"{name}: is not the result of mailauth load --json ({why}).") from None


def _told(why: CannotObserve) -> str:
    return str(why).replace(AS_ROOT, "run: sudo mailauth report")


@contextmanager
def _saying(what: str) -> "Iterator[Progress | None]":
    """Say on standard error what is looked at; a terminal also shows the rows read, while it lasts."""
    click.echo(f"Looking at {what}.", err=True)
    with counting() as progress:
        yield progress


def _status(looked: "list[Looked]", page: "Page") -> int:
    """The gravest of the parts: a bug, something found, something not seen, nothing."""
    found = {exit_status(one.diagnosis) for one in looked} | ({3} if page.unseen else set())
    return next((status for status in (BUG, 1, 3) if status in found), 0)


def _page(looked: "list[Looked]", unseen: "list[Unseen]", load: "LoadResult | None") -> "Page":
    import platform  # noqa: PLC0415 - --help needs none of it
    from datetime import datetime  # noqa: PLC0415
    from importlib.metadata import version  # noqa: PLC0415

    from mailauth.evidence import StoreMemory, Surveys  # noqa: PLC0415
    from mailauth.render import json  # noqa: PLC0415
    from mailauth.render.audit import audit_report  # noqa: PLC0415
    from mailauth.render.html import Page, Unseen  # noqa: PLC0415

    facts = looked[0].diagnosis.evidence if looked else ()
    surveys = next((fact for fact in facts if isinstance(fact, Surveys)), None)
    fits = next((fact for fact in facts if isinstance(fact, StoreMemory)), None)
    if looked and surveys is None:
        unseen.append(Unseen("stores", _reason(facts, Surveys)))
    if looked and fits is None:
        unseen.append(Unseen("memory", _reason(facts, StoreMemory)))
    dovecot = looked[0].config.version if looked else None
    return Page(
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        mailauth=version("mailauth"),
        host=platform.node(),
        dovecot=str(dovecot or ""),
        dialect=dovecot.dialect if dovecot else "",
        anonymous=False,
        diagnoses=[json.report(one.diagnosis, str(one.config.version)) for one in looked],
        audit=audit_report(surveys) if surveys else None,
        memory=list(fits.fits) if fits else [],
        load=load,
        unseen=unseen,
    )


def _reason(facts: "tuple[Fact, ...]", kind: "type[Evidence]") -> str:
    """Why there is no such fact."""
    from mailauth.evidence import NotApplicable, Unobserved  # noqa: PLC0415 - --help needs none of it

    missing = (fact for fact in facts if isinstance(fact, NotApplicable | Unobserved) and fact.kind is kind)
    return next((fact.reason for fact in missing), "Dovecot refuses its configuration: see the findings.")


def _anonymous(page: "Page", looked: "list[Looked]") -> "Page":
    import platform  # noqa: PLC0415 - --help needs none of it

    from mailauth.render.html_anonymous import anonymous, user_names  # noqa: PLC0415

    users = [one.diagnosis.user for one in looked]
    for one in looked:
        users += user_names(one.diagnosis.evidence)
    name = platform.node()
    return anonymous(page, users, (name, name.partition(".")[0]))


def _check_free(path: Path, *, force: bool) -> None:
    """Fail before the work, not after it.  Raises UsageError."""
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent}: there is no such folder for the report.")
    if os.path.lexists(path) and not path.is_file():
        raise UsageError(f"{path}: is not a file; give another --output, or - for standard output.")
    if os.path.lexists(path) and not force:
        raise UsageError(f"{path}: exists already; give --force to overwrite it, or another --output.")


def _write(path: Path, data: bytes, *, force: bool) -> None:
    """Whole or not at all, for us alone to read.  Raises UsageError."""
    new = path.with_name(f".mailauth-report-{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if not force:
            os.close(os.open(path, flags, 0o600))  # nobody else's, also if it came while we looked
        new.replace(path)
    except OSError as why:
        raise UsageError(f"{path}: cannot be written ({why.strerror}).") from None
    finally:
        with suppress(OSError):
            new.unlink()
