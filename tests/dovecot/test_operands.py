"""A user's name may begin with a dash: no program of Dovecot's takes it for an option."""

import ast

import pytest

from mailauth.dovecot.doveadm import Installation
from mailauth.lab.builds import installed
from tests.cli.running import ROOT

SOURCES = sorted((ROOT / "mailauth").rglob("*.py"))
NAMES = ("user", "name", "scene.user", "cache.user", "scene.names.looked_up")


def words(call: ast.Call) -> list[str]:
    """The words of a command as they stand in our source, however they are put together."""
    found: list[str] = []
    for one in call.args:
        inner = one.value if isinstance(one, ast.Starred) else one
        found += map(ast.unparse, inner.elts if isinstance(inner, ast.Tuple) else [inner])
    return found


def test_every_name_stands_behind_two_dashes() -> None:
    """In each call that has a name among the words of doveadm's."""
    seen = 0
    for path in SOURCES:
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call):
                continue
            given = words(call)
            if "'doveadm'" not in given:
                continue
            names = [at for at, one in enumerate(given) if one in NAMES]
            seen += len(names)
            assert all("'--'" in given[:at] for at in names), (path.name, call.lineno)
    assert seen > 3


@pytest.mark.skipif(installed() is None, reason="no Dovecot is installed")
def test_doveadm_who_takes_it_for_a_user() -> None:
    """-a would name a socket of anybody's, to which root would connect."""
    there = Installation()
    assert "/nonexistent/evil" in there.run("doveadm", "who", "-1", "-a/nonexistent/evil").err
    assert "/nonexistent/evil" not in there.run("doveadm", "who", "-1", "--", "-a/nonexistent/evil").err
