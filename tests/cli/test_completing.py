"""What a shell gets that completes an operand: codes, schemes, what can be taken back."""

from pathlib import Path

import pytest

from mailauth.hashes.schemes import SCHEMES
from mailauth.rules import RULES
from tests.cli.running import mailauth


def proposed(*words: str, **environment: str) -> list[str]:
    """What bash is told for the last of the words."""
    line = {"COMP_WORDS": " ".join(("mailauth", *words)), "COMP_CWORD": str(len(words))}
    done = mailauth(_MAILAUTH_COMPLETE="bash_complete", **line, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return [one.partition(",")[2] for one in done.stdout.splitlines() if one]


@pytest.mark.parametrize("command", ["fix", "explain"])
def test_codes(command: str) -> None:
    assert set(proposed(command, "mem00")) == {one.code for one in RULES if one.code.startswith("MEM")}


def test_schemes() -> None:
    assert proposed("hash", "new", "-s", "argon2") == [
        one.name for one in SCHEMES if one.name.startswith("ARGON2")
    ]


@pytest.mark.parametrize(("kind", "words"), [("fix", ("fix", "--undo")), ("migrate", ("migrate", "undo"))])
def test_what_can_be_taken_back(tmp_path: Path, kind: str, words: tuple[str, ...]) -> None:
    """The newest first; nothing where nothing was written."""
    assert proposed(*words, "2", MAILAUTH_STATE=str(tmp_path)) == []
    for name in ("20261123-161530-MEM001", "20261124-161530-MEM001", "lock"):
        (tmp_path / kind / name).mkdir(parents=True)
    names = ["20261124-161530-MEM001", "20261123-161530-MEM001"]
    assert proposed(*words, "2", MAILAUTH_STATE=str(tmp_path)) == names
