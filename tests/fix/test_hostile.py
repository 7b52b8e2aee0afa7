"""What users and logs can write never becomes code or another file's owner as root by way of ``fix``."""

import ast
import os
import stat
from itertools import product
from pathlib import Path

import pytest

import mailauth
from mailauth import remedies
from mailauth.dovecot.doveadm import Installation, at_pid
from mailauth.errors import CannotObserve
from mailauth.fix import plan, takeback
from mailauth.fix.journal import FixState, Journal, ModeEntry
from mailauth.lab import Lab
from mailauth.remedies import Block, Setting
from tests.fix.conftest import Fix, Labs
from tests.met import in_time
from tests.proofs.hostile import HOSTILE, LEADING
from tests.proofs.story import MiB, argon2id

GOOD = argon2id(memory=1 * MiB)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's fix gives nothing away")


def test_a_stored_name_is_no_configuration(fix: Fix, lab: Labs, dovecot_version: str) -> None:
    """USER004: the domain to add was the rest of a row's name, line ends and all."""
    with lab(dovecot_version, "sqlite", {"bob": GOOD}) as one:
        sign = one.folder / "run" / "evil"
        listener = "unix_listener evil {\n mode = 0600\n}\n"
        what = f"executable = /bin/touch {sign}\nuser = root\nprocess_min_avail = 1"
        evil = f"service evil {{\n{what}\n{listener}}}"
        one.set_users({f"alice@example.org\n{evil}\n": GOOD})
        before = one.config.read_bytes(), one.settings_file.read_bytes()
        planned = fix.json("USER004", "alice", "--pid", str(one.master_pid))
        assert (planned["files"], planned["commands"]) == ([], [])
        assert "auth_default_" in planned["summary"][0]
        done = fix("USER004", "alice", "--pid", str(one.master_pid), "--apply")
        assert (done.returncode, "nothing that mailauth could do" in done.stderr) == (1, True)
        assert before == (one.config.read_bytes(), one.settings_file.read_bytes())
        assert not sign.exists()


def test_a_mail_folder_is_one_word(fix: Fix, lab: Labs, dovecot_version: str) -> None:
    """USERDB004: a folder with a blank in its name gave the folder behind the blank away."""
    with lab(dovecot_version, "sqlite", {"alice": GOOD}, protocols=("imap",)) as one:
        victim = one.folder / "victim"
        victim.mkdir(mode=0o755)
        _userdb(one, f"{one.folder}/closed/mail {victim}")
        (one.folder / "closed").mkdir(mode=0o755)
        done = fix.json("USERDB004", "alice", "--pid", str(one.master_pid), "--apply", status=0)
        assert [step["ok"] for step in done["steps"]] == [True] * len(done["steps"])
        assert victim.stat().st_uid == 0
        made = Path(f"{one.folder}/closed/mail {victim}")
        assert made.stat().st_uid == 65534
        assert done["lasting"] == done["stays"] == [f"install -d -m 0700 -o 65534 -g 65534 -- '{made}'"]


@pytest.mark.parametrize("folder", ["/root/mail", "/etc/dovecot", "/etc", "/usr/local"])
def test_no_folder_of_the_system_is_given_away(fix: Fix, lab: Labs, folder: str) -> None:
    """A row that names one gets words."""
    owner = Path(folder).parent.stat()
    with lab(None, "sqlite", {"alice": GOOD}, protocols=("imap",)) as one:
        _userdb(one, folder)
        planned = fix.json("USERDB004", "alice", "--pid", str(one.master_pid))
        assert planned["commands"] == []
        assert fix("USERDB004", "alice", "--pid", str(one.master_pid), "--apply").returncode == 1
    now = Path(folder).parent.stat()
    assert (owner.st_uid, owner.st_gid, owner.st_mode) == (now.st_uid, now.st_gid, now.st_mode)


def test_a_folder_of_another_user_is_not_given_away(fix: Fix, lab: Labs) -> None:
    with lab(None, "sqlite", {"alice": GOOD}, protocols=("imap",)) as one:
        other = one.folder / "mail" / "bob"
        other.mkdir(mode=0o700)
        os.chown(other, 1234, 1234)
        _userdb(one, str(other))
        assert fix.json("USERDB004", "alice", "--pid", str(one.master_pid))["commands"] == []
        assert other.stat().st_uid == 1234


@pytest.mark.parametrize("code", ["CONF012", "CONF013"])
def test_a_passwd_file_is_one_word(fix: Fix, lab: Labs, dovecot_version: str, code: str) -> None:
    """Its path may have variables in it: the domain that a client sends."""
    with lab(dovecot_version, "passwd-file", {"alice": GOOD}) as one:
        victim = one.folder / "victim"
        victim.write_text("not for others\n")
        victim.chmod(0o604)
        file = Path(f"{one.folder}/users {victim}")
        file.parent.mkdir(parents=True)
        users = next(
            path for path in one.folder.iterdir() if path.is_file() and b"alice:" in path.read_bytes()
        )
        file.write_bytes(users.read_bytes())
        file.chmod(0o600 if code == "CONF012" else 0o644)
        one.config.write_text(
            one.config.read_text().replace(str(users), f'"{file}"' if dovecot_version > "2.4" else str(file))
        )
        one.reload()
        done = fix.json(code, "alice", "--pid", str(one.master_pid), "--apply", status=0)
        assert done["state"] == "applied", done
        assert stat.S_IMODE(victim.stat().st_mode) == 0o604
        assert stat.S_IMODE(file.stat().st_mode) == (0o640)


