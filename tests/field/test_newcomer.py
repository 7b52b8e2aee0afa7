"""What somebody stumbled over who typed what is printed, on a server that is not where it usually is."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.diagnosing import Target, diagnose
from mailauth.dovecot.doveadm import Installation, at_pid
from mailauth.dovecot.site import read_config
from mailauth.dovecot.typed import in_sentence, plain, shown, typed
from mailauth.finding import Severity
from mailauth.lab import Lab
from tests.cli.running import mailauth
from tests.field.chains import passwd_file, server
from tests.field.rig import Rig
from tests.field.test_red_other import GOOD, SECRET
from tests.field.test_red_third import lua
from tests.proofs.story import MiB, argon2id

MakeRig = Callable[..., Rig]
_COMMAND = re.compile(r"doveadm (?:-c (?P<file>\S+) )?(?:reload|stop|log|user|auth|kick|who|penalty|pw)\b")


def _pasted(text: str, config: Path) -> int:
    """How many commands of doveadm a text has; each names this Dovecot's file."""
    found = list(_COMMAND.finditer(re.sub(r"\s+", " ", text)))
    assert all(one["file"] == str(config) for one in found), text
    return len(found)


def test_each_command_names_the_configuration(lab: Callable[..., Lab]) -> None:
    """Dovecot's own file is not the system's: what is printed concerns the one that was asked."""
    with lab(None, "sqlite", {"alice": argon2id(memory=256 * MiB)}, "auth_cache_size = 1M\n") as one:
        where = ("-c", str(one.config))
        for words in (("diagnose", "alice"), ("fix", "MEM001", "alice"), ("memory", "fit")):
            told = mailauth(*words, *where)
            assert _pasted(told.stdout, one.config), told.stdout + told.stderr
        # What was printed is run as it stands, and does what it says.
        line = re.search(
            r"^ *then: (doveadm .*)$", mailauth("diagnose", "alice", *where).stdout, re.MULTILINE
        )
        assert line is not None
        assert one.argv("doveadm", "reload")[-3:] == line[1].split()[1:]


def test_sentences_name_the_configuration_and_the_user(rig: MakeRig) -> None:
    refusing = lua("PASSDB_RESULT_USER_DISABLED")
    one = server(rig, "2.3.19.1", refusing, passwd_file({"bob": GOOD}), more="mail_home = relative\n")
    for words in (("diagnose", "bob"), ("diagnose", "alice"), ("checkup",), ("diagnose", "nobody")):
        told = mailauth(*words, "--pid", str(one.master_pid))
        assert told.stdout, told.stderr
        assert "--login -p USER" not in told.stdout or words[0] == "checkup"
        assert "mailauth diagnose --login" not in told.stdout, "it lacks -c"


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (Installation(), "doveadm log errors"),
        (Installation("/srv/d d.conf"), "doveadm -c '/srv/d d.conf' log errors"),
        (Installation("/etc/d.conf", 7), "mailauth inside --pid 7 -- doveadm -c /etc/d.conf log errors"),
        (Installation(None, 7), "mailauth inside --pid 7 -- doveadm log errors"),
    ],
)
def test_how_it_is_typed(where: Installation, words: str) -> None:
    command = ("doveadm", "log", "errors")
    assert shown(where, *command) == words
    assert plain(where, typed(where, *command)) == command
    assert typed(where, "sysctl", "-w", "x=1") == ("sysctl", "-w", "x=1"), "it is this machine that forwards"
    once = in_sentence(where, "see doveadm log errors; a doveadm-server logs nothing")
    assert once == f"see {words}; a doveadm-server logs nothing"
    assert in_sentence(where, once) == once


