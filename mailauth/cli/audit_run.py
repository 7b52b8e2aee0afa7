"""What ``audit`` does; its options are in ``audit.py``."""

import sys
from pathlib import Path

import click

from mailauth.cli.shared.files import opened
from mailauth.cli.shared.given import without
from mailauth.cli.shared.progress import counting
from mailauth.cli.shared.secrets import read_line, read_password
from mailauth.dovecot.as_if import as_if
from mailauth.dovecot.authconfig import Source
from mailauth.dovecot.doveadm import Installation, chosen
from mailauth.dovecot.site import read_config
from mailauth.dovecot.version import Version
from mailauth.errors import UsageError
from mailauth.evidence import Surveys
from mailauth.probes.survey import Ask, assumed, observe_surveys, survey_alone
from mailauth.render.audit import audit_csv, audit_report, audit_text
from mailauth.stores.string_counts import Progress
from mailauth.stores.url import has_password, source_of


def audit(
    config: str | None,
    pid: int | None,
    url: str | None,
    url_fd: int | None,
    ask_password: bool,
    password_fd: int | None,
    rows_query: str | None,
    default_scheme: str | None,
    judge: str | None,
    prove: str | None,
    names: int,
    as_json: bool,
    as_csv: bool,
    picture: Path | None,
) -> None:
    if as_csv:
        without("audit --csv", "as_json", "prove")
    if default_scheme and url is None and url_fd is None:
        raise UsageError("--default-scheme goes with --url: the configuration says it otherwise.")
    version = Version.known(judge) if judge else None
    text, said = url_of(url, url_fd), ""
    with counting() as progress:
        if text is None:
            if ask_password or password_fd is not None:
                raise UsageError("-p and --password-fd go with --url: the configuration has the password.")
            surveys = _configured(config, pid, version, rows_query, names, progress)
        else:
            if config is not None or pid is not None:
                raise UsageError("-c and --pid are for a Dovecot, --url for a store: leave one out.")
            password = read_password(
                ask=ask_password, descriptor=password_fd, stdin=False, prompt="The database's password"
            )
            source = source_of(text, rows_query, password)
            surveys = _of_url(source, version, default_scheme, names, progress)
            said = assumed(version, default_scheme, surveys)
    of = None if text is not None else (config, pid)
    report = audit_report(surveys, _sample(prove, surveys, rows_query, of) if prove else ())
    if picture:
        from mailauth.render.audit_picture import draw  # noqa: PLC0415 - only with --picture

        draw(report, picture)
    if as_csv:
        click.echo(audit_csv(report), nl=False)
    elif as_json:
        from mailauth.render.json import to_json  # noqa: PLC0415 - only with --json

        click.echo(to_json(report))
    else:
        click.echo(audit_text(report), nl=False)
        if said:
            click.echo(said)
    broken = report.broken or report.nobody or any(one.several or one.survey.odd for one in surveys.stores)
    sys.exit(1 if broken else 3 if report.not_read else 0)


def _sample(
    prove: str, surveys: Surveys, rows_query: str | None, of: tuple[str | None, int | None] | None
) -> list[str]:
    """What known passwords say of each store's strings; ``of``: the Dovecot whose stores they are."""
    if prove == "-" and len(surveys.stores) > 1:
        raise UsageError("--prove: give a file; it is read once for each store.")
    dovecot = chosen(*of) if of else Installation()
    config = read_config(dovecot) if of else None
    from mailauth.migrate.sample import of_passdb  # noqa: PLC0415 - a quarter of the start, and only with --prove

    said: list[str] = []
    for one in surveys.stores:
        with opened(prove) as source:
            found = of_passdb(source, prove, dovecot, config, one.passdb, rows_query)
        said += [f"{one.passdb.label}: {line}" for line in found]
    return said


def url_of(url: str | None, descriptor: int | None) -> str | None:
    """The URL, without a password where others can see it.  Raises UsageError."""
    if url is not None and descriptor is not None:
        raise UsageError("--url and --url-fd: one of the two.")
    if url is not None and has_password(url):
        raise UsageError(
            "a password in --url is seen by everyone in the list of processes: take it out, and use -p,"
            " --password-fd, --url-fd, PGPASSFILE or ?option_file=FILE."
        )
    if descriptor is None:
        return url
    return read_line(descriptor, f"--url-fd {descriptor}").decode("utf-8", "surrogateescape")


def _configured(
    config: str | None,
    pid: int | None,
    version: Version | None,
    rows_query: str | None,
    names: int,
    progress: Progress | None,
) -> Surveys:
    """The stores of a Dovecot."""
    dovecot = chosen(config, pid)
    own = read_config(dovecot)
    judging = as_if(own, version) if version else own
    return observe_surveys(Ask(dovecot, judging, rows_query, names, progress, own if version else None))


def _of_url(
    source: Source,
    version: Version | None,
    default_scheme: str | None,
    names: int,
    progress: Progress | None,
) -> Surveys:
    """A store without a Dovecot."""
    return survey_alone(source, version, default_scheme, names, progress)
