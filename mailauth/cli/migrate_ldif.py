"""``mailauth migrate ldif``."""

from pathlib import Path

import click

from mailauth.cli.hash_options import json_option
from mailauth.cli.migrate_options import rule_options
from mailauth.cli.shared.command import Command


@click.command(cls=Command)
@click.argument("entries", metavar="FILE.ldif|-")
@rule_options
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
    help="Version that is to read the strings.  [default: the newest]",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the modifications there, mode 0600."
)
@click.option(
    "--undo-out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what takes them back there, mode 0600.",
)
@json_option
def ldif() -> None:
    """Turn a directory's entries (slapcat, ldapsearch) into modifications for ldapmodify, by the same rules.

    Each modification deletes the old value and adds the new one, so a directory makes it only where the old
    value still is: ldapmodify -c reports the others.  Without --out it is only counted.  Plaintexts are not
    made into hashes here.

    \b
    Exit status:  0 nothing is to be done     1 something is, or some values are left or broken
                  2 wrong usage
    """