def test_logins_that_mailauth_made_are_no_users(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """Somebody tries a password by diagnose: that is no failure of the user's."""
    with lab(dovecot_version, "sqlite", {"alice": argon2id(memory=1 * MiB)}) as one:
        where = ("--pid", str(one.master_pid))
        mailauth("diagnose", "alice", *where, "--login", "--password-stdin", feed="wrong")
        assert one.logs("<mailauth>")
        told = mailauth("log", *where)
        assert told.returncode == 0, told.stdout
        assert "mailauth itself made, which are not counted" in told.stdout
        assert not one.login("alice", b"wrong").ok
        assert one.logs("mismatch", times=2)
        assert "1 failed login of 1 user" in mailauth("log", *where).stdout


_JOURNAL = """
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/journal /run/log/journal
[ -s /etc/machine-id ] || { systemd-id128 new > /run/id; mount --bind /run/id /etc/machine-id; }
mount --bind "$1" /var/log
/usr/lib/systemd/systemd-journald &
trap 'kill $!' EXIT
for _ in $(seq 100); do [ -S /run/systemd/journal/stdout ] && break; sleep 0.1; done
setpriv --reuid 65534 --regid 65534 --clear-groups systemd-cat -t dovecot < "$2"
systemd-cat -t dovecot < "$2"
for _ in $(seq 100); do [ "$(journalctl -q -t dovecot | grep -c the-end)" = 2 ] && break; sleep 0.1; done
shift 2
for words in "log" "log bob" "log --since all --json" "log --rotated"; do
    "$@" $words -c "$CONFIG" || echo "status $?"
done
"""


def test_a_log_that_only_the_journal_has(lab: Callable[..., Lab], tmp_path: Path) -> None:
    """It is read with the same options, by mailauth itself; an ordinary user's lines are no Dovecot's."""
    lines = tmp_path / "lines"
    failed = "auth: Info: sql({},192.0.2.1,<{}>): Password mismatch"
    said = [failed.format("alice", f"abcdefg{n}") for n in range(3)] + [failed.format("bob", "x" * 8)]
    lines.write_text("\n".join([*said, failed.format("carol", "mailauth"), "master: Info: the-end\n"]))
    (empty := tmp_path / "log").mkdir()
    with lab(None, "sqlite", {"alice": None}) as one:
        config = tmp_path / "dovecot.conf"
        config.write_text(f"{one.config.read_text()}\nlog_path = syslog\n")
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", _JOURNAL, "sh", empty, lines, sys.executable, "-m", "mailauth"],
            capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "CONFIG": str(config)},
        )  # fmt: skip
    assert "the journal (journalctl -t dovecot)" in done.stdout, done.stdout + done.stderr
    assert "4 failed logins of 2 users" in done.stdout
    assert "1 failed login of 1 user" in done.stdout
    assert '"failures": 4' in done.stdout
    assert done.stdout.count("status 1") == 3
    assert "status 2" in done.stdout
    assert "--rotated: Dovecot logs to the journal" in done.stderr


def test_a_query_of_the_command_line_is_blamed_itself(lab: Callable[..., Lab]) -> None:
    with lab(None, "sqlite", {"alice": None}) as one:
        where = ("-c", str(one.config), "--rows-query", "nonsense")
        for words in (("checkup",), ("audit",), ("memory", "fit"), ("migrate", "plan", "--trim")):
            told = mailauth(*words, *where)
            said = re.sub(r"\s+", " ", told.stdout + told.stderr)
            assert "--rows-query: " in said, said
            assert "dovecot-sql.conf.ext" not in said, said
        told = mailauth("check", "rows", *where, "--state", str(one.folder / "state"))
        assert told.returncode == 3
        assert "[OK] rows: there is no store" not in told.stdout
        told = mailauth("migrate", "apply", "--trim", "-c", str(one.config), "--resume", "nosuch")
        assert (told.returncode, told.stdout) == (2, ""), told.stdout
        assert "nosuch: there is no such migration" in told.stderr


def test_the_state_of_servers_that_are_gone_is_not_kept_for_ever(
    lab: Callable[..., Lab], tmp_path: Path
) -> None:
    """Nobody else may look into it, however the folder was made."""
    (kept := tmp_path / "check").mkdir(mode=0o755)
    for number in range(70):
        (kept / f"{number:012x}").mkdir()
        os.utime(kept / f"{number:012x}", (number, number))
    with lab(None, "sqlite", {"alice": None}) as one:
        mailauth("check", "rows", "-c", str(one.config), MAILAUTH_STATE=str(tmp_path))
    assert kept.stat().st_mode & 0o777 == 0o700
    names = {each.name for each in kept.iterdir()}
    assert len(names) == 64
    assert f"{69:012x}" in names
    assert f"{6:012x}" not in names


def test_a_fix_says_what_it_does_and_why_it_went_back(lab: Callable[..., Lab]) -> None:
    """Its steps as they begin, and the finding's own words, not its code alone."""
    with lab(None, "sqlite", {"alice": argon2id(memory=256 * MiB)}) as one:
        more = "default_vsz_limit = 64M\n!include_try later.conf\n"
        one.config.write_text(f"{one.config.read_text()}{more}")
        one.reload()
        where = ("-c", str(one.config))
        told = mailauth("fix", "MEM001", "alice", *where, "--apply", MAILAUTH_STATE=str(one.folder / "kept"))
        assert told.returncode == 0, told.stdout
        steps = [line for line in told.stderr.splitlines() if line.endswith(" ...")]
        assert [line.split()[1] for line in steps[:3]] == ["look", "write", "doveconf"], told.stderr
        assert any("doveadm" in line for line in steps)
        assert any("diagnose again" in line for line in steps)
        back = mailauth("fix", "--undo", "nosuch", MAILAUTH_STATE=str(one.folder / "kept"))
        assert "sudo" not in back.stderr, "this is root already"


@pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])
def test_a_passdb_of_one_protocol_has_its_place(lab: Callable[..., Lab], version: str) -> None:
    """It is asked before the others, and its line is named as theirs are."""
    with lab(version, "sqlite", {"alice": "{PLAIN}secret"}) as one:
        (users := one.folder / "own").write_text("bob:{PLAIN}secret\n")
        users.chmod(0o644)
        own = (
            f"  driver = passwd-file\n    args = {users}\n"
            if version < "2.4"
            else f"  driver = passwd-file\n    passwd_file_path = {users}\n"
        )
        name = "passdb" if version < "2.4" else "passdb own"
        lines = one.config.read_text().count("\n") + 1
        text = f"{one.config.read_text()}\nprotocol imap {{\n  {name} {{\n  {own}  }}\n}}\n"
        one.config.write_text(text)
        one.reload()
        for service, number in (("imap", 0), ("", 1)):
            passdbs = read_config(at_pid(one.master_pid, None), service).passdbs
            assert len(passdbs) == 2
            assert passdbs[number].driver == "passwd-file"
            assert passdbs[number].place_of("driver") == f"{one.config}:{lines + 3}"
            assert passdbs[1 - number].place_of("driver").startswith(f"{one.config}:"), passdbs


