"""Whatever a user can name himself, no terminal, spreadsheet, browser or monitor takes for more than text."""

import csv
import enum
import io
import json
import re
import subprocess
import sys
import types
import typing
import unicodedata
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import rich.console

import mailauth
from mailauth.check.outcome import KINDS, CheckLine, CheckReport, Metric, Outcome, Status
from mailauth.cli.shared.progress import stepping
from mailauth.cli.streams import guard
from mailauth.dovecot.logreport import FromLogReport
from mailauth.dovecot.logs import plain
from mailauth.evidence import Configured, LogDestination, Unobserved
from mailauth.finding import Certainty, Diagnosis, Finding, Problem, Remedy, Severity, Undecided, rule
from mailauth.fix.report import FixReport
from mailauth.load.result import Counts, Sample
from mailauth.migrate import users_out
from mailauth.migrate.apply import Plan, Report
from mailauth.migrate.journal import Head
from mailauth.migrate.move import Moving
from mailauth.render import migrate
from mailauth.render.audit import AuditReport, audit_csv, audit_text
from mailauth.render.check import check_text
from mailauth.render.check_metrics import check_metrics
from mailauth.render.fix import fix_text
from mailauth.render.from_log import from_log_text
from mailauth.render.json import report, to_json
from mailauth.render.load import load_text
from mailauth.render.load_live import Board
from mailauth.render.text import diagnosis_text
from mailauth.visible import cell_text, visible, visible_cell
from tests.report.conftest import load_result

EVIL = (
    "=cmd|' /C calc'!A1\x1b]0;owned\a\x9b2J\x85\u202egpj\u2066\u2028\u200b\x7f\r\0"
    "\nNothing found. 0 undecided."
)


