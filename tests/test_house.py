"""The rules of the house that a program can check."""

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

import click
import pytest

from mailauth import rules
from mailauth.check.checks import CHECKS
from mailauth.cli.manual import contexts
from mailauth.cli.shared.command import Command
from mailauth.cli.shared.request import AskingCommand, declared
from mailauth.dovecot.authconfig import SQL_DRIVERS
from mailauth.dovecot.version import DIALECTS
from mailauth.finding import Rule
from mailauth.probes.table import PROBES
from mailauth.rules import RULES
from mailauth.stores.databases import DATABASES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mailauth"
MODULES = sorted(PACKAGE.rglob("*.py"))
RULE_FILES = sorted(p for p in (PACKAGE / "rules").glob("*.py") if re.match(r"[a-z]+\d{3}_", p.name))
TOP = frozenset(
    {".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"}
    | {"bench", "bin", "docs", "mailauth", "mkdocs.yml", "notebooks", "pyproject.toml", "tests"}
)
NOT_OURS = frozenset({".git", "PKG-INFO"})  # git's own, and what an sdist has beside the tree
HEADINGS = ["What you see", "Why", "How we know", "What to do"]
RETIRED: frozenset[str] = frozenset()  # codes that were used once; they never come back


def _at_the_top() -> set[str]:
    """What is committed; without git, as in an sdist or another Debian's root, what is not ignored."""
    with suppress(OSError, subprocess.CalledProcessError):
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        if listed:
            return {os.fsdecode(name.partition(b"/")[0]) for name in listed.split(b"\0") if name}
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split()]
    names = {path.name for path in ROOT.iterdir()} - NOT_OURS
    return {name for name in names if not any(fnmatch(name, one) for one in ignored)}


def test_no_stray_file_is_at_the_top_of_the_repository() -> None:
    """A command that was tried there left its report, and it was committed: what belongs there is listed."""
    assert _at_the_top() == TOP


def test_every_rule_file_is_in_the_table_and_the_table_has_no_other() -> None:
    listed = {rule.check.__module__.rpartition(".")[2] for rule in RULES}
    assert listed == {path.stem for path in RULE_FILES}


def test_a_file_is_named_after_its_code() -> None:
    for rule in RULES:
        assert rule.check.__module__.rpartition(".")[2].startswith(rule.code.lower() + "_")


def test_codes_are_used_once_and_never_again() -> None:
    codes = [rule.code for rule in RULES]
    assert len(codes) == len(set(codes))
    assert not RETIRED & set(codes)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_explanation_has_its_headings(rule: Rule) -> None:
    found = [line for line in rule.explanation.splitlines() if line in HEADINGS]
    assert found == HEADINGS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_has_a_proof(rule: Rule) -> None:
    folders = (ROOT / "tests" / "proofs", ROOT / "tests" / "field")
    proofs = "".join(path.read_text() for folder in folders for path in folder.glob("test_*.py"))
    assert f'"{rule.code}"' in proofs


def test_a_remedy_that_is_text_is_there_for_every_dialect() -> None:
    for path in RULE_FILES:
        for config in re.findall(r"config=\{([^}]*)\}", path.read_text()):
            assert all(f'"{dialect}"' in config for dialect in DIALECTS), path.name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_no_test_and_no_benchmark_is_longer_than_400_lines() -> None:
    """A file of tests is split by its subject; what two then need is a helper beside them."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for folder in ("tests", "bench", "bin")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert not {name: lines for name, lines in lengths.items() if lines > 400}


def test_there_is_no_utils() -> None:
    assert not [path for path in MODULES if path.stem in {"utils", "util", "helpers", "common", "misc"}]


def test_only_the_command_line_prints() -> None:
    """print, click.echo, input and sys.exit are the command line's."""
    for path in MODULES:
        where = path.relative_to(PACKAGE).parts
        if where[0] in {"cli", "__main__.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in {"print", "input", "sys.exit", "click.echo"}, f"{path}:{node.lineno}"


def test_every_suppression_has_a_code() -> None:
    for path in [*MODULES, *(ROOT / "tests").rglob("*.py")]:
        for line in path.read_text().splitlines():
            assert not re.search(r"#\s*noqa(?!:)", line), path
            assert not re.search(r"#\s*type:\s*ignore(?!\[)", line), path


def test_every_probe_is_of_use() -> None:
    """What no rule needs or asks for is not looked at."""
    needed = {kind for rule in RULES for kind in (*rule.needs, *rule.also)}
    looked_at = {one.kind for one in PROBES}
    assert len(looked_at) == len(PROBES)
    assert not looked_at - needed


def test_a_driver_of_a_database_is_in_its_file_and_in_no_other_list() -> None:
    """A new one is a file of stores/ and a word in authconfig.SQL_DRIVERS."""
    assert [one.name for one in DATABASES.values()] == list(SQL_DRIVERS)
    named = {f'"{name}"' for name in SQL_DRIVERS}
    for path in (PACKAGE / "stores").glob("*.py"):
        if not path.stem.startswith(SQL_DRIVERS):
            assert not [name for name in named if name in path.read_text()], path.name


def test_a_check_that_a_rule_names_is_there() -> None:
    assert {one.watch for one in RULES} - {""} <= {name for name, _ in CHECKS}


def test_the_table_is_a_tuple_of_rules() -> None:
    assert isinstance(rules.RULES, tuple)


def _imports(path: Path, modules: set[str]) -> set[str]:
    """The modules of ours that a module imports, also where it does so late; not what only types need."""
    tree = ast.parse(path.read_text())
    of_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in of_types:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & modules or {node.module} & modules
    return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in MODULES}
    graph = {name: _imports(path, set(names)) - {name} for name, path in names.items()}
    while leaves := {name for name, below in graph.items() if not below & graph.keys()}:
        graph = {name: below for name, below in graph.items() if name not in leaves}
    assert set(graph) == set()


