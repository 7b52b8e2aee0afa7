"""The documents say what the program does."""

import json
import re
from pathlib import Path

import pytest

from bench import matrix
from mailauth.cli.commands import COMMANDS, EXIT_STATUSES
from mailauth.rules import RULES
from tests.cli.running import ROOT
from tests.docs import generated
from tests.docs.groups import GROUPS, group_of


def test_the_readme_shows_the_demos_true_output() -> None:
    """When it does not: python -m tests.docs.generated."""
    shown = generated.block(generated.README.read_text(), "demo")
    assert generated.normal(generated.demo()) == generated.normal(shown)


def test_the_readme_is_read_to_its_end() -> None:
    """120 lines at most, and the command to type before all else."""
    text = generated.README.read_text()
    assert len(text.splitlines()) <= 120
    assert "sudo mailauth diagnose USER" in "\n".join(text.splitlines()[:8])


def test_the_rules_page_is_current() -> None:
    """When it is not: python -m tests.docs.generated."""
    assert generated.RULES_PAGE.read_text() == generated.rules_page()


def test_every_group_of_codes_is_described() -> None:
    """Where this fails: a line in tests/docs/groups.py."""
    assert {group_of(rule.code) for rule in RULES} == {group for group, _ in GROUPS}


def test_the_evidence_in_contributing_is_current() -> None:
    """When it is not: python -m tests.docs.generated."""
    shown = generated.block(generated.CONTRIBUTING.read_text(), "evidence")
    assert shown == generated.evidence_table()


def test_what_is_generated_has_nothing_of_one_run() -> None:
    """PIDs and temporary folders would change ten lines of the README for nothing."""
    runs = [
        f"the log:  auth-worker({pid}): Info: conn unix:auth-worker (pid={pid},uid=103): auth-worker<2>\n"
        f"/run/mailauth-lab-{folder}/settings.conf:2\n/proc/{pid}/limits\n"
        for pid, folder in ((26678, "cfd641eb"), (991, "00aa00bb"))
    ]
    assert generated.settled(runs[0]) == generated.settled(runs[1])
    assert generated.normal(generated.settled(runs[0])) == generated.normal(runs[1])


def test_the_confusion_matrix_shows_what_was_measured() -> None:
    """When it does not: python -m tests.docs.generated."""
    assert generated.MATRIX_PAGE.read_text() == generated.matrix_page()


def test_a_tests_rows_take_the_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one proof saw is put beside what all others did, but those whose tests are gone."""
    result = tmp_path / "matrix.json"
    monkeypatch.setattr(matrix, "RESULT", result)
    here = "tests/docs/test_documents.py"
    mine, other = (
        f"{here}::test_a_tests_rows_take_the_place_of_its_own",
        f"{here}::test_links_lead_somewhere[x]",
    )
    known = (
        (mine, "OLD"),
        (other, "KEPT"),
        (f"{here}::test_gone", "GONE"),
        ("tests/gone.py::test_a", "GONE"),
    )
    rows = [{"test": name, "found": [code]} for name, code in known]
    result.write_text(json.dumps({"rows": rows, "pytest": {"bin/test": "2 rows"}, "date": "2026-01-01"}))
    matrix.add([{"test": mine, "found": ["NEW"]}, {"test": "c", "found": ["MORE"]}], {"2.4.1: c": "1 passed"})
    written = json.loads(result.read_text())
    assert sorted(row["found"][0] for row in written["rows"]) == ["KEPT", "MORE", "NEW"]
    assert written["pytest"] == {"bin/test": "2 rows", "2.4.1: c": "1 passed"}


def test_every_command_is_in_the_readme_and_among_the_examples() -> None:
    """The exit statuses, too, stand with the examples."""
    examples = generated.COMMANDS_PAGE.read_text()
    for name, _, _ in COMMANDS:
        assert f"| `mailauth {name}" in generated.README.read_text()
        assert f"mailauth {name}" in examples
    for status, meaning in EXIT_STATUSES:
        assert f"| {status} | {meaning} |" in examples


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]), ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_nothing_names_this_machine() -> None:
    """No registry host and no path of a developer's machine in what is committed."""
    for path in [*ROOT.glob("*"), *(ROOT / "docs").rglob("*"), *(ROOT / "bin").rglob("*")]:
        if path.is_file() and path.name != ".git" and path.suffix in {".md", ".toml", ".sh", ".py", ""}:
            assert "/work/" not in path.read_text(errors="replace"), path


def test_every_rule_stands_in_the_confusion_matrix() -> None:
    """A rule whose fault was never injected into a real Dovecot is an opinion."""
    rows = json.loads(generated.MATRIX.read_text())["rows"]
    seen = {code for row in rows for code in row["found"]}
    assert {rule.code for rule in RULES} - seen == set()
