"""The options that say which login is meant: of which client, by which service, from where."""

from typing import TYPE_CHECKING

import click

from mailauth.cli.shared.request import option, options_of
from mailauth.errors import UsageError
from mailauth.later import later
from mailauth.records import dataclass

if TYPE_CHECKING:
    import difflib
else:
    difflib = later("difflib")  # only for a typing error

# The services that ask Dovecot's auth: its own, and those that mail servers beside it name.
_SERVICES = ("imap", "pop3", "submission", "sieve", "smtp", "lmtp", "doveadm", "xmpp")
# Source: Dovecot 2.3.19.1 and 2.4.1 src/auth/mech-*.c.
_MECHANISMS = (
    *("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "APOP", "OTP", "RPA", "SKEY"),
    *("SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"),
    *("EXTERNAL", "ANONYMOUS", "GSSAPI", "GSS-SPNEGO", "NTLM", "OAUTHBEARER", "XOAUTH2"),
)


def _service(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    _known("--service", name, name.lower(), _SERVICES)
    return name.lower()


def _mechanism(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if name:
        _known("--mechanism", name, name.upper(), _MECHANISMS)
    return name.upper()


def _known(option: str, given: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"give one of {', '.join(known)}."
        raise UsageError(f"{option} {given}: not known; {hint}")


@dataclass(frozen=True, slots=True)
class Case:
    """Which login is meant."""

    service: str = option(
        "--service",
        metavar="NAME",
        default="imap",
        show_default=True,
        callback=_service,
        help="Service that the client uses, such as imap or pop3.",
    )
    address: str = option("--from-address", metavar="IP", default="", help="IP address of the client.")
    host: str = option(
        "--host",
        metavar="NAME[:PORT]",
        default="",
        help="Host name or address that the client connects to; checks TLS, routes and filters.",
    )
    mechanism: str = option(
        "--mechanism",
        metavar="NAME",
        default="",
        callback=_mechanism,
        help="SASL mechanism that the client uses, such as PLAIN or CRAM-MD5.",
    )


case_options = options_of(Case)
"""What ``target_of`` is given: service, address, host, mechanism."""
