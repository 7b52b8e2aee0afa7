"""What the tests of the ``memory`` commands share."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pytest


@dataclass(frozen=True)
class Ran:
    """What ``mailauth memory`` did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Mailauth:
    """Runs ``mailauth memory ...`` as a user does."""

    def __call__(self, *words: str, feed: str = "", environment: dict[str, str] | None = None) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "mailauth", "memory", *words],
            input=feed,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env=os.environ | (environment or {}),
        )
        return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def memory() -> Mailauth:
    return Mailauth()


def schema_file(name: str) -> dict[str, Any]:
    """A schema as it is published."""
    text = resources.files("mailauth").joinpath(f"schemas/{name}.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found
