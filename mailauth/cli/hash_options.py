"""The options that the commands of ``mailauth hash`` share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from mailauth.dovecot.version import Version

EXITS = """\b
Exit status:  0 match, made, or sound        1 mismatch, or no conversion
              2 wrong usage                  3 malformed
              4 unsupported                  5 weak, and refused
              6 out of memory                70 a bug in mailauth
A batch exits with 0 when it was read to its end, whatever the verdicts."""

_F = TypeVar("_F", bound=Callable[..., Any])


def _release(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    return Version.known(text).numbers


def _options(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    def add(command: _F) -> _F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


for_option = click.option(
    "--for",
    "dovecot",
    metavar="VERSION",
    callback=_release,
    help="Judge by this Dovecot version, such as 2.4.",
)
weak_option = click.option(
    "--allow-weak",
    is_flag=True,
    help="Accept weak schemes, as auth_allow_weak_schemes=yes and doveadm pw -t do.",
)
limit_option = click.option(
    "--vsz-limit", metavar="SIZE", help="Judge under this vsz_limit, such as 256M, or unlimited."
)
idle_option = click.option(
    "--idle",
    metavar="SIZE",
    default="24M",
    show_default=True,
    help="Assumed size of the idle auth process.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/hash-*.json)."
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(1, 256), metavar="N", help="Worker processes.  [one for each core]"
)
stored_options = _options(
    click.argument("stored", required=False),
    click.option(
        "--stored-fd", type=int, metavar="FD", help="Read the stored string from this file descriptor."
    ),
    click.option(
        "--batch",
        metavar="FILE|-",
        help='Read JSON lines such as {"stored": "..."}, and write one JSON line for each.',
    ),
)
default_option = click.option(
    "--default-scheme", metavar="SCHEME", help="Scheme of strings without {SCHEME}, as the passdb sets it."
)
_given_options = _options(
    click.option(
        "--password-fd", type=int, metavar="FD", help="Read the password from this file descriptor."
    ),
    click.option(
        "--stdin", "--password-stdin", "stdin", is_flag=True, help="Read the password from standard input."
    ),
)


def _password(text: str) -> Callable[[_F], _F]:
    return _options(click.option("-p", "--ask-password", is_flag=True, help=text), _given_options)


password_options = _password("Ask for the password.  [if no other password option is given]")
optional_password_options = _password("Ask for the password, and verify the string with it first.")
user_option = click.option(
    "--user", default="", help="User name, which is part of a DIGEST-MD5 hash.", metavar="NAME"
)
