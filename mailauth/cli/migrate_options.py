"""The options that the commands of ``mailauth migrate`` share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mailauth.cli.shared.options import insecure_option, pid_option


class _Rate(click.ParamType[Any]):
    """Rows a second, or "auto"."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> object:
        from mailauth.migrate import pace  # noqa: PLC0415 - only where a rate is given

        if isinstance(value, pace.Pace):
            return value
        if value == "auto":
            return pace.auto()
        return pace.Pace(click.FloatRange(min=0, min_open=True).convert(value, param, ctx))


rate_option = click.option(
    "--rate",
    type=_Rate(),
    metavar="N|auto",
    help="Change at most this many rows a second; auto follows the store's own latency.  [no limit]",
)


def batch_option(rows: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``rows``: the default."""
    return click.option(
        "--batch",
        type=click.IntRange(min=1),
        default=rows,
        show_default=True,
        metavar="N",
        help="Rows in one transaction.",
    )


def store_options(command: Callable[..., None]) -> Callable[..., None]:
    """Which store: a passdb of a Dovecot's, or a URL."""
    for option in (
        click.option("-c", "--config", metavar="FILE", help="Dovecot's configuration file."),
        pid_option,
        click.option(
            "--passdb", type=int, metavar="N", help="Number of the passdb, where there are several."
        ),
        click.option(
            "--url",
            metavar="URL",
            help="Use this store instead of a passdb's; written as for mailauth audit.",
        ),
        click.option("--url-fd", type=int, metavar="FD", help="Read the URL from this file descriptor."),
        click.option(
            "--rows-query",
            metavar="SQL",
            help="Query that lists the rows: SELECT user, password FROM table.",
        ),
        click.option(
            "--default-scheme", metavar="NAME", help="With --url: scheme of strings without {SCHEME}."
        ),
        click.option(
            "--dovecot",
            "judge",
            metavar="VERSION",
            help="Dovecot version that reads the store.  [the running one; with --url 2.4.5]",
        ),
    ):
        command = option(command)
    return command


def bind_options(command: Callable[..., None]) -> Callable[..., None]:
    """Who writes, where the store is a directory."""
    for option in (
        click.option(
            "--bind-dn",
            metavar="DN",
            help="Bind to the directory as this DN, to write; asks for its password.  [Dovecot's own]",
        ),
        click.option(
            "--bind-password-fd",
            type=int,
            metavar="FD",
            help="Read the password of --bind-dn from this file descriptor.",
        ),
        click.option(
            "--bind-password-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Read the password of --bind-dn from this file, which nobody else may read.",
        ),
        insecure_option,
    ):
        command = option(command)
    return command


_profile = click.option(
    "--profile", default="owasp", show_default=True, help="Argon2 parameters by name.", metavar="NAME"
)


def scheme_options(command: Callable[..., None]) -> Callable[..., None]:
    """What the new hashes are to be."""
    for option in (
        click.option("--rounds", type=int, help="Rounds of SHA-crypt and PBKDF2.", metavar="N"),
        click.option("--cost", type=int, help="bcrypt cost, 4 to 31 (2^N rounds).", metavar="N"),
        _profile,
        click.option(
            *("-s", "--scheme"),
            default="ARGON2ID",
            show_default=True,
            help="Scheme of the new hashes.",
            metavar="SCHEME",
        ),
    ):
        command = option(command)
    return command


apply_option = click.option(
    "--apply", "do_it", is_flag=True, help="Write the changes.  Without it they are only shown."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
loss_option = click.option(
    "--accept-mechanism-loss",
    "accept_loss",
    is_flag=True,
    help="Also migrate rows that CRAM-MD5, SCRAM and the like use; these then stop working for them.",
)
users_out_option = click.option(
    "--users-out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write each user, and what happens to the row, to this .csv or .json file, mode 0600.",
)


def seal_options(command: Callable[..., None]) -> Callable[..., None]:
    """How the journal is sealed, and whether it holds plaintexts at all."""
    for option in (
        click.option(
            "--no-undo-for-plaintexts",
            "no_plaintexts",
            is_flag=True,
            help="Do not keep old plaintexts in the journal; undo cannot restore those.",
        ),
        click.option(
            "--seal-to",
            metavar="KEY",
            help="Encrypt the journal to this key (migrate keygen), not to one stored beside it.",
        ),
    ):
        command = option(command)
    return command


_rehash = click.option("--rehash", metavar="SCHEME", help="Hash plaintext passwords with this scheme.")
_prove = click.option(
    "--prove",
    metavar="FILE.csv",
    help="CSV user,password of known passwords, which show what strings without {SCHEME} are.",
)


def rule_options(command: Callable[..., None]) -> Callable[..., None]:
    """What is to be done."""
    return _rule_options(command)


def ldif_rule_options(command: Callable[..., None]) -> Callable[..., None]:
    """What is to be done with strings of a file: the options that need a store are left out."""
    return _rule_options(command, left_out=(_rehash, _prove))


def _rule_options(command: Callable[..., None], left_out: tuple[object, ...] = ()) -> Callable[..., None]:
    for option in (
        click.option(
            "--rules",
            "file",
            type=click.Path(path_type=Path),
            help="TOML file with rules of your own (docs/migrate.md).",
            metavar="FILE",
        ),
        click.option("--prefix", is_flag=True, help="Add {SCHEME} to hashes whose format shows it."),
        click.option(
            "--prefix-default",
            is_flag=True,
            help="Add the default scheme to strings without one, before that default is changed.",
        ),
        click.option("--trim", is_flag=True, help="Remove blanks and line ends around the string."),
        click.option("--relabel", is_flag=True, help="Correct a wrong {SCHEME}."),
        click.option("--convert", is_flag=True, help="Convert other software's formats to Dovecot's."),
        click.option(
            "--mend",
            is_flag=True,
            help="Repair strings that were cut, padded, quoted or misnamed, where nothing is lost.",
        ),
        _rehash,
        _profile,
        click.option(
            "--origin", metavar="NAME", help="Software that made strings without {SCHEME}: md5, nt, plain ..."
        ),
        _prove,
        click.option(
            "--only",
            multiple=True,
            metavar="SCHEME",
            help="Change only strings whose new scheme is this one.",
        ),
    ):
        if option not in left_out:
            command = option(command)
    return command
