"""Each command that the documents and the help print is typed as it is printed, on a server of its own.

What stands for something of the reader's (USER, ID) is put in by ``STAND_INS``; what cannot be typed
here is in ``ELSEWHERE``, each with its reason.
"""

import ast
import csv
import os
import re
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mailauth.cli.main import cli
from mailauth.cli.manual import contexts
from mailauth.lab import Lab
from mailauth.rules import RULES
from tests.cli.running import ROOT
from tests.conftest import missing
from tests.docs.stage import Stage, stage
from tests.proofs.story import MiB, argon2id

SECRET = "correct horse"
_SKIPPED = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "releasing.md",
    "rules.md",
    "decisions",
}  # not for administrators
_PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if not _SKIPPED.intersection((page.name, page.parent.name))
)
_BLOCK = re.compile(
    r"^ {4,}(?:\$ )?((?:sudo |[A-Z_]+=\S+ |[a-z]+ [^|`\n]*\| )*mailauth(?: .+)?)$", re.MULTILINE
)
_INLINE = re.compile(r"`((?:sudo )?mailauth [^`]+)`")
# What is after a command: a comment, or, in a list of commands, what it does.
_SAID = re.compile(r"(?<!<)\s+#\s.*|\s{3,}\S.*|\s{2,}(?=[a-z ]+, ).*")

_LAST = "$(mailauth migrate status | grep -o '[0-9]\\{8\\}-[0-9]\\{6\\}' | tail -n 1)"
_LAST_OF_THE_PASSDB = _LAST.replace("status |", "status | grep -v mail.sqlite |")
STAND_INS = {
    r"\bUSER\b": "alice",
    r"^(?=(?:sudo )?mailauth report)": "rm -f mailauth-report.html; ",  # it overwrites nothing
    r"\bCODE\\\|WORDS\b|\bCODE\b": "MEM001",
    r"\bCOMMAND\b": "diagnose",
    r"\[alice\]": "alice",
    r"/path/dovecot\.conf": "/etc/dovecot/dovecot.conf",
    r"/var/lib/\.\.\./": "/var/lib/node_exporter/",
    r"/var/log/dovecot\.log": "$(doveconf -h log_path)",
    r"'\{ARGON2ID\}\.\.\.'|'\{ARGON2ID\}\$argon2id\$v=16.*\.\.\.'": "'" + argon2id(memory=MiB) + "'",
    r"(?<=migrate undo )ID(?! --)": _LAST_OF_THE_PASSDB,
    r"\b2026\d{4}-\d{6}\b(?!-)|\bID\b": _LAST,
    r"--pid PID": "--pid $(cat $(doveconf -h base_dir)/master.pid)",
    r"/root/admin": "admin",
    r"--log FILE": "--log $(doveconf -h log_path)",
    r"--log -$": "--log - <$(doveconf -h log_path)",
    r"hash show -$": "hash show - <stored",
    r"\bFILE\b": "key.$RANDOM",
    r"\bVERSION\b": "2.4.1",
    r"\bADDRESS\b": "127.0.0.1",
    r"\bCONTAINER\b": "mail",
    r"sqlite:///var/lib/mail\.sqlite": "sqlite://$PWD/mail.sqlite",
    r"\b20261123-161530-MEM001\b": "$(ls /var/lib/mailauth/fix | grep -- -MEM001)",
    r"\bMAILAUTH_CACHE=\S+ ": "",
}
# What runs until it is interrupted, or longer than a test should: Ctrl-C after so many seconds.
UNTIL = {
    r"check serve|on-login serve|lab run": 1.5,
    r"--watch|load .*--lab|memory bench|load --users .*--duration 60": 3.0,
}
# What needs another server than the one of this file: tests/field/test_printed.py.
CONTAINER, DIRECTORY = r"--container\b", r"--bind-dn|--(?:to-)?passdb 2"
ELSEWHERE = {
    CONTAINER: "a container",
    DIRECTORY: "a directory",
    r"--try-huge-pages": "it sets the machine's huge pages for seconds: tests/memory/test_huge_pages.py",
    r"\|(?:verify|apply|fit|undo)": "a name of several commands, each in a row of its own",
    r"fix --(?:apply|undo)$|convert --from$|--(?:origin|rehash|memory)$|load --json$": "an option",
    r"\{\}": "what is put in is of a run: the proofs paste what was printed",
    r"mailauth (?:migrate (?:import|on-login)|lab run)$": "the name of a command",
}


def commands(text: str) -> Iterator[str]:
    text = re.sub(r"<!-- demo -->.*?<!-- /demo -->", "", text, flags=re.DOTALL)
    for found in _BLOCK.finditer(text):
        yield _SAID.sub("", found[1]).strip()
    for found in _INLINE.finditer(text):
        line = " ".join(found[1].split())
        if " " in line.removeprefix("sudo ").removeprefix("mailauth "):  # else the name of a command
            yield line


def typed(line: str) -> str:
    for pattern, instead in STAND_INS.items():
        line = re.sub(pattern, instead.replace("\\", r"\\"), line)
    return f"fish -c {shlex.quote(line)}" if line.endswith("| source") else line


def elsewhere(line: str) -> str:
    return next((why for pattern, why in ELSEWHERE.items() if re.search(pattern, line)), "")


def until(line: str) -> float:
    return next((seconds for pattern, seconds in UNTIL.items() if re.search(pattern, line)), 0.0)