def test_what_the_files_say_now_keeps_nobody_out(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """Dovecot goes on with what it read: no login is blocked before the next start."""
    with lab(dovecot_version, "sqlite", {"alice": "{PLAIN}secret"}) as one:
        good = one.config.read_text()
        for more, code in (
            ("passdb x {\n  driver = nosuch\n}\n", "CONF009"),
            ("auth_mechanisms = plain nosuch\n", "CONF010"),
        ):
            one.config.write_text(f"{good}\n{more}")
            assert one.login("alice", b"secret").ok
            found = diagnose(Target("alice", at_pid(one.master_pid, None))).findings
            told = next(each for each in found if each.rule.code == code)
            assert told.severity is Severity.RISK
            assert "goes on with what it read before" in told.problem.says
            assert not any(each.severity is Severity.BLOCKS_LOGIN for each in found)


@pytest.mark.parametrize("store", ["sqlite", "mysql"])
def test_a_nul_byte_in_the_column_is_named(lab: Callable[..., Lab], store: str) -> None:
    """Dovecot reads a C string: the rest of the hash is there, and nothing is lost."""
    rows = {"cut": f"{GOOD[:40]}\0{GOOD[40:]}", "front": f"\0{GOOD}", "end": f"{GOOD}\0\0"}
    with lab("2.3.19.1", store, rows) as one:
        dovecot = at_pid(one.master_pid, None)
        for user in ("cut", "front"):
            assert not one.login(user, SECRET.encode()).ok
            found = next(
                each
                for each in diagnose(Target(user, dovecot)).findings
                if each.severity is Severity.BLOCKS_LOGIN
            )
            assert "A NUL byte ends it there" in found.problem.says, found.problem.says
            assert "Take the NUL byte out" in found.problem.remedy.summary
            assert "VARCHAR" not in found.problem.says
        assert one.login("end", SECRET.encode()).ok
        assert not diagnose(Target("end", dovecot)).findings


def test_whose_libcrypt_it_was_is_said() -> None:
    """A version of Dovecot has none of its own."""
    for words, said in ((("--for", "2.4.5"), True), ((), False)):
        done = mailauth("hash", "verify", GOOD, "--password-stdin", *words, feed=SECRET)
        assert (done.returncode, "crypt(3) is this machine's" in done.stdout) == (0, said), done.stdout


@pytest.mark.parametrize(
    ("version", "variable"),
    [("2.3.19.1", "%lu"), ("2.4.1", "%{local_ip}")],  # meant were %Lu and %{user}
)
def test_a_query_that_asks_for_everybody_alike_is_named(
    lab: Callable[..., Lab], version: str, variable: str
) -> None:
    """The user is there, and the query has another variable than was meant."""
    query = f"SELECT userid AS user, password FROM users WHERE userid = '{variable}'"
    with lab(version, "sqlite", {"alice": GOOD}, query=query) as one:
        assert not one.login("alice", SECRET.encode()).ok
        (found,) = diagnose(Target("alice", at_pid(one.master_pid, None))).findings
        assert found.rule.code == "USER001"
        assert "has no variable of the user's name" in found.problem.says
        assert found.problem.remedy.summary.startswith("Correct the query")


@pytest.mark.parametrize("store", ["sqlite", "passwd-file"])
def test_default_fields_count_where_no_worker_asks(lab: Callable[..., Lab], store: str) -> None:
    """2.3's worker makes the lookup without them: the entry forbids nothing there."""
    fields = "  default_fields = nologin=y\n"
    with lab("2.3.19.1", store, {"alice": GOOD}, passdb_extra=fields) as one:
        forbidden = "nologin" in one.login("alice", SECRET.encode()).fields
        assert forbidden == (store == "passwd-file")
        found = {each.rule.code for each in diagnose(Target("alice", at_pid(one.master_pid, None))).findings}
        assert found == ({"USER005"} if forbidden else set())


def test_a_variable_is_no_secret(lab: Callable[..., Lab]) -> None:
    """The password with which Dovecot binds is one; a template that takes the hash from an entry is not."""
    with lab("2.4.1", "ldap", {"alice": GOOD}) as one:
        assert "password = %{ldap:" in one.config.read_text()
        one.config.chmod(0o644)
        told = mailauth("diagnose", "alice", "--json", "--pid", str(one.master_pid))
        [found] = [each for each in json.loads(told.stdout)["findings"] if each["code"] == "CONF013"]
        assert " ldap_auth_dn_password" in found["says"]
        assert " password" not in found["says"]
