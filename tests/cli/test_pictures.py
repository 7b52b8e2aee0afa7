"""One option for pictures, the same in each command that draws: what is wrong is said before anything."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from mailauth.cli.commands import modern
from mailauth.cli.manual import contexts
from mailauth.render import picture
from tests.cli.running import ROOT, mailauth

DRAWING = {
    ctx.command_path.removeprefix("mailauth "): option
    for ctx in contexts()
    for option in ctx.command.params
    if option.name in {"picture", "png", "svg"}
}


def test_each_has_the_same_option() -> None:
    assert sorted(DRAWING) == ["audit", "load", "memory bench", "migrate on-login status"]
    for name, option in DRAWING.items():
        assert option.opts == ["--picture"], name
        assert "to this .png or .svg file." in str(option.to_info_dict()["help"])


@pytest.mark.parametrize("command", DRAWING)
def test_a_wrong_name_is_told_first(command: str, tmp_path: Path) -> None:
    """Before a store, a log or a Dovecot is looked for, and before anything is measured."""
    for file, says in (("a.xyz", "end its name in .png or .svg."), ("no/a.png", "there is no folder ")):
        done = mailauth(*command.split(), "--picture", str(tmp_path / file))
        assert done.returncode == 2
        assert says in done.stderr, done.stderr
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", DRAWING)
def test_matplotlib_that_is_missing_is_told_first(command: str, tmp_path: Path) -> None:
    """The command ends with how it is installed: nothing was measured that is lost."""
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import importlib.util; found = importlib.util.find_spec\n"
        "importlib.util.find_spec = \\\n"
        "    lambda name, *rest: found(name, *rest) if name != 'matplotlib' else None\n"
        f"sys.argv = ['mailauth', *{command.split()!r}, '--picture', {str(tmp_path / 'a.png')!r}]\n"
        "from mailauth.cli.main import run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("mailauth: pictures need matplotlib, which is not installed: pipx inject ")


def test_the_old_spelling_goes_on_working() -> None:
    words = ["migrate", "on-login", "status", "--rows", "--png", "a.png"]
    assert modern(words) == (
        ["migrate", "on-login", "status", "--rows", "--picture", "a.png"],
        "migrate on-login status --png is called --picture now",
    )
    assert modern(["audit", "--", "--png"]) == (["audit", "--", "--png"], "")
    assert modern(["load", "--png", "a"]) == (["load", "--png", "a"], "")


def test_colours_are_told_apart_in_grey() -> None:
    """Those that mean good, weak and bad: printed without colour no two are the same grey (ITU-R BT.601)."""

    def grey(colour: str) -> float:
        red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    shades = sorted(map(grey, (picture.GOOD, picture.WEAK, picture.BAD, picture.OPEN)))
    assert min(b - a for a, b in itertools.pairwise(shades)) > 25