def test_undo_gives_no_other_file_back(lab: Labs, tmp_path: Path) -> None:
    """Whoever owns the folder puts a link in the file's place: what it names stays root's."""
    file, secret = tmp_path / "passwd", tmp_path / "shadow"
    file.write_text("")
    os.chown(file, 1234, 1234)
    secret.write_text("")
    secret.chmod(0o600)
    with lab(None, "passwd-file", {"alice": GOOD}) as one:
        dovecot = at_pid(one.master_pid, None)
        [mode] = takeback.modes_of(("chgrp", "--", "0", str(file)), dovecot)
        file.unlink()
        for replaced in (file.symlink_to, file.hardlink_to):
            replaced(secret)
            [step] = takeback.take_back(_journal(mode), dovecot)
            assert not step.ok
            assert (secret.stat().st_uid, stat.S_IMODE(secret.stat().st_mode)) == (0, 0o600)
            file.unlink()


def _journal(mode: ModeEntry) -> Journal:
    return Journal("x", "CONF013", "", "imap", None, None, FixState.APPLIED, modes=(mode,))


def _userdb(one: Lab, folder: str) -> None:
    """A userdb whose answer has this mail folder."""
    text = one.config.read_text()
    if one.dialect == "2.3":
        text += f"mail_location = maildir:{folder}\n"
    else:
        text += f'mail_driver = maildir\nmail_path = "{folder}"\n'
    one.config.write_text(text)
    one.reload()


def every_place() -> list[tuple[str, remedies.Part]]:
    """Each setting and each block that a remedy may have."""
    settings = [(name, Setting(name, "VALUE")) for name in remedies.VALUES]
    return settings + [(kind, Block(kind, "VALUE", ())) for kind in remedies.BLOCKS]


def _with(part: remedies.Part, value: str) -> remedies.Part:
    return Setting(part.name, value) if isinstance(part, Setting) else Block(part.kind, value, part.inside)


EVIL = (
    *HOSTILE,
    *(f"x{one}" for one in HOSTILE),
    *LEADING,
    "a\tb",
    "a\nb",
    "a\u202eb",
    "a#b",
    "<a",
    "$a",
    "a{b",
)


def test_no_place_of_a_configuration_takes_hostile_text() -> None:
    for (_, part), evil in product(every_place(), EVIL):
        made = remedies.remedy(
            "Do.", config=remedies.both(_with(part, evil)), file="/etc/dovecot/dovecot.conf"
        )
        assert not made.config, (part, evil[:80])
        assert "By hand" in made.summary
        assert len(made.summary) < 300


def test_no_command_takes_hostile_words() -> None:
    """None that has more words, no option among the operands, nothing that is not seen."""
    good = (
        ("doveadm", "auth", "cache", "flush", "--", "alice"),
        ("chmod", "--", "g+r", "/srv/a"),
        ("chgrp", "--", "dovecot", "/srv/a"),
        ("chown", "-R", "--", "5000:5000", "/srv/mail/a"),
        ("install", "-d", "-m", "0700", "-o", "5000", "-g", "5000", "--", "/srv/mail/a"),
        ("mkdir", "-p", "--", "/var/log/dovecot"),
        ("sysctl", "-w", "--", "net.ipv4.ip_forward=1"),
    )
    for command in good:
        assert remedies.remedy("Do.", commands=(command,)).commands == (command,)
        assert remedies.unfit((*command, "/etc"))
        for at, evil in product(range(len(command)), EVIL):
            changed = (*command[:at], evil, *command[at + 1 :])
            taken = remedies.remedy("Do.", commands=(changed,)).commands
            name = command[0] == "doveadm" and at == len(command) - 1
            assert not taken or name, changed
            if taken:  # a user's name may be odd, but for what is not seen; it is behind the "--"
                assert evil.isprintable()


def test_rules_make_remedies_in_one_place() -> None:
    """Text, commands and edits go through mailauth/remedies.py, which knows what may stand where."""
    for path in (Path(mailauth.__file__).parent / "rules").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Remedy":
                named = {one.arg for one in node.keywords}
                assert not named & {"config", "commands", "edits"}, f"{path}:{node.lineno}"
                assert len(node.args) <= 1, f"{path}:{node.lineno}"


def test_a_file_that_is_a_pipe(tmp_path: Path) -> None:
    """In another root whoever owns it can put one in the place of a file of Dovecot's."""
    os.mkfifo(tmp_path / "dovecot.conf")
    with in_time(), pytest.raises(CannotObserve, match="no regular file"):
        plan.read(Installation(), str(tmp_path / "dovecot.conf"))
