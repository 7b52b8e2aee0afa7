"""The login that the options of a case mean."""

from ipaddress import ip_address

import click
from click.core import ParameterSource

from mailauth.cli.shared.values import host_and_port
from mailauth.diagnosing import Target
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import UsageError
from mailauth.hashes import Password
from mailauth.hashes.allowance import Allowance


def address_of(text: str) -> str:
    """An IP address as Dovecot writes it.  Raises UsageError."""
    try:
        return str(ip_address(text)) if text else ""
    except ValueError:
        raise UsageError(f"--from-address {text}: this is not an IP address.") from None


def target_of(
    user: str,
    dovecot: Installation,
    password: Password | None,
    *,
    login: bool,
    service: str,
    address: str,
    host: str,
    mechanism: str,
    variants: float = 3.0,
    allowance: Allowance | None = None,
) -> Target:
    """The login that these options mean.  Raises UsageError."""
    source = click.get_current_context().get_parameter_source("service")
    name, port = host_and_port(host)
    return Target(
        user,
        dovecot,
        password,
        login=login,
        service=service,
        named_service=source is ParameterSource.COMMANDLINE,
        address=address_of(address),
        host=name,
        port=port,
        mechanism=mechanism,
        variants=variants,
        allowance=allowance or Allowance(),
    )
