"""Commands of other programs that findings, remedies and documents print: the real program takes them so.

What is run changes nothing of this machine, or a throw-away folder only.  Where a program wants a server or
an account that is not here, it has to say that, and not that it does not know the option.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from mailauth.errors import CannotObserve
from mailauth.lab import builds
from mailauth.lab.postfix import find as find_postfix
from tests.cli.running import ROOT
from tests.conftest import missing

# A program, and what it begins with where it is a command and no word of a sentence.
_BEGINS = {
    "chage": "-[A-Zl]",
    "chgrp": "--",
    "chmod": "--",
    "chown": "-R --",
    "doveadm": "(?:auth|log|penalty|kick|who|user|pw|stop|reload)\\b",
    "doveconf": "-",
    "dovecot": "--build",
    "getent": "passwd|ahosts",
    "install": "-d",
    "journalctl": "-",
    "ldapmodify": "-",
    "ldapwhoami": "-",
    "ls": "-",
    "mkdir": "-",
    "nft": "list",
    "openssl": "s_client",
    "passwd": "-[lu]",
    "postconf": "-",
    "ss": "-",
    "sysctl": "-",
    "systemctl": "start|status",
}
# How each is run: the words as they are printed, in a folder with a file f.
_RUN = {
    "chage": ("chage -E -1 USER", "chage -M -1 -I -1 USER", "chage -l USER"),
    "chgrp": ("chgrp -- root f",),
    "chmod": (
        "chmod -- 0750 f",
        "chmod -- a+x f",
        "chmod -- g+x f",
        "chmod -- g+r,o-rwx f",
        "chmod -- o-rwx f",
    ),
    "chown": ("chown -R -- 0:0 f",),
    "doveadm": (
        "doveadm auth cache flush -- USER",
        "doveadm auth test -x service=imap USER secret",
        "doveadm auth login USER secret",
        "doveadm auth lookup USER",
        "doveadm log errors",
        "doveadm log find",
        "doveadm log reopen",
        "doveadm penalty",
        "doveadm kick USER",
        "doveadm who",
        "doveadm user USER",
        "doveadm pw -l",
        "doveadm pw -s SHA256-CRYPT -r 5000 -p secret",
        "doveadm pw -t {PLAIN}secret -p secret",
        "doveadm stop",
        "doveadm reload",
    ),
    "doveconf": ("doveconf -n", "doveconf -a", "doveconf -n -P", "doveconf -a -P"),
    "dovecot": ("dovecot --build-options",),
    "getent": ("getent passwd root", "getent ahosts localhost"),
    "install": ("install -d -m 0700 -o 0 -g 0 -- made",),
    "journalctl": ("journalctl -k", "journalctl -t dovecot", "journalctl -u dovecot -o json"),
    "ldapmodify": (
        "ldapmodify -D cn=admin,dc=example,dc=org -W -c -f f",
        "ldapmodify -Q -Y EXTERNAL -H ldapi:///",
    ),
    "ldapwhoami": ("ldapwhoami -x -H ldap://127.0.0.1:1 -D cn=admin -W",),
    "ls": ("ls -l f",),
    "mkdir": ("mkdir -p -- one/two",),
    "nft": ("nft list ruleset",),
    "openssl": ("openssl s_client -cert f -connect 127.0.0.1:1",),
    "passwd": ("passwd -u USER", "passwd -l USER"),
    "postconf": ("postconf -c /etc/postfix",),
    "ss": ("ss -ltn",),
    "sysctl": ("sysctl -w -- x.y=1",),
    "systemctl": ("systemctl start dovecot.nosuch", "systemctl status dovecot.nosuch"),
}
_NOT_RUN = {("doveconf", "-F")}  # what mailauth itself asks of 2.4, and never prints
_UNKNOWN = re.compile(
    r"(?i)invalid option|unrecognized option|unknown option|unknown command|illegal option|^usage:",
    re.MULTILINE,
)


def _texts() -> Iterator[str]:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        if path.name not in {"CHANGELOG.md", "CONTRIBUTING.md", "confusion-matrix.md"}:
            yield path.read_text()
    for path in (ROOT / "mailauth").rglob("*.py"):
        for one in ast.walk(ast.parse(path.read_text())):
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.value
            elif isinstance(one, ast.Tuple):  # the words of a remedy's command
                yield " ".join(
                    str(part.value) if isinstance(part, ast.Constant) else "{}" for part in one.elts
                )


def _options() -> set[tuple[str, str]]:
    """Each program that is printed as a command, with each of its options and the word that follows it."""
    found: set[tuple[str, str]] = set()
    programs = "|".join(f"{name} (?:{begins})" for name, begins in _BEGINS.items())
    for text in _texts():
        for at in re.finditer(rf"(?<![\w./`-])`{{0,2}}({programs})([^`\n.;,|)\"]*)", text):
            name, *words = f"{at[1]}{at[2]}".split()
            first = words[:1] if re.fullmatch("[a-z_]+", words[0]) else []
            options = [one for one in words if re.fullmatch(r"--?[A-Za-z]+|--", one)]
            found |= {(name, one) for one in (*first, *options)}
    return found


def test_each_that_is_printed_is_run() -> None:
    run = {(name, word) for name, lines in _RUN.items() for line in lines for word in line.split()[1:]}
    assert _options() - run - _NOT_RUN == set()


@pytest.mark.parametrize("name", _RUN)
def test_the_program_takes_it(name: str, tmp_path: Path) -> None:
    entered: list[str] = []
    if name == "postconf":
        entered = _entered()
    elif which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
        missing(f"{name} is not installed")
    (tmp_path / "f").write_text("")
    for line in _RUN[name]:
        # doveadm stop and the like reach nobody: an empty configuration, whose base_dir is the folder.
        words = line.replace("USER", "mailauth-nosuch").split()
        if name in ("doveadm", "doveconf"):
            words[1:1] = ["-c", str(_nobodys(tmp_path))]
        done = subprocess.run(
            [*entered, *words], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120,
            input="", start_new_session=True,  # no terminal to ask for a password at
        )  # fmt: skip
        assert not _UNKNOWN.search(done.stdout + done.stderr), done


def _entered() -> list[str]:
    """What leads to the Postfix that a lab has, which is not installed on this machine."""
    installed = builds.installed()
    try:
        build = find_postfix(installed) if installed else None
    except CannotObserve as why:
        missing(str(why))
    return ["chroot", str(build.root)] if build and build.root else []


def _nobodys(folder: Path) -> Path:
    """A configuration of a Dovecot that does not run."""
    path = folder / "dovecot.conf"
    version = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, check=False).stdout
    number = version.split()[0]
    head = (
        ""
        if number.startswith("2.3")
        else f"dovecot_config_version = {number}\ndovecot_storage_version = {number}\n"
    )
    path.write_text(f"{head}base_dir = {folder}/run\nlog_path = {folder}/log\n")
    (folder / "run").mkdir(exist_ok=True)
    (folder / "log").touch()
    return path
