"""``mailauth log``, on copied logs and on a real Dovecot's."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest

from mailauth.dovecot.logreading import read_logs
from mailauth.dovecot.logreport import Reading
from mailauth.lab import Lab
from mailauth.render.from_log import from_log_text
from tests.cli.running import mailauth
from tests.proofs.story import MiB, argon2id

ROOT = Path(__file__).parent.parent.parent
LOGS = ROOT / "tests" / "dovecot" / "logs"
SCHEMA = ROOT / "mailauth" / "schemas" / "from-log.json"


@pytest.mark.parametrize("path", sorted(LOGS.iterdir()), ids=lambda path: path.name)
def test_a_copied_log(path: Path) -> None:
    done = mailauth("log", "--log", str(path), "--json")
    assert done.stderr == ""
    assert done.returncode == 1
    told = json.loads(done.stdout)
    jsonschema.validate(told, json.loads(SCHEMA.read_text()))
    assert told["failures"] == sum(row["failures"] for row in told["rows"])
    assert told["failures"] in (1, 2, 6)
    shown = mailauth("log", "--log", "-", feed=path.read_bytes())
    assert re.search(rf"\b{told['failures']} failed logins?\b", shown.stdout)


def test_one_user_and_the_window(tmp_path: Path) -> None:
    log = LOGS / "own-2.4.1.log"
    told = json.loads(mailauth("log", "bob", "--log", str(log), "--json").stdout)
    assert [(row["user"], row["failures"]) for row in told["rows"]] == [("bob", 3)]
    two = tmp_path / "log"
    now = datetime.now().astimezone()
    today, before = (f"{now - timedelta(days=days):%b %d}".encode() for days in (0, 3))
    fresh, old = (log.read_bytes().replace(b"Nov 23", day) for day in (today, before))  # no line has a year
    two.write_bytes(old + fresh)
    (tmp_path / "log.1").write_bytes(fresh)
    for options, failures in ([], 6), (["--since", "all"], 12), (["--since", "7d", "--rotated"], 18):
        told = json.loads(mailauth("log", "--log", str(two), "--json", *options).stdout)
        assert told["failures"] == failures


def test_names_of_attackers_are_escaped() -> None:
    line = "Nov 23 14:58:19 auth(a\x1b[31m[bold]b,10.0.0.1,sasl:plain)<x>: Info: sql: unknown user\n"
    done = mailauth("log", "--log", "-", feed=line)
    assert "\x1b" not in done.stdout
    assert "a\\x1b[31m[bold]b" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["log", "--log", "/nonexistent"], "there is no such file"),
        (["log", "--log", "/dev/null"], "this is a pipe or a device"),
        (["log", "--log", "/usr"], "this is a folder"),
        (["log", "--since", "soon"], "30m, 24h or 7d"),
        (["log", "--log", "-", "--rotated"], "standard input only"),
        (["log", "--log", "-", "--log-timestamp", "%c"], "cannot be read"),
        (["log", "--log", "-", "--pid", "1"], "leave out -c, --pid and --container"),
        (["log", "--prove"], "No such option"),
        (["diagnose", "alice", "--log", "x"], "No such option"),
    ],
)
def test_wrong_usage(words: list[str], says: str) -> None:
    done = mailauth(*words)
    assert done.returncode == 2
    assert says in done.stderr


MISMATCH = "Nov 23 {0} auth: Info: sql({1},10.0.0.1,<s{0}>): Password mismatch\n"


def test_a_mismatch_is_no_proof_of_a_wrong_password() -> None:
    """Dovecot logs the same where the right password's hash did not fit; one command tells, for one user."""
    lines = [MISMATCH.format(f"14:58:{n:02}", "o'neil" if n < 9 else "--x") for n in range(12)]
    shown = mailauth("log", "--log", "-", feed="".join(lines)).stdout
    assert "the password does not match, or the process had no memory for the hash" in shown
    assert "wrong password" not in shown
    assert "password is wrong" not in shown
    told = [line.strip() for line in shown.splitlines() if "mailauth diagnose" in line]
    assert told == ["""To find out which: mailauth diagnose 'o'"'"'neil'"""]
    shown = mailauth("log", "--log", "-", feed=lines[-1]).stdout
    assert "To find out which: mailauth diagnose -- --x\n" in shown
    shown = mailauth("log", "--log", "-", feed=MISMATCH.format("14:58:00", "a\x1bb")).stdout
    assert "mailauth diagnose" not in shown, "an escaped name is not the user's"


def test_lookups_are_no_logins() -> None:
    """What doveadm user and mailauth itself ask of auth: nobody fails to log in."""
    verifies = "passdb doesn't support lookups, can't verify user's existence"
    shown = mailauth(
        "log", "--log", "-", "--json",
        feed=f"Nov 23 14:58:19 auth: Error: static(alice): {verifies}\n"
        "Nov 23 14:58:20 auth: Info: sql(mailauth-nobody): unknown user\n",
    )  # fmt: skip
    assert json.loads(shown.stdout)["failures"] == 0
    assert shown.returncode == 0


def test_what_is_not_known_is_not_counted_on() -> None:
    """No address is no address more; and some seconds tell nothing of a day."""
    bare = "Nov 23 {} auth: Info: sql(alice): Password mismatch\n"
    one = bare.format("14:58:01") + MISMATCH.format("14:58:02", "alice")
    shown = mailauth("log", "--log", "-", feed=one + bare.format("14:58:03")).stdout
    assert re.search(r"  no address \+1  ", shown)
    assert "The failures wrote" in shown
    assert "a day" not in shown
    shown = mailauth("log", "--log", "-", feed=one.replace("14:58:01", "13:00:00")).stdout
    assert re.search(r"of log a day\.", shown)
    assert not re.search(r" \+\d", shown.replace("no address +1", ""))
    shown = mailauth("log", "--log", "-", feed=bare.format("14:58:01") * 2).stdout
    assert "no address" not in shown


