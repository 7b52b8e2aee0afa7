"""``mailauth hash convert``."""

import importlib

import click
from click.shell_completion import CompletionItem

from mailauth.cli.hash_options import (
    EXITS,
    default_option,
    for_option,
    jobs_option,
    json_option,
    password_options,
    stored_options,
)
from mailauth.cli.shared.command import Command


def _targets(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Only a shell that waits for names imports the table."""
    table = importlib.import_module("mailauth.hashes.passport_targets").TARGETS
    return [CompletionItem(name, help=one.about) for name, one in table.items() if name.startswith(begun)]


@click.command(cls=Command, epilog=EXITS)
@stored_options
@password_options
@click.option(
    "--to",
    "to",
    metavar="TARGET",
    shell_complete=_targets,
    help="Convert Dovecot's string for this software (keycloak, openldap, php ...); list shows all.",
)
@click.option(
    "--from",
    "origin",
    metavar="ORIGIN",
    help="Software that made the bare digest: nt, md5, courier, mysql ...",
)
@click.option(
    "--csv",
    "csv_file",
    metavar="FILE|-",
    help="Read CSV user,stored or a passwd-file; write CSV user,stored,note,error.",
)
@click.option(
    "--user", default="", metavar="NAME", help="User name, which DIGEST-MD5 and PostgreSQL's md5 hash, too."
)
@default_option
@for_option
@json_option
@jobs_option
def convert() -> None:
    """Convert another software's hash to Dovecot's format, or with --to the other way; no password needed.

    With a password (also in a batch's lines) the string is verified first. With --to, a string that is the
    password itself is hashed again for the target, and so is one that has no form there, if the password is
    given.
    """
