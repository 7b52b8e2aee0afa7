"""``mailauth audit``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailauth.cli.shared.options import config_option, pid_option
from mailauth.cli.shared.progress import counting
from mailauth.cli.shared.secrets import read_line, read_password
from mailauth.errors import UsageError

if TYPE_CHECKING:
    from mailauth.dovecot.authconfig import Source
    from mailauth.dovecot.version import Version
    from mailauth.evidence import Surveys
    from mailauth.stores.survey import Progress


@click.command()
@config_option
@pid_option
@click.option(
    "--url", metavar="URL", help="Read this store instead: postgresql:, mysql:, sqlite: or passwd-file:"
)
@click.option(
    "--url-fd",
    type=int,
    metavar="FD",
    help="Read the URL, which may hold a password, from this file descriptor.",
)
@click.option("-p", "--ask-password", is_flag=True, help="Ask for the database's password.")
@click.option(
    "--password-fd", type=int, metavar="FD", help="Read the database's password from this file descriptor."
)
@click.option(
    "--rows-query",
    metavar="SQL",
    help="A SELECT of all users and passwords, if Dovecot's query does not show it.",
)
@click.option("--default-scheme", metavar="NAME", help="With --url: scheme of strings without {SCHEME}.")
@click.option(
    "--dovecot",
    "judge",
    metavar="VERSION",
    help="Judge by this Dovecot version.  [the running one; with --url 2.4.5]",
)
@click.option(
    "--names",
    type=click.IntRange(0, 1000),
    default=5,
    show_default=True,
    help="Users to name for each class of rows.",
    metavar="N",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/audit.json).")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, one line for each class of rows.")
@click.option(
    "--png",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw a bar chart to this file (.png, .svg, .pdf).",
    metavar="FILE",
)
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
    names: int,
    as_json: bool,
    as_csv: bool,
    png: Path | None,
) -> None:
    """List what a store holds: every row, by scheme, parameters, length and verdict.

    Reads the stores that Dovecot's configuration names, or one given as a URL.  A database counts its own
    rows.
    Shows no salt, no digest and no password.  Changes nothing.

    A URL: postgresql://user@host/db  mysql://user@host/db  sqlite:///path  passwd-file:/path, with
    --rows-query 'SELECT username AS user, password FROM mailbox'.  What follows ? goes to the driver.
    The password: -p, --password-fd, --url-fd, PGPASSFILE, or ?option_file=~/.my.cnf.

    \b
    Exit status:  0 every row is sound     1 some are not, or a user has several, or a name is odd
                  2 wrong usage            3 a store could not be read
    """
    from mailauth.dovecot.version import Version  # noqa: PLC0415 - --help needs none of it
    from mailauth.render.audit import audit_csv, audit_report, audit_text  # noqa: PLC0415
    from mailauth.render.json import to_json  # noqa: PLC0415

    if as_json and as_csv:
        raise UsageError("--json and --csv: one of the two.")
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
            from mailauth.probes.survey import assumed  # noqa: PLC0415
            from mailauth.stores.url import source_of  # noqa: PLC0415

            source = source_of(text, rows_query, password)
            surveys = _of_url(source, version, default_scheme, names, progress)
            said = assumed(version, default_scheme, surveys)
    report = audit_report(surveys)
    if png:
        from mailauth.render.audit_picture import picture  # noqa: PLC0415 - an optional extra

        picture(report, png)
    if as_csv:
        click.echo(audit_csv(report), nl=False)
    elif as_json:
        click.echo(to_json(report))
    else:
        click.echo(audit_text(report), nl=False)
        if said:
            click.echo(said)
    broken = report.broken or any(one.several or one.survey.odd for one in surveys.stores)
    sys.exit(1 if broken else 3 if report.not_read else 0)


def url_of(url: str | None, descriptor: int | None) -> str | None:
    """The URL, without a password where others can see it.  Raises UsageError."""
    from mailauth.stores.url import has_password  # noqa: PLC0415

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
    version: "Version | None",
    rows_query: str | None,
    names: int,
    progress: "Progress | None",
) -> "Surveys":
    """The stores of a Dovecot."""
    from mailauth.dovecot.as_if import as_if  # noqa: PLC0415
    from mailauth.dovecot.doveadm import chosen  # noqa: PLC0415
    from mailauth.dovecot.site import read_config  # noqa: PLC0415
    from mailauth.probes.survey import Ask, observe_surveys  # noqa: PLC0415

    dovecot = chosen(config, pid)
    own = read_config(dovecot)
    judging = as_if(own, version) if version else own
    return observe_surveys(Ask(dovecot, judging, rows_query, names, progress, own if version else None))


def _of_url(
    source: "Source",
    version: "Version | None",
    default_scheme: str | None,
    names: int,
    progress: "Progress | None",
) -> "Surveys":
    """A store without a Dovecot."""
    from mailauth.probes.survey import survey_alone  # noqa: PLC0415

    return survey_alone(source, version, default_scheme, names, progress)
