"""A lab with a canary, and the checks as they are run there."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mailauth.check.asked import CheckRun, Limits, Which
from mailauth.check.credentials import read_credentials
from mailauth.check.outcome import CheckReport, Outcome
from mailauth.check.run import run
from mailauth.lab import Lab
from tests.cli.running import mailauth
from tests.proofs.story import SECRET, MiB, argon2id

CANARY = argon2id(memory=4 * MiB)
LARGE = argon2id(memory=24 * MiB)
# A machine that is busy with other tests is no slow server.
PATIENT = ("--timeout", "60s", "--greeting", "60s", "60s", "--login-time", "60s", "60s")
EVERY = ("server", "canary", "headroom", "rows", "workers", "failures")


def credentials(folder: Path, password: bytes = SECRET) -> Path:
    """The canary's file."""
    path = folder / "canary"
    path.touch(mode=0o600)
    path.write_bytes(b"user = canary\npassword = " + password + b"\n")
    return path


@dataclass
class Watched:
    """A lab that is checked, with nothing cached and a window of one second."""

    lab: Lab
    folder: Path
    asked: CheckRun = field(init=False)

    def __post_init__(self) -> None:
        self.asked = CheckRun(
            EVERY,
            Which(),
            self.folder / "state",
            read_credentials(credentials(self.folder)),
            Limits(failures=(5.0, 10.0), greeting=(60.0, 60.0), canary=(60.0, 60.0)),
            timeout=60.0,
            survey_age=0.0,
            pause=0.0,
            window=1.0,
        )

    @property
    def which(self) -> Which:
        """As an administrator has it: by its file; in a root of its own, by its PID ("": none runs)."""
        if self.lab.build.root is None:
            return Which(str(self.lab.config))
        return Which(None, str(self.lab.master_pid or ""))

    def run(self, *checks: str, **more: object) -> CheckReport:
        asked = replace(self.asked, which=self.which, checks=checks or EVERY)
        return run(replace(asked, **more))  # type: ignore[arg-type]

    def one(self, check: str, **more: object) -> Outcome:
        return self.run(check, **more).outcomes[0]

    def plugin(self, *words: str) -> tuple[int, str]:
        """Status and output, as the monitoring sees them."""
        which = self.which
        named = ("-c", which.config) if which.config else ("--pid", which.pid or "")
        state = ("--state", str(self.asked.state), "--canary", str(self.folder / "canary"))
        done = mailauth("check", *named, *state, *PATIENT, *words)
        assert done.stderr == ""
        return done.returncode, done.stdout


@pytest.fixture
def watched(lab: Callable[..., Lab], tmp_path: Path) -> Callable[..., AbstractContextManager[Watched]]:
    @contextmanager
    def make(*words: object, users: dict[str, str] | None = None, **named: object) -> Iterator[Watched]:
        everyone = {"canary": CANARY, "large": LARGE} | (users or {})
        with lab(*words, users=everyone, **named) as one:
            yield Watched(one, tmp_path)

    return make
