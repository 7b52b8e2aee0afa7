"""Manual pages and shell completion: what mandoc, groff, bash, zsh and fish make of them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from mailauth.cli.commands import COMMANDS
from mailauth.cli.manual import COMPLETIONS, contexts, write
from tests.cli.running import ROOT

PAGES = len(list(contexts()))
NAMES = [name for name, _, _ in COMMANDS]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all of it is installed."""
    folder = tmp_path_factory.mktemp("prefix")
    write(folder, "1.2.3")
    return folder


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment},
    )


def test_every_command_has_a_page(prefix: Path) -> None:
    found = {path.stem for path in (prefix / "share/man/man1").iterdir()}
    assert len(found) == PAGES
    assert {"mailauth", *(f"mailauth-{name}" for name in NAMES)} <= found
    assert "mailauth-migrate-on-login-enable" in found


def test_mandoc_and_groff_have_no_complaint(prefix: Path) -> None:
    pages = sorted(map(str, (prefix / "share/man/man1").iterdir()))
    lint = run("mandoc", "-T", "lint", "-W", "warning", *pages)
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")
    for page in pages:
        groff = run("groff", "-man", "-ww", "-z", "-K", "utf8", page)
        assert (groff.returncode, groff.stderr) == (0, "")


def test_a_page_reads_like_the_help(prefix: Path) -> None:
    page = run(
        "man", "--no-hyphenation", "-l", str(prefix / "share/man/man1/mailauth-memory-fit.1"), MANWIDTH="100"
    ).stdout
    shown = re.sub(r"\s+", " ", page)
    for text in (
        "mailauth-memory-fit - check whether the hashes in the store fit into the processes that verify them",
        "mailauth memory fit [OPTIONS] [HASH]",
        "-c, --config FILE Dovecot's configuration file. [doveconf's default]",
        "--driver [passwd-file|pgsql|",
        "Exit status: 0 all fits",
        "-h, --help",
        "mailauth-memory(1)",
    ):
        assert text in shown


def test_whatis_knows_every_page(prefix: Path) -> None:
    """What apropos reads: the line under NAME."""
    pages = sorted((prefix / "share/man/man1").iterdir())
    for page in pages:
        told = run("lexgrog", str(page))
        assert told.returncode == 0, told.stdout + told.stderr
        assert f'"{page.stem} - ' in told.stdout


def shell_that_read(setup: str, command: str, *arguments: str) -> "pexpect.spawn[str]":
    """A shell at a terminal."""
    shell = pexpect.spawn(
        command,
        list(arguments),
        encoding="utf-8",
        timeout=120,
        dimensions=(50, 200),
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "TERM": "dumb",
            "HOME": "/nonexistent",
            "PS1": "READY ",
        },
        cwd=str(ROOT),
    )
    shell.expect_exact("READY ")
    shell.sendline(setup)
    shell.expect_exact("READY ")
    return shell


LINES = [
    ("mailauth dia", "gnose"),
    ("mailauth report --anon", "ymous"),
    ("mailauth memory fit --driver pass", "wd-file"),
    ("mailauth migrate on-login dis", "able"),
]


def test_bash_completes(prefix: Path) -> None:
    completes(shell_that_read(f"source {prefix / COMPLETIONS['bash']}", "bash", "--norc", "--noprofile"))


def test_zsh_completes(prefix: Path) -> None:
    """As zsh finds it: a function in a folder of its fpath."""
    folder = (prefix / COMPLETIONS["zsh"]).parent
    completes(shell_that_read(f"fpath=({folder} $fpath); autoload -Uz compinit; compinit -D -u", "zsh", "-f"))


def completes(shell: "pexpect.spawn[str]") -> None:
    for line, rest in LINES:
        shell.send(f"{line}\t")
        shell.expect_exact(f"{line}{rest}")
        shell.sendcontrol("u")
    shell.close()


def test_fish_completes(prefix: Path, tmp_path: Path) -> None:
    script = prefix / COMPLETIONS["fish"]
    asks = "; ".join(f"complete -C '{line}'" for line, _ in LINES)
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = run("fish", "--no-config", "-c", f"source {script}; {asks}", PATH=path, HOME=str(tmp_path))
    assert done.stderr == ""
    found = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert found == ["diagnose", "--anonymous", "passwd-file", "disable"]
    assert "Find out why a login fails" in done.stdout


def test_while_a_shell_waits_no_command_is_imported() -> None:
    """The names come from the table; the 0.3 s of the commands' imports are not paid."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mailauth"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"_MAILAUTH_COMPLETE": "bash_complete", "COMP_WORDS": "mailauth ", "COMP_CWORD": "1"},
    )
    assert [line.split(",")[1] for line in done.stdout.splitlines()] == NAMES
    own = set(re.findall(r"\| +(mailauth\.[\w.]+)", done.stderr))
    own -= {"mailauth.cli.streams", "mailauth.visible"}  # the filter of all that is printed
    own -= {"mailauth.errors", "mailauth.oserrors", "mailauth.later"}  # small, and imported by these
    own -= {"mailauth.cli.homes"}  # before any library may read a home
    assert own == {"mailauth.cli", "mailauth.cli.commands", "mailauth.cli.main"}
