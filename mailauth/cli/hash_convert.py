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
    optional_password_options,
    stored_options,
)
from mailauth.cli.shared.command import Command


def _targets(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Only a shell that waits for names imports the table."""
    table = importlib.import_module("mailauth.hashes.passport_targets").TARGETS
    return [CompletionItem(name, help=one.about) for name, one in table.items() if name.startswith(begun)]


@click.command(cls=Command, epilog=EXITS)
@stored_options
@optional_password_options
@click.option(
    "--to",
    "to",
    metavar="TARGET",
    shell_complete=_targets,
    help="Convert Dovecot's string for this software (keycloak, openldap, php ...); --to list shows all.",
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
    "--user",
    default="",
    metavar="NAME",
    help="User name, which is part of a DIGEST-MD5 and of a PostgreSQL md5 hash.",
)
@default_option
@for_option
@json_option
@jobs_option
def convert() -> None:
    """Convert hashes from or to the formats of other software.

    Without --to, another software's hash becomes Dovecot's; with --to, Dovecot's becomes the other
    software's.  No password is needed.  If one is given (in a batch: in its line), the string is verified
    first.  With --to, a plaintext is hashed for the target; so is a string that has no equivalent there, if
    the password is given.
    """
