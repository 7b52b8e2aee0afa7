"""``mailauth checkup``: the server and every row of its stores, without a user."""

import sys
from dataclasses import replace

import click

from mailauth.cli.shared.given import again
from mailauth.cli.shared.options import config_option, pid_option
from mailauth.cli.shared.output import exit_status, width
from mailauth.cli.shared.progress import counting


@click.command()
@config_option
@pid_option
@click.option(
    "--as-if",
    metavar="VERSION",
    help="Report what this Dovecot version would make of the configuration and the rows.",
)
@click.option(
    "--rows-query",
    metavar="SQL",
    help="A SELECT of all users and passwords, if Dovecot's query does not show it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/diagnosis.json).")
def checkup(
    config: str | None, pid: int | None, as_if: str | None, rows_query: str | None, as_json: bool
) -> None:
    """Check the whole server: its settings, ports, certificates, logs and every row of its stores.

    Needs no user and no password, and changes nothing.  With --as-if it reports what an upgrade to that
    version of Dovecot breaks, and for whom.

    \b
    Exit status:  0 nothing found, all decided    1 found
                  2 wrong usage or configuration  3 nothing found, something undecided
                  70 a bug in mailauth
    """
    from mailauth.diagnose_all import Checkup, look_at_all  # noqa: PLC0415 - --help needs none of it
    from mailauth.dovecot.doveadm import chosen  # noqa: PLC0415
    from mailauth.dovecot.version import Version  # noqa: PLC0415
    from mailauth.render import json, text  # noqa: PLC0415

    dovecot = chosen(config, pid)
    version = Version.known(as_if) if as_if is not None else None
    with counting() as progress:
        looked = look_at_all(Checkup(dovecot, version, rows_query, progress=progress))
    judged = looked.config.version
    diagnosis = replace(looked.diagnosis, again=again())
    if as_json:
        click.echo(json.to_json(json.report(diagnosis, str(judged))))
    else:
        if version is not None:
            click.echo(f"As if this were Dovecot {judged}:\n")
        told = text.diagnosis_text(diagnosis, judged.dialect, width=width(), fixable=version is None)
        click.echo(told, nl=False)
    sys.exit(exit_status(diagnosis))