def test_an_empty_file_is_no_log_without_failures(tmp_path: Path) -> None:
    """A log that was never written, or was rotated away, says nothing of any login."""
    empty = tmp_path / "dovecot.log"
    empty.touch()
    for name, says in ((str(empty), f"{empty}: the file is empty"), ("-", "standard input was empty")):
        for more in ((), ("--json",)):
            done = mailauth("log", "--log", name, *more)
            assert (done.returncode, done.stdout) == (3, "")
            assert says in done.stderr


def test_nothing_in_it() -> None:
    """Another program's log is one without failures; what is no log at all was a mistake."""
    done = mailauth("log", "--log", "-", feed="Nov 23 14:58:20 host postfix/smtpd[1]: connect from x\n")
    assert done.returncode == 0
    assert "No line is one of Dovecot's" in done.stdout
    for name in ("-", str(SCHEMA)):
        done = mailauth("log", "--log", name, feed="alice:{PLAIN}secret:10:10:20:/home/alice\n")
        assert (done.returncode, done.stdout) == (2, "")
        assert "this is no log" in done.stderr
        assert "secret" not in done.stderr


def test_the_right_password_without_memory(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """Dovecot logs a mismatch: neither log nor the command that it names calls the password wrong."""
    with lab(dovecot_version, "sqlite", {"alice": argon2id(memory=256 * MiB)}) as one:
        assert not one.login("alice", b"correct horse").ok
        assert one.logs("mismatch")
        shown = mailauth("log", "--pid", str(one.master_pid)).stdout
        assert "the process had no memory for the hash" in shown
        assert "MEM001" in shown
        assert f"mailauth diagnose --pid {one.master_pid} alice\n" in shown
        told = mailauth("diagnose", "--pid", str(one.master_pid), "alice").stdout
    assert "MEM001" in told
    assert "password is wrong" not in told


@pytest.mark.parametrize("settings", ["", "auth_verbose = no\n"])
def test_a_running_dovecot(lab: Callable[..., Lab], dovecot_version: str, settings: str) -> None:
    users = {"alice": argon2id(memory=1 * MiB)}
    with lab(dovecot_version, "sqlite", users, settings) as one:
        for _ in range(3):
            assert not one.login("alice", b"wrong").ok
        assert one.login("alice", b"correct horse").ok
        assert one.logs("starting up") if settings else one.logs("mismatch", times=3)
        done = mailauth("log", "--pid", str(one.master_pid), "--json")
    assert done.stderr == ""
    told = json.loads(done.stdout)
    # With auth_verbose = no, auth is silent, and the auth socket has no login process that counts.
    assert told["failures"] == (0 if settings else 3)
    assert told["sources"] == [f"{one.folder}/log"]


LOST = "auth: Error: ldap(/etc/dovecot/l.ext): Connection lost to LDAP server, reconnecting"
FORMS = {
    "Dovecot's own": f"{{0:%b %d %H:%M:%S}} {LOST}",
    "syslog": f"{{0:%b %d %H:%M:%S}} host dovecot: {LOST}",
    "rsyslog": f"{{0:%Y-%m-%dT%H:%M:%S}}.123456+00:00 host dovecot: {LOST}",
    "rsyslog, equal lines once": f"{{0:%b %d %H:%M:%S}} host dovecot: message repeated 9 times: [ {LOST}]",
    "json-file": f'{{{{"log":"{{0:%b %d %H:%M:%S}} {LOST}\\n","stream":"stderr"}}}}',
    "docker logs -t": f"{{0:%Y-%m-%dT%H:%M:%S}}.000000001Z {{0:%b %d %H:%M:%S}} {LOST}",
    "journal": (
        f'{{{{"SYSLOG_IDENTIFIER":"dovecot","__REALTIME_TIMESTAMP":"{{1}}000000","MESSAGE":"{LOST}"}}}}'
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("a_second", "seconds", "floods"), [(200, 4, True), (200, 1, False), (2, 200, False), (1, 1, False)]
)
def test_a_flood_wherever_the_log_lands(
    form: str, a_second: int, seconds: int, floods: bool, tmp_path: Path
) -> None:
    """Without a pause for some seconds; a burst is none, and neither is a line twice a second."""
    began = datetime(2026, 11, 23, 12, tzinfo=UTC)
    times = [began + timedelta(seconds=second) for second in range(seconds) for _ in range(a_second)]
    log = tmp_path / "log"
    log.write_text("".join(FORMS[form].format(one, int(one.timestamp())) + "\n" for one in times))
    report = read_logs(Reading((log,)))
    [row] = report.troubles
    assert row.count == len(times)
    assert row.code == ("LOG006" if floods else "")
    assert report.keeps_out == floods
    shown = from_log_text(report)
    assert ("BLOCKS LOGIN  LOG006" in shown) == floods
    assert ("the LDAP port takes connections and closes them" in shown) == floods
    assert "the LDAP server closed the connection, and auth connects again" in shown
    assert (" GB a day: ldap(" in shown) == floods
    assert ("loses 10 GB in" in shown) == floods, "it is no log of now"
