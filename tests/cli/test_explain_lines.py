"""Lines of logs, and what mail programs show, as administrators paste them: ``mailauth explain`` knows each.

pasted_lines.tsv: what is pasted (Dovecot's lines of both dialects, Postfix's, the programs' own), the first
finding (none: no finding is about it), and some words of what it comes to.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailauth.meaning import meaning_of
from mailauth.meaning.looking_up import SAID
from tests.cli.running import mailauth

NOW = datetime(2026, 12, 31, tzinfo=UTC)
_SYSLOG = "Nov 30 10:00:00 mail dovecot: "
_CLIENT = "user=<>, rip=192.0.2.1, lip=192.0.2.2, session=<abc>"
_ALICE = "user=<alice>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.2, session=<abc>"
_SMTPD = "Nov 30 10:00:00 mail postfix/smtpd[123]: "
_FROM = "unknown[192.0.2.1]"
LINES = [line.split("\t") for line in Path(__file__).with_name("pasted_lines.tsv").read_text().splitlines()]
USERS = [
    (
        f"{_SMTPD}warning: {_FROM}: SASL PLAIN authentication failed: x, sasl_username=alice",
        "mailauth diagnose alice",
    ),
    (
        (
            "IMAP Error: Login failed for alice@example.org against localhost. AUTHENTICATE PLAIN:"
            " Authentication failed."
        ),
        "mailauth diagnose alice@example.org",
    ),
    (
        (
            "Sending of password for user alice did not succeed. Mail server mail.example.org responded:"
            " Authentication failed."
        ),
        "mailauth diagnose alice",
    ),
    (
        (f"{_SYSLOG}imap-login: Disconnected (disconnected while authenticating, waited 9 secs): {_ALICE}"),
        "mailauth diagnose alice",
    ),
    (f"{_SYSLOG}imap-login: Disconnected (no auth attempts in 0 secs): {_CLIENT}", "mailauth checkup"),
    (f"{_SMTPD}warning: SASL: Connect to private/auth failed: No such file or directory", "mailauth checkup"),
    (
        f"{_SMTPD}warning: {_FROM}: SASL PLAIN authentication failed: x, sasl_username=$(reboot)",
        "mailauth diagnose USER",
    ),
    (
        f"{_SYSLOG}imap-login: Disconnected: Too many invalid commands: {_CLIENT}",
        "",
    ),
]


@pytest.mark.parametrize(("line", "first", "says"), LINES)
def test_a_line_is_known(line: str, first: str, says: str) -> None:
    found = meaning_of(line, NOW)
    assert found
    assert [one.code for one in found.findings][:1] == ([first] if first else [])
    assert says in found.messages[0].says


@pytest.mark.parametrize(("line", "following"), USERS)
def test_the_next_command_is_about_the_user(line: str, following: str) -> None:
    found = meaning_of(line, NOW)
    assert found
    assert found.next == following


def test_a_part_of_a_line_is_enough() -> None:
    """What is between the brackets, as it is typed into a search."""
    for words, says in (
        ("no auth attempts", "without trying"),
        ("no auth attempts in 0 secs", "without trying"),
        ("SSL_accept() failed", "handshake"),
        ("TLS handshaking", "handshake"),
        ("client didn't finish SASL auth", "did not go on"),
        ("Aborted login", "logged out"),
        ("Inactivity", "silent"),
    ):
        done = mailauth("explain", words)
        assert done.returncode == 0, done.stderr
        assert says in " ".join(done.stdout.split())


def test_each_of_the_words_is_known() -> None:
    for shows, table in SAID:
        for row in table:
            for words in row.words:
                found = meaning_of(words.lstrip("="), NOW)
                assert found, (shows, words)
                assert found.messages, (shows, words)
