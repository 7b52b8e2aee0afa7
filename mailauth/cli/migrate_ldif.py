"""``mailauth migrate ldif``."""

from pathlib import Path

import click

from mailauth.cli.migrate_options import json_option, ldif_rule_options, users_out_option
from mailauth.cli.shared.command import Command


@click.command(cls=Command)
@click.argument("entries", metavar="FILE.ldif|-")
@ldif_rule_options
@click.option(
    "--attribute",
    default="userPassword",
    show_default=True,
    help="Attribute with the passwords.",
    metavar="NAME",
)
@click.option(
    "--default-scheme",
    default="CRYPT",
    show_default=True,
    help="Scheme of strings without {SCHEME}.",
    metavar="NAME",
)
@click.option(
    "--dovecot",
    "judge",
    metavar="VERSION",
    help="Dovecot version that will read the strings.  [default: the newest]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the modifications to this file, mode 0600.",
)
@click.option(
    "--undo-out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write modifications that undo them to this file, mode 0600.",
)
@users_out_option
@json_option
def ldif() -> None:
    """Turn a directory's LDIF into changes for ldapmodify.

    Reads entries as slapcat and ldapsearch print them, and applies the same rules as migrate plan, except
    --rehash and --prove.  Each modification deletes the old value and adds the new one, so a directory
    accepts it only while the old value is there: ldapmodify -c reports the others.  Without --out the
    modifications are only counted.

    \b
    Exit status:  0 nothing to change     1 something to change, or some values are left or broken
                  2 wrong usage
    """
