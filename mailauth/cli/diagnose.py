"""``mailauth diagnose USER``."""

import click

from mailauth.cli.shared.case import Case
from mailauth.cli.shared.options import PasswordSource, config_option, pid_option
from mailauth.cli.shared.request import argument, asking, group, option, shared
from mailauth.cli.shared.values import sayable
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class DiagnoseOptions:
    """What diagnose is asked: a field is an option, in the order of its --help."""

    user: str | None = argument(required=False, callback=sayable)
    config: str | None = shared(config_option)
    pid: int | None = shared(pid_option)
    password: PasswordSource = group(PasswordSource)
    login: bool = option(
        "--login",
        is_flag=True,
        needs_password=True,
        help="Also make two real logins; they appear in the log.",
    )
    ask_pam: bool = option(
        "--ask-pam",
        is_flag=True,
        needs_password=True,
        help="Also ask PAM about the password: one attempt, which pam_faillock counts.",
    )
    ask_lua: bool = option(
        "--ask-lua", is_flag=True, help="Also run the Lua script of a passdb, without any rights."
    )
    prove: bool = option(
        "--prove",
        is_flag=True,
        help="Reproduce the finding in a lab: the login fails, the remedy is applied, the login works.",
    )
    case: Case = group(Case)
    variants: float = option(
        "--variants",
        type=click.FloatRange(0, 600),
        default=3.0,
        show_default=True,
        metavar="SECONDS",
        needs_password=True,
        help="Time to try near variants of a wrong password; 0 tries none.",
    )
    max_memory: str | None = option(
        "--max-memory", metavar="SIZE", help="Skip hashes that need more memory than this.  [1280M]"
    )
    max_seconds: float | None = option(
        "--max-seconds",
        type=click.FloatRange(min=1),
        metavar="SECONDS",
        help="Longest time for one hash; all hashes together get three times as long.  [20]",
    )
    as_json: bool = option("--json", is_flag=True, help="Print JSON (mailauth/schemas/diagnosis.json).")


@asking(DiagnoseOptions)
def diagnose() -> None:
    """Find out why USER cannot log in, and prove it.

    Reads Dovecot's configuration, looks the user up in the real store, and verifies the stored hash in
    a child process that has exactly as much memory as Dovecot's own process.  Changes nothing.

    The password is optional: without it, mailauth still finds out whether the memory is enough.  Where an
    LDAP server verifies passwords, mailauth makes one bind with the password, which counts as an attempt
    if failed attempts lock accounts.  PAM is asked only with --ask-pam, once, as Dovecot's worker asks it.
    With --mechanism XOAUTH2 or OAUTHBEARER the password is a token: OAuth2's endpoint is asked once about it,
    as Dovecot asks, or its signature is verified as Dovecot verifies it.
    A Lua script is run only with --ask-lua, in a child that may open no socket, run no program and write
    no file; where the script asks for more, its answer stays open.

    \b
    Exit status:  0 nothing found, all decided    1 something found
                  2 wrong usage or configuration  3 nothing found, something undecided
                  70 a bug in mailauth
    """
