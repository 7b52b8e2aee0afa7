"""``mailauth diagnose --host``: a name or an address, and perhaps a port."""

import pytest

from mailauth.cli.shared.values import host_and_port
from mailauth.errors import UsageError


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("", "", 0),
        ("mail.example.org", "mail.example.org", 0),
        ("mail.example.org:1143", "mail.example.org", 1143),
        ("192.0.2.1", "192.0.2.1", 0),
        ("192.0.2.1:993", "192.0.2.1", 993),
        ("2001:db8::1", "2001:db8::1", 0),
        ("[2001:db8::1]", "2001:db8::1", 0),
        ("[2001:db8::1]:993", "2001:db8::1", 993),
    ],
)
def test_what_is_taken(text: str, name: str, port: int) -> None:
    assert host_and_port(text) == (name, port)


@pytest.mark.parametrize("text", ["mail:imap", ":993", "mail:65536", "mail:", "[2001:db8::1]:x", "mail:-1"])
def test_what_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--host"):
        host_and_port(text)
