"""What the tests of ``mailauth fix`` share."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mailauth.diagnosing import Looked, Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.evidence import Configured, StoredHash
from mailauth.finding import Certainty, Finding, Problem, Remedy, Severity, rule
from mailauth.fix import apply
from mailauth.fix.ready import Ready
from mailauth.hashes import Password
from mailauth.lab import Lab
from tests.cli.running import mailauth

Labs = Callable[..., Lab]


@dataclass(frozen=True)
class Fix:
    """Runs ``mailauth fix`` with a state folder of its own."""

    state: Path

    def __call__(self, *words: str, feed: str | bytes = "") -> Any:
        return mailauth("fix", *words, feed=feed, MAILAUTH_STATE=str(self.state))

    def json(self, *words: str, feed: str | bytes = "", status: int = 0) -> Any:
        done = self(*words, "--json", feed=feed)
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)

    @property
    def journals(self) -> list[Path]:
        return sorted(self.state.glob("fix/*/journal.json"))


@pytest.fixture
def fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fix:
    """The state folder also holds for what is called in this process."""
    monkeypatch.setenv("MAILAUTH_STATE", str(tmp_path / "state"))
    return Fix(tmp_path / "state")


def looked_at(lab: Lab, password: bytes | None = None, user: str = "alice") -> tuple[Target, Looked]:
    given = Password(password) if password is not None else None
    target = Target(user, at_pid(lab.master_pid, None), given, login=given is not None)
    return target, look(target)


def ready_with(lab: Lab, remedy: Remedy, password: bytes | None = None) -> Ready:
    """A finding that never was, with this remedy, planned for the lab."""

    def check(configured: Configured) -> Problem | None:
        return Problem("It is only a test.", (configured,), Certainty.PROVEN, remedy)

    target, looked = looked_at(lab, password)
    because = [fact for fact in looked.diagnosis.evidence if isinstance(fact, StoredHash | Configured)]
    problem = Problem("It is only a test.", tuple(because), Certainty.PROVEN, remedy)
    made = rule("TEST001", "A test", Severity.BLOCKS_LOGIN)(check)
    return apply.planned([Finding(made, problem)], looked, target)


def config_of(lab: Lab) -> dict[str, tuple[bytes, int, int, int]]:
    """Every configuration file: its content, mode and owner."""
    found = {}
    for path in sorted(
        [*lab.folder.glob("*.conf*"), *lab.folder.glob("conf.d/*"), *lab.folder.glob(".*conf*")]
    ):
        if path.is_file():
            status = path.stat()
            found[path.name] = (path.read_bytes(), status.st_mode, status.st_uid, status.st_gid)
    return found
