"""What bin/* install: releases that pyproject.toml allows, each with its hashes."""

import re
import tomllib

from packaging.requirements import Requirement

from tests.cli.running import ROOT

LOCKED = ROOT / "bin" / "locked"
PYTHONS = [
    {
        "sys_platform": "linux",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "python_version": f"3.{minor}",
        "python_full_version": f"3.{minor}.5",
    }
    for minor in (11, 12, 13, 14)
]


def _locked(name: str, python: dict[str, str]) -> dict[str, str]:
    """The release of each package for a Python."""
    found = {}
    for line in (LOCKED / f"{name}.txt").read_text().replace("\\\n", " ").splitlines():
        text, *hashes = re.split(r"\s+--hash=", line)
        assert hashes, f"{name}.txt: no hash: {line!r}"
        one = Requirement(text)
        if one.marker is None or one.marker.evaluate(dict(python)):
            (exactly,) = one.specifier
            assert exactly.operator == "=="
            found[_normal(one.name)] = exactly.version
    return found


def _normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_is_locked_is_what_pyproject_asks_for() -> None:
    """Where this fails: bin/lock."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = asked["dependency-groups"]
    demo = [*asked["project"]["dependencies"], *groups["build"]]
    for python in PYTHONS:
        for name, wanted in (
            ("demo", demo),
            ("test", [*demo, *groups["dev"]]),
            ("docs", [*demo, *groups["docs"]]),
        ):
            there = _locked(name, python)
            for one in map(Requirement, wanted):
                version = there.get(_normal(one.name), "none")
                assert one.specifier.contains(version), f"{name}.txt: {one}: {version}"
        test, docs = _locked("test", python), _locked("docs", python)
        assert _locked("demo", python).items() <= test.items()
        assert {
            name: docs[name] for name in test if name in docs
        }.items() <= test.items()  # one .venv has both