# Names of steps that were made, and what concerns no server.
_LABELS = {"fix/apply.py", "fix/reload.py", "fix/takeback.py", "render/fix.py", "cli/demo_run.py"}
_COMMAND = re.compile(
    r"doveadm (?:reload|stop|log (?:errors|find|reopen)|auth cache flush|kick|who|penalty|user)\b"
)


def test_commands_of_doveadm_are_written_in_one_place() -> None:
    """dovecot/typed.py knows which Dovecot is meant; it puts that into a rule's sentences, too."""
    found = set()
    for path in MODULES:
        tree = ast.parse(path.read_text())
        docstrings = {
            id(node.body[0].value)  # type: ignore[attr-defined]
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
            and isinstance(next(iter(node.body), None), ast.Expr)
        }
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and id(node) not in docstrings else ""
            if isinstance(text, str) and _COMMAND.search(text):
                found.add(str(path.relative_to(PACKAGE)))
    assert {one for one in found if not one.startswith(("rules/", "lab/"))} <= _LABELS


COMMANDS = [ctx for ctx in contexts() if isinstance(ctx.command, Command)]


@pytest.mark.parametrize("ctx", COMMANDS, ids=lambda ctx: str(ctx.command_path))
def test_a_command_does_what_its_options_say(ctx: click.Context) -> None:
    """The function that runs it takes each of its options, and nothing else: no type checker sees the two."""
    asked = ctx.command.callback
    assert asked is not None
    module = importlib.import_module(f"{asked.__module__}_run")
    work = getattr(module, asked.__name__)
    if isinstance(ctx.command, AskingCommand):
        names = {one.name for one in declared(ctx.command.record)}
        nodes = ast.walk(ast.parse(inspect.getsource(module)))
        read = {one.attr for one in nodes if isinstance(one, ast.Attribute)}
        assert names == {one.name for one in ctx.command.params if one.expose_value}
        assert names <= read, "options that nothing reads"
        return
    taken = inspect.signature(work).parameters
    named = {one.name for one in taken.values() if one.kind is not inspect.Parameter.VAR_KEYWORD}
    options = {one.name for one in ctx.command.params if one.expose_value}
    assert not named - options
    assert named == options or len(named) < len(taken), options - named


def test_the_options_of_commands_import_nothing_slow() -> None:
    """A shell completes from them, and --help prints them; mailauth lab is left out: it lists its stores."""
    names = sorted({str(getattr(ctx.command.callback, "__module__", "")) for ctx in COMMANDS})
    code = f"import sys, {', '.join(names)}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    slow = ("mailauth.hashes", "mailauth.probes", "mailauth.rules", "mailauth.diagnosing", "mailauth.stores")
    assert not [name for name in done.stdout.split() if name.startswith((*slow, "msgspec", "psutil", "rich"))]


def test_late_imports_are_few_and_each_says_why() -> None:
    """Commands are imported by cli/shared/command.py, libraries by later.py: what is left is an exception."""
    folders = (PACKAGE, ROOT / "tests", ROOT / "bench", ROOT / "bin")
    lines = [
        line
        for folder in folders
        for path in folder.rglob("*.py")
        if path != Path(__file__)
        for line in path.read_text().splitlines()
        if "PLC0415" in line
    ]
    assert len(lines) < 30
    assert not [line for line in lines if not re.search(r"PLC0415 - \w", line)]


