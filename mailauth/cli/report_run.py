"""What ``report`` does; its options are in ``report.py``."""

import os
import platform
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import click
import msgspec

from mailauth.cli.main import BUG
from mailauth.cli.shared.files import opened
from mailauth.cli.shared.given import without
from mailauth.cli.shared.output import exit_status
from mailauth.cli.shared.progress import counting
from mailauth.cli.shared.secrets import read_password
from mailauth.counted import counted
from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.diagnosing import Looked, Target, look
from mailauth.dovecot.doveadm import Installation, chosen
from mailauth.errors import AS_ROOT, CannotObserve, UsageError
from mailauth.evidence import Evidence, Fact, NotApplicable, StoreMemory, Surveys, Unobserved
from mailauth.hashes import Password
from mailauth.load.result import LoadResult
from mailauth.render import json
from mailauth.render.audit import audit_report
from mailauth.render.html import Page, Unseen, page_html
from mailauth.render.html_anonymous import anonymous, user_names
from mailauth.stores.string_counts import Progress

_STDOUT = "-"
_MOST_LOAD = 64 * 1024 * 1024  # bytes of a load's result


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
    if user is None and (ask_password or password_stdin or password_fd is not None):
        raise UsageError("a password is for a USER: mailauth report USER -p.")
    if output == _STDOUT:
        without("report to standard output", "force")
    else:
        _check_free(Path(output), force=force)
    password = read_password(ask=ask_password, descriptor=password_fd, stdin=password_stdin)
    load = _load(loaded) if loaded else None
    looked, unseen = _look(chosen(config, pid), user, password, rows_query)
    page = _page(looked, unseen, load)
    status = _status(looked, page)
    if anonymous:
        page = _anonymous(page, looked)
    text = page_html(page)
    if output == _STDOUT:
        click.echo(text, nl=False)
    else:
        _write(Path(output), text.encode(), force=force)
        click.echo(f"{output}: {_findings(page)}")
        for one in page.unseen:
            click.echo(f"not looked at: {one.part}: {one.reason}")
    sys.exit(status)


def _findings(page: Page) -> str:
    """No findings are not all of it where something was not looked at."""
    found, undecided = len(page.findings), len(page.undecided)
    told = counted(found, "finding")
    return f"{told}, {counted(undecided, 'rule')} undecided." if undecided else f"{told}."


def _look(
    dovecot: Installation,
    user: str | None,
    password: Password | None,
    rows_query: str | None,
) -> tuple[list[Looked], list[Unseen]]:
    """The server, and the user if there is one; what could not be seen, and why."""
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


def _load(name: str) -> LoadResult:
    """Raises UsageError."""
    try:
        with opened(name) as file:
            return msgspec.json.decode(file.read(_MOST_LOAD), type=LoadResult)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as why:
        raise UsageError(f"{name}: is not the result of mailauth load --json ({why}).") from None


def _told(why: CannotObserve) -> str:
    return str(why).replace(AS_ROOT, "run: sudo mailauth report")


@contextmanager
def _saying(what: str) -> Iterator[Progress | None]:
    """Say on standard error what is looked at; a terminal also shows the rows read, while it lasts."""
    click.echo(f"Looking at {what}.", err=True)
    with counting() as progress:
        yield progress


def _status(looked: list[Looked], page: Page) -> int:
    """The gravest of the parts: a bug, something found, something not seen, nothing."""
    found = {exit_status(one.diagnosis) for one in looked} | ({3} if page.unseen else set())
    return next((status for status in (BUG, 1, 3) if status in found), 0)


def _page(looked: list[Looked], unseen: list[Unseen], load: LoadResult | None) -> Page:
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


def _reason(facts: tuple[Fact, ...], kind: type[Evidence]) -> str:
    """Why there is no such fact."""
    missing = (fact for fact in facts if isinstance(fact, NotApplicable | Unobserved) and fact.kind is kind)
    return next((fact.reason for fact in missing), "Dovecot refuses its configuration: see the findings.")


def _anonymous(page: Page, looked: list[Looked]) -> Page:
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
