"""What is this machine and what is not: who decides by it whether a password goes in the clear, agrees."""

import re

import pytest

from mailauth import loopback
from mailauth.load.plan import ImapTarget, on_this_machine
from tests.cli.running import ROOT

HERE = ("localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1", "[::1]", "::ffff:127.0.0.1", "::1%lo")
ELSEWHERE = ("mail.example.org", "127.0.0.1.example.org", "localhost.example.org", "192.0.2.1", "::2", "")
ODD = (
    *("127.0.0.1:1@192.0.2.1", "[::1]192.0.2.1", "127.0.0.256"),
    *("127.1", "\u0661\u0662\u0667.0.0.1", "localhost:1:2"),
)


@pytest.mark.parametrize("host", HERE)
def test_this_machine(host: str) -> None:
    assert loopback.is_here(host)
    assert on_this_machine(ImapTarget(host, 143, tls=False))
    at = f"{host}:389" if host.count(":") == 0 or host.startswith("[") else f"[{host}]:389"
    assert loopback.is_here(at)


@pytest.mark.parametrize("host", [*ELSEWHERE, *ODD])
def test_another(host: str) -> None:
    assert not loopback.is_here(host)
    assert not loopback.is_here(f"{host}:389")
    assert not on_this_machine(ImapTarget(host, 143, tls=False))


def test_nobody_else_reads_an_address_for_it() -> None:
    """Of a text; an address that the kernel or a certificate gave is asked itself."""
    of_texts = re.compile(r"ip_address\([^\n]*\)\.is_loopback|== \"localhost\"|127\\\.|127\(\?:")
    found = [
        str(path)
        for path in (ROOT / "mailauth").rglob("*.py")
        if path.name != "loopback.py" and of_texts.search(path.read_text())
    ]
    assert not found