_TOLD = {
    "reason",
    "reasons",
    "detail",
    "says",
    "problem",
    "notes",
    "error",
    "steps",
}  # a record's, for a reader
_LOOKS = {"startswith", "endswith", "find", "search", "match", "fullmatch"}


def _looked_at(node: ast.AST) -> bool:
    """Whether a text for a reader is searched, by its own method or by a pattern's."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    texts = [one for one in (node.func.value, *node.args) if isinstance(one, ast.Attribute)]
    return node.func.attr in _LOOKS and any(one.attr in _TOLD for one in texts)


def test_no_decision_is_taken_by_words() -> None:
    """Not by a rule's code outside the rules, and not by the text of a reason: by what they carry as data."""
    code = re.compile(r"[A-Z]{3,6}\d{3}")
    found = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if _looked_at(node) and path.parent.name != "render":  # where it ends with a full stop, or not
                found.append(f"{path}:{ast.unparse(node)}")
            if not isinstance(node, ast.Compare):
                continue
            sides = [node.left, *node.comparators]
            inner = [one for side in sides for one in ast.walk(side)]
            codes = [
                one.value for one in inner if isinstance(one, ast.Constant) and isinstance(one.value, str)
            ]
            if any(code.fullmatch(one) for one in codes) and path.parent.name != "rules":
                found.append(f"{path}:{node.lineno}")
            if isinstance(node.ops[0], ast.In) and ast.unparse(sides[-1]).endswith(".reason"):
                found.append(f"{path}:{node.lineno}")
            told = [one for one in sides if isinstance(one, ast.Attribute) and one.attr in _TOLD]
            if told and any(codes):
                found.append(f"{path}:{node.lineno}")
    assert not found


# Where a library, or Dovecot, has nothing but its text for a kind of error: one table each, with its source.
_BY_TEXT = {"stores/sqlite_client.py": "told_apart"}


def _looks_at_text(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return isinstance(node.ops[0], ast.In | ast.NotIn)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LOOKS


def test_no_decision_is_taken_by_an_exceptions_text() -> None:
    """By its class, its code or a field: texts are worded anew, translated, and hold what strangers wrote."""
    found = {}
    for path in MODULES:
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            nodes = list(ast.walk(function))
            errors = {one.name for one in nodes if isinstance(one, ast.ExceptHandler) and one.name}
            errors |= {
                one.arg
                for one in (*function.args.args, *function.args.kwonlyargs)
                if one.annotation and re.search(r"(Error|Exception|Refus\w+)\b", ast.unparse(one.annotation))
            }
            named = "|".join(errors)
            text = re.compile(rf"\bstr\(({named})\)|\b({named})\.(says|reason)\b")
            if errors and any(text.search(ast.unparse(one)) for one in nodes if _looks_at_text(one)):
                found[str(path.relative_to(PACKAGE))] = function.name
    assert found == _BY_TEXT


def test_no_file_of_another_root_is_opened_by_its_name() -> None:
    """Whoever owns that root exchanges it for a link, a pipe or a device in between: inroot opens it."""
    by_name = re.compile(r"\.path\(.*\)\s*\.(?:read_text|read_bytes|open)\(")
    found = [str(path) for path in MODULES if by_name.search(path.read_text())]
    assert not found


def test_numbers_of_others_are_read_in_one_place() -> None:
    """Of str: to it "\u00b2" is a digit, and int() then a traceback.  Bytes have ASCII's only."""
    of_bytes = {"logs.py", "keeper.py", "dovecot.py"}
    names = {"isdigit", "isdecimal", "isnumeric"}
    found = [
        path.name
        for path in MODULES
        if path.name not in of_bytes and "hashes" not in path.parts and path.name != "digits.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) != "str"
    ]
    assert not found


def test_a_pattern_takes_no_other_scripts_digits() -> None:
    """Of str: there \\d is every script's digit, and int() takes them all for numbers."""
    slash_d = re.compile(r"(?<!\\)(?:\\\\)*\\d")
    of_psql = {"user001_unknown_user.py"}  # its command \\d
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in MODULES
        if path.name not in of_psql
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and slash_d.search(node.value)
    ]
    assert not found


def test_no_function_is_longer_than_60_lines() -> None:
    """Without its decorators: what a command is called with is a table."""
    long = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= 60
    ]
    assert not long


def test_a_class_has_its_name_for_itself() -> None:
    """Where three have the same, a reader cannot tell which is meant."""
    names = Counter(
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert not [name for name, times in names.items() if times > 2]


def test_a_file_has_its_name_for_itself() -> None:
    """Two may share one: a probe has that of its evidence, a renderer that of its command."""
    names = Counter(path.name for path in MODULES if path.name != "__init__.py")
    assert not [name for name, times in names.items() if times > 2]
