"""The names of the package ``mailauth.evidence``, whose files are imported when they are asked for."""

import subprocess
import sys

import pytest

from mailauth import evidence


def test_each_name_is_there() -> None:
    assert sorted(evidence._FILE_OF) == sorted(evidence.__all__)
    for name in evidence.__all__:
        assert getattr(evidence, name) is not None, name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        evidence.Nothing  # noqa: B018 - asking is what is tested


def test_a_count_of_rows_imports_little() -> None:
    """Each of these takes a part of the start of every command, and of a check that is run each minute."""
    asked = "import sys, mailauth.cli.audit_run; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert "mailauth.evidence.survey" in loaded.split()
    slow = {"mailauth.evidence.log", "mailauth.probes.lookup", "mailauth.stores.pgsql", "mailauth.finding"}
    assert not slow.intersection(loaded.split())
