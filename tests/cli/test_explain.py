"""``mailauth explain``: a code, a word, a line of the log, what a client shows."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from mailauth.cli.shared.explained import explained
from mailauth.dovecot.logs import parse_line
from mailauth.dovecot.logstamp import Stamps
from mailauth.dovecot.messages import LogKind
from mailauth.meaning import looking_up, meaning_of, nearest, stand_for
from mailauth.rules import RULES
from tests.cli.running import ROOT, mailauth

SCHEMA = ROOT / "mailauth" / "schemas" / "explain.json"
LOGS = sorted((ROOT / "tests" / "dovecot" / "logs").glob("own-*.log"))
NOW = datetime(2026, 12, 31, tzinfo=UTC)
SYSLOG = "Nov 30 10:00:00 mail dovecot: "
_OWN_FAILURES = {LogKind.FAILED, LogKind.LOGIN_FAILED}


def codes(text: str) -> list[str]:
    meaning = meaning_of(text, NOW)
    return [one.code for one in meaning.findings] if meaning else []


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Password mismatch", "PASS001"),
        ("sql(alice): Password mismatch", "PASS001"),
        ("auth failed, 1 attempts in 2 secs", "PASS001"),
        ("[AUTHENTICATIONFAILED]", "PASS001"),
        ("-ERR [AUTH] Authentication failed.", "PASS001"),
        ("535 5.7.8 Error: authentication failed: (reason unavailable)", "PASS001"),
        ("Temporary authentication failure. [mail:2026-11-30 10:00:00]", "DB001"),
        ("unknown user", "USER001"),
        ("UNKNOWN USER", "USER001"),
        ("allow_nets check failed: IP 192.0.2.1 not in allowed networks", "USER006"),
        ("Plaintext authentication disallowed on non-secure (SSL/TLS) connections.", "AUTH002"),
        ('FATAL:  password authentication failed for user "mail"', "DB002"),
        ("Weak password scheme 'PLAIN-MD5' used and refused", "HASH002"),
        ("child 12 returned error 83 (Out of memory", "MEM006"),
        ("ldap(/etc/dovecot/ldap.conf): Can't connect to server: ldap://192.0.2.1", "LDAP001"),
        ("nologin", "USER005"),
        ("allow_nets", "USER006"),
    ],
)
def test_words_lead_to_findings(text: str, first: str) -> None:
    assert codes(text)[:1] == [first]


@pytest.mark.parametrize("word", ["bcrypt", "vsz_limit", "Argon2d", "auth_mechanisms", "haproxy"])
def test_a_word_lists_the_findings_that_have_it(word: str) -> None:
    """Those that have it in the title before the others."""
    found = meaning_of(word, NOW)
    assert found
    assert found.findings
    has = [word.casefold() in one.title.casefold() for one in found.findings]
    assert not found.messages or word == "haproxy"
    assert found.messages or has == sorted(has, reverse=True)


def test_every_message_of_the_catalogue_is_found_by_its_own_words() -> None:
    """Those that have no words of their own are known only in their line."""
    for row in looking_up._ALL:
        words = row.words.replace("%!", "x").replace("%", "x")
        if len("".join(stand_for.literals(row)).strip()) < looking_up._TELLING:
            continue
        found = meaning_of(words, NOW)
        assert found, row
        assert found.messages, row


def test_every_failure_has_a_finding() -> None:
    """Of a login that failed there is no message that leads nowhere."""
    for row in looking_up._ALL:
        if row.kind in _OWN_FAILURES | {LogKind.BACKEND, LogKind.NO_START, LogKind.MAIL_FAILED}:
            assert stand_for.of_message(row), row
        if row.kind is LogKind.OTHER:
            assert stand_for.of_message(row) == []


def test_the_codes_of_every_table_are_rules() -> None:
    """by_code raises KeyError for one that is none."""
    tables = [c for _, c in stand_for._OF_WORDS] + [
        row.codes for _, table in looking_up.SAID for row in table if row.codes
    ]
    for one in [*tables, *stand_for._OF_WHY.values(), *stand_for._OF_KIND.values()]:
        assert stand_for.by_code(one)


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
def test_each_failure_of_a_real_log_is_explained(path: Path) -> None:
    """Its line as it stands: what it means, what it can stand for, and the command with the user."""
    failed = 0
    for line in path.read_text().splitlines():
        event = parse_line(line.encode(), Stamps(NOW))
        if event is None or event.kind not in _OWN_FAILURES:
            continue
        failed += 1
        found = meaning_of(line, NOW)
        assert found, line
        assert found.messages[0].says
        assert found.findings
        assert found.user == event.user
        assert not event.user or found.next.startswith("mailauth diagnose ")
    assert failed


@pytest.mark.parametrize(
    "line",
    [
        "auth: Info: sql(alice,192.0.2.1,<s>): Password mismatch (given password: s3cret-Word)",
        "auth-worker(7): Error: sql(alice): Invalid password in passdb: s3cret-Word",
        "auth: Debug: client in: AUTH 1 PLAIN resp=s3cret-Word",
        "auth: Info: sql(alice): something that nobody knows s3cret-Word",
        "s3cret-Word",
        "password=s3cret-Word",
    ],
)
def test_no_secret_of_a_pasted_line_is_printed(line: str) -> None:
    for begins in ("", SYSLOG):
        for done in (
            mailauth("explain", begins + line),
            mailauth("explain", "-", "--json", feed=begins + line),
        ):
            assert "s3cret" not in done.stdout + done.stderr, done
            assert done.returncode in (0, 2)


def test_a_line_with_a_user_names_the_command() -> None:
    line = f"{SYSLOG}auth: Info: passwd-file(o'hara,192.0.2.1,<s>): unknown user"
    done = mailauth("explain", line)
    assert (done.returncode, done.stderr) == (0, "")
    assert """mailauth diagnose 'o'"'"'hara'""" in done.stdout
    told = json.loads(mailauth("explain", line, "--json").stdout)
    jsonschema.validate(told, json.loads(SCHEMA.read_text()))
    assert (told["user"], told["findings"][0]["code"]) == ("o'hara", "USER001")


def test_words_need_no_quotes_and_a_dash_is_no_option() -> None:
    assert (
        mailauth("explain", "Password", "mismatch").stdout == mailauth("explain", "Password mismatch").stdout
    )
    done = mailauth("explain", "--json", "-ERR [AUTH] Authentication failed.")
    assert json.loads(done.stdout)["messages"][0]["words"] == "-ERR [AUTH]"


def test_a_login_that_worked_stands_for_nothing() -> None:
    line = "imap-login: Info: Login: user=<alice>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.2, session=<s>"
    found = meaning_of(f"{SYSLOG}{line}", NOW)
    assert found
    assert (found.findings, found.next, found.messages[0].says) == ([], "", "a login worked")


def test_what_is_unknown_gets_what_is_like_it() -> None:
    assert nearest("MEM01") == "MEM001"
    assert nearest("pasword mismatch").casefold() == "password mismatch"
    assert nearest("[AUTHENTICATIONFAILD]") == "[AUTHENTICATIONFAILED]"
    done = mailauth("explain", "pasword mismatch")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'password mismatch'?" in done.stderr.casefold()


def test_each_of_the_readmes_words_is_explained() -> None:
    table = (ROOT / "README.md").read_text().partition("| Who says it")[2].partition("\n\n")[0]
    words = re.findall("`([^`]+)`", table)
    assert len(words) > 6
    for one in words:
        assert codes(one), one


def test_what_a_file_says_of_a_rule_is_the_rule() -> None:
    """The text comes out of the file, so that no rule is imported; all else asks the rules."""
    told = [(rule, explained(rule.code.lower())) for rule in RULES]
    said = [(rule, one) for rule, one in told if one]  # a title may stand elsewhere: then the rule is asked
    assert len(told) - len(said) < 5
    for rule, one in said:
        assert one == (rule.code, rule.title, rule.severity.value, rule.explanation)
    assert explained("MEM999") is None
    assert explained("../MEM001") is None
