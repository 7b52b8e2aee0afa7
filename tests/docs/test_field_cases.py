"""The table of the field's cases names tests that there are, and every case has one."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.cli.running import ROOT

PAGE = ROOT / "docs" / "field-cases.md"
_ROW = re.compile(r"\| (?!Case|What \||-)(?P<name>[^|]+) \|(?P<rest>.*) \| (?P<tests>[^|]*) \|")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[tuple[str, str]]:
    """Each case, and what stands in its last column."""
    found = [_ROW.fullmatch(line) for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [(row["name"], row["tests"]) for row in found if row]


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse(Path(ROOT / file).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_case_has_a_test() -> None:
    for case, tests in rows():
        named = _TEST.findall(tests)
        assert named, case
        assert ", ".join(f"`{file}::{name}`" for file, name in named) == tests
        for file, name in named:
            assert name in functions(file), f"{case}: {file} has no {name}"


def test_each_case_stands_once() -> None:
    names = [name for name, _ in rows() if re.match(r"(sql|drv|stack|mig|hour)-", name)]
    assert len(names) == len(set(names))
    assert {name.partition("-")[0] for name in names} == {"sql", "drv", "stack", "mig", "hour"}