def filled(hint: Any) -> Any:
    """A value of that type in which every text is hostile."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return filled(inside[0])
    if origin in (list, tuple, frozenset, set):
        return origin([filled(inside[0])] if inside else [])
    if origin is dict:
        return {filled(inside[0]): filled(inside[1])}
    if origin is typing.Literal:
        return inside[0]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return next(iter(hint))
    if is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return hint(**{each.name: filled(hints[each.name]) for each in fields(hint) if each.init})  # type: ignore[operator]
    return {str: EVIL, int: 1, float: 1.0, bool: True, bytes: b"x"}.get(hint)


@rule("LOG005", "A test", Severity.RISK)
def evil_rule(log: LogDestination) -> Problem | None:
    del log
    return None


def diagnosis() -> Diagnosis:
    fact = filled(LogDestination)
    remedy = Remedy(EVIL, careful=EVIL)
    problem = Problem(EVIL, (fact,), Certainty.PROVEN, remedy)
    lacking = Unobserved(Configured, EVIL)
    return Diagnosis(EVIL, (Finding(evil_rule, problem),), (Undecided(evil_rule, lacking),), (), (fact,))


def fix_report() -> FixReport:
    """Its diff is lines of a file, and each begins with a sign."""
    made: FixReport = filled(FixReport)
    diff = "".join(f"+{line}\n" for line in EVIL.split("\n"))
    return replace(made, files=[replace(made.files[0], diff=diff)])


def checks() -> CheckReport:
    name = next(name for name in KINDS)
    said = [CheckLine(Status.CRITICAL, EVIL, EVIL, EVIL)]
    metric = Metric(name, 1.0, EVIL, {"passdb": EVIL})
    return CheckReport(Status.CRITICAL, EVIL, 0.0, [Outcome("canary", Status.CRITICAL, EVIL, said, [metric])])


def migrate_report() -> Report:
    report = Report()
    report.reasons[EVIL] = report.failed = 1
    report.note(EVIL, [EVIL])
    return report


TEXTS: dict[str, Callable[[], str]] = {
    "diagnosis": lambda: diagnosis_text(diagnosis(), "2.3"),
    "diagnosis as JSON": lambda: to_json(report(diagnosis(), EVIL)),
    "audit": lambda: audit_text(filled(AuditReport)),
    "audit as JSON": lambda: to_json(filled(AuditReport)),
    "audit as CSV": lambda: audit_csv(filled(AuditReport)),
    "check": lambda: check_text(checks()),
    "check as JSON": lambda: to_json(checks()),
    "fix": lambda: fix_text(fix_report()),
    "fix as JSON": lambda: to_json(filled(FixReport)),
    "load": lambda: load_text(load_result(EVIL)),
    "load as JSON": lambda: to_json(load_result(EVIL)),
    "from the log": lambda: from_log_text(filled(FromLogReport)),
    "from the log, on a terminal": lambda: from_log_text(filled(FromLogReport), terminal=True),
    "migrate plan": lambda: migrate.plan_text(filled(Plan)),
    "migrate apply": lambda: migrate.report_text(migrate_report(), filled(Head), "go on", "take it back"),
    "migrate undo": lambda: migrate.prospect_text(migrate_report(), filled(Head)),
    "migrate move": lambda: migrate.move_text(filled(Moving), EVIL, EVIL, "again"),
    "from the log as JSON": lambda: to_json(filled(FromLogReport)),
}


_OF_MIGRATE = [name for name in TEXTS if name.startswith("migrate")]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """``printed(text)``: what arrives on standard output."""

    def through(text: str) -> str:
        arrived = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(arrived, "utf-8", newline=""))
        monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), "utf-8"))
        guard()
        sys.stdout.write(text)
        sys.stdout.flush()
        return arrived.getvalue().decode()

    return through


def hidden(text: str) -> set[str]:
    seen = {one for one in text if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")}
    return seen - {"\n"}


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_hidden_is_printed(name: str, printed: Callable[[str], str]) -> None:
    text = printed(TEXTS[name]())
    assert "owned" in text
    assert hidden(text) == set()
    if "JSON" in name:
        json.loads(text)


@pytest.mark.parametrize("name", [*(name for name in TEXTS if "JSON" in name)])
def test_json_says_the_same(name: str) -> None:
    """Escapes, not other words."""
    assert EVIL in str(_values(json.loads(TEXTS[name]())))


def _values(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(_values(one) for one in value.values())
    return "".join(map(_values, value)) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("name", ["diagnosis", "fix", "check", "audit", *_OF_MIGRATE])
def test_no_value_makes_a_line_of_its_own(name: str) -> None:
    """A user named so says that nothing was found."""
    lines = TEXTS[name]().split("\n")
    assert not [line for line in lines if line.strip().startswith("Nothing found. 0 undecided.")]


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    for formula in ("=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r\n=1", "\uff1d1", "=1\n=2"):
        made = filled(AuditReport)
        object.__setattr__(made.stores[0], "place", formula)
        object.__setattr__(made.stores[0].classes[0], "users", [formula])
        for row in csv.reader(io.StringIO(audit_csv(made))):
            assert not [cell for cell in row if cell.lstrip()[:1] in "=+-@\uff1d" and cell.strip()], formula
        out = tmp_path / "users.csv"
        with users_out.opened(out) as each:
            assert each
            each(formula, "left", formula, formula, formula)
        for row in csv.reader(out.read_text().splitlines()):
            assert not [cell for cell in row if cell.lstrip()[:1] in "=+-@\uff1d" and cell.strip()], formula
        out.unlink()


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", " =1", "'=1", "''@1", "\uff1d1")


def test_each_csv_is_written_in_one_place() -> None:
    """So that no command can leave the filter out; the tests above and below try each that uses it."""
    source = Path(mailauth.__file__).parent
    files = {str(file.relative_to(source)): file.read_text() for file in source.rglob("*.py")}
    assert [name for name, text in files.items() if re.search(r"csv\.(Dict)?[wW]riter", text)] == ["cells.py"]
    makers = {name for name, text in files.items() if re.search(r"\b(Sheet|csv_printed)\(", text)}
    assert makers == {
        "cli/shared/sheet.py",
        "cli/hash_new_run.py",
        "cli/hash_convert_run.py",
        "migrate/users_out.py",
        "render/audit.py",
    }


def _of_hash(words: list[str], given: str) -> tuple[str, str]:
    program = [sys.executable, "-m", "mailauth", "hash", *words, "--jobs", "1", "--csv", "-"]
    ran = subprocess.run(
        program, input=given.encode(errors="surrogateescape"), capture_output=True, check=True
    )
    return ran.stdout.decode(), ran.stderr.decode()


def test_a_list_of_hashes_has_no_formula_and_is_read_as_it_was() -> None:
    """What ``hash new`` writes, ``hash convert`` reads: with the same names; each says what it did."""
    bad = ("a\x1bb", "a\u202eb", "a\tb", "a\udcffb")
    given = "".join(f'"{name}",secret\n' for name in (*FORMULAS, *bad, "alice"))
    text, said = _of_hash(["new", "-s", "SSHA256"], given)
    assert "8 cells begin as a formula" in said
    assert hidden(text) == set()
    rows = list(csv.DictReader(io.StringIO(text)))
    for row in rows:
        assert not [cell for cell in row.values() if cell.strip()[:1] in tuple("=+-@\uff1d")]
    assert [cell_text(row["user"]) for row in rows] == [*FORMULAS, *map(visible, bad), "alice"]
    assert [bool(row["stored"]) for row in rows] == [True] * 8 + [False] * 4 + [True]
    again, said = _of_hash(["convert"], text)
    assert "8 cells begin as a formula" in said
    assert [row["user"] for row in csv.DictReader(io.StringIO(again))] == [row["user"] for row in rows]
    # a list that is not of ours is taken as it stands: an apostrophe may be part of a name there
    foreign, _ = _of_hash(["convert"], "user,stored\n'=1,{PLAIN}=2\n")
    assert list(csv.reader(io.StringIO(foreign)))[1][0] == "''=1"
    plain, said = _of_hash(["convert", "--to", "cyrus-sasl"], "user,stored\nbob,{PLAIN}=2\n")
    assert list(csv.reader(io.StringIO(plain)))[1][1] == "'=2"
    assert "1 cell begins" in said


@pytest.mark.parametrize("text", [*FORMULAS, "alice", "", "'", "''", "'alice", "'' =1", "\uff201"])
def test_a_cell_is_taken_back(text: str) -> None:
    assert cell_text(visible_cell(text)) == text


def test_prometheus_labels_hide_nothing() -> None:
    text = check_metrics(checks())
    assert hidden(text) == set()
    assert all(line.startswith(("#", "mailauth_")) for line in text.splitlines())


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


_COMMANDS = "\x1b]0;owned\x07 \x9b2J [blink]x[/] \u202e"


def test_no_progress_commands_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which passes no filter of the streams: it moves the cursor itself."""
    shown = _Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(sys, "__stderr__", shown)
    monkeypatch.setenv("TERM", "xterm")
    with stepping(2, "users") as step:
        step(_COMMANDS)
    assert "owned" in shown.getvalue()
    assert "[blink]" in shown.getvalue()
    for one in ("\x1b]", "\x07", "\x9b", "\u202e", "\x1b[5m"):
        assert one not in shown.getvalue()


