"""The real doveadm of each version, and bench/fuzz_doveadm.py, which knows how to ask it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import missing

_PATH = Path(__file__).parents[2] / "bench/fuzz_doveadm.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_doveadm", _PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fuzz() -> ModuleType:
    return sys.modules.get("fuzz_doveadm") or _load()


@pytest.fixture(scope="session")
def doveadm(request: pytest.FixtureRequest, fuzz: ModuleType) -> Any:
    """``doveadm pw`` of that version; missing it is a failure where nothing may be missing."""
    found = fuzz.Doveadm.of(request.param)
    if found is None:
        missing(f"Dovecot {request.param} is not here; fetch it with: mailauth lab fetch {request.param}")
    return found