def texts() -> dict[str, list[str]]:
    """The lines of each document; of the help, the rules and all messages those that stand in a sentence."""
    found = {str(page.relative_to(ROOT)): list(commands(page.read_text())) for page in _PAGES}
    prose = [ctx.command.help or "" for ctx in contexts()] + [rule.explanation for rule in RULES]
    prose += [text for path in sorted((ROOT / "mailauth").rglob("*.py")) for text in constants(path)]
    found["sentences"] = [one for text in prose for one in in_sentences(text)]
    seen: set[str] = set()
    for name, lines in found.items():
        # Once is enough, except of what is done in turn on a page: a plan, the apply, the undo.
        found[name] = [one for one in dict.fromkeys(lines) if "migrate" in one or one not in seen]
        seen.update(lines)
    return {name: lines for name, lines in found.items() if lines}


def constants(path: Path) -> Iterator[str]:
    """The strings of a module, without its docstrings; ``{}`` for what is put in."""
    tree = ast.parse(path.read_text())
    docs = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    for one in ast.walk(tree):
        if isinstance(one, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in one.values)
        elif isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in docs:
            yield one.value


def in_sentences(text: str) -> Iterator[str]:
    """``mailauth``, the names of a command, and the options, names in capitals and numbers behind them."""
    text = " ".join(text.split())
    for found in re.finditer(
        r"(?<![`\w/])(?:sudo )?mailauth ((?:[a-z-]+ )*[a-z-]+)\b( (?:[^.;,()]|\.(?=\d))*)?", text
    ):
        rest = f"{found[1]}{found[2] or ''}".split()
        names, command = _named(cli, rest)
        rest = rest[len(names) :]
        if not names or isinstance(command, click.Group):
            continue
        words: list[str] = []
        for word in rest:
            if not re.fullmatch(r"--?[a-z].*|[A-Z][A-Z0-9:]+|-|[0-9.]+", word) and not _takes(command, words):
                break
            words.append(word)
        if words:  # else the name of a command
            yield " ".join(("mailauth", *names, *words))


def _named(command: click.Command, words: list[str]) -> tuple[list[str], click.Command]:
    """The names of a command that some words begin with, and the command."""
    names: list[str] = []
    while isinstance(command, click.Group) and len(names) < len(words):
        below = command.get_command(_CONTEXT, words[len(names)])
        if below is None:
            break
        command = below
        names.append(str(below.name))
    return names, command


def _takes(command: click.Command, words: list[str]) -> bool:
    """Whether the last word is an option with a value."""
    options = {name: one for one in command.params if isinstance(one, click.Option) for name in one.opts}
    return bool(words) and words[-1] in options and not options[words[-1]].is_flag


_LIMIT = "service auth-worker {\n  vsz_limit = 96M\n}\n"
_CONTEXT = click.Context(cli)
TEXTS = texts()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    if os.geteuid() != 0:
        missing("only root has namespaces with a Dovecot of their own")
    with Lab(None, "sqlite", _users(), _LIMIT, protocols=("imap", "pop3")) as lab:
        folder = furnished(tmp_path_factory.mktemp("stage"))
        with stage(lab, folder, SECRET) as one:
            for line in (  # what some lines name
                "mailauth load --users users.csv --rate 5 --duration 2 --json > load.json",
                "mailauth migrate apply --prefix --apply",
            ):
                made = one.type(line)
                assert made.status in (0, 1), made
            yield one


def _users() -> dict[str, str | None]:
    """Alice's hash does not fit into the memory of the process that verifies it: MEM001."""
    good = argon2id(SECRET.encode(), memory=MiB)
    return {
        "alice": argon2id(SECRET.encode(), memory=96 * MiB),
        "alice@example.org": good,
        "canary@example.org": good,
        "bob": good.removeprefix("{ARGON2ID}"),
    }


def furnished(folder: Path) -> Path:
    """The files that the lines name."""
    folder.chmod(0o755)
    (folder / "etc").mkdir()
    rows = "".join(f"{user}:{stored}\n" for user, stored in _users().items() if user != "bob")
    files = {
        "etc/users": rows,
        "etc/canary": f"user = canary@example.org\npassword = {SECRET}\n",
        "users.txt": rows,
        "limits.conf": "",
        "my.conf": "",
        "admin": SECRET,
        "stored": f"{_users()['alice']}\n",
        "in.ldif": "dn: uid=alice,dc=example,dc=org\nuserPassword: {MD5}$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    connected = sqlite3.connect(folder / "mail.sqlite")
    connected.execute("CREATE TABLE users (userid TEXT PRIMARY KEY, password TEXT)")
    connected.close()
    for name in ("users.csv", "LIST.csv", "known.csv"):
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows([("user", "password"), *((user, SECRET) for user in _users())])
        (folder / name).chmod(0o600)
    return folder


@pytest.mark.parametrize("name", TEXTS)
def test_every_line_runs_as_printed(server: Stage, name: str) -> None:
    done = [server.type(typed(line), until(line)) for line in TEXTS[name] if not elsewhere(line)]
    wrong = [one.wrong for one in done if one.wrong]
    assert not wrong, "\n\n".join(wrong)


def test_each_exception_is_of_something_printed() -> None:
    lines = [line for found in TEXTS.values() for line in found]
    for pattern in (*ELSEWHERE, *UNTIL):
        assert any(re.search(pattern, line) for line in lines), pattern