def test_no_load_commands_a_terminal() -> None:
    """A server says why it refuses."""
    sample = Sample(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0, 0, None, None, 0)
    counts = Counts(1, 0, 0, {_COMMANDS: 1}, {}, 0)
    console = rich.console.Console(file=io.StringIO(), force_terminal=True, width=200)
    with console.capture() as captured:
        console.print(Board().update("a load", sample, counts))
    assert "owned" in captured.get()
    for one in ("\x1b]", "\x07", "\x9b", "\u202e"):
        assert one not in captured.get()


def test_a_text_of_a_log_is_bounded() -> None:
    assert len(plain(EVIL * 100_000)) <= 160
    assert visible(EVIL, keep="\n").count("\n") == 1
    assert visible("caf\u00e9 \u4e2d\u6587 \U0001f600") == "caf\u00e9 \u4e2d\u6587 \U0001f600"


@pytest.mark.parametrize("one", "\u034f\u115f\u1160\u17b4\u180b\u2800\u3164\ufe0f\uffa0\U000e0100")
def test_no_two_names_look_like_one(one: str) -> None:
    """Letters and marks that no font shows, and that Python takes for printable."""
    assert one.isprintable()
    assert visible(f"anna{one}") == f"anna{one.encode('unicode_escape').decode()}"
    assert visible("Zo\u00eb \u5f20\u4f1f \U0001f600") == "Zo\u00eb \u5f20\u4f1f \U0001f600"
