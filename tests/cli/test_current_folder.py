"""Root works in a folder of an ordinary user, who has put modules of Python's and ours there."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import ROOT

_MODULES = ("multiprocessing", "mailauth", "json", "socket", "signal", "random", "tempfile", "threading")
_SCRIPT = """
import sys
sys.path.append({root!r})
from mailauth.__main__ import main
if __name__ == "__main__":
    main()
"""


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder in which each module writes down that it was imported."""
    (folder := tmp_path / "theirs").mkdir()
    for name in _MODULES:
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write('{name} ')\n")
    return folder


@pytest.mark.parametrize(
    ("words", "feed"),
    [
        (("hash", "verify", "--batch", "-"), json.dumps({"stored": "{PLAIN}a", "password": "a"}) + "\n"),
        (("hash", "new", "--scheme", "SSHA256", "--csv", "-"), "user,password\nalice,a-secret\n"),
    ],
    ids=["verify", "new"],
)
def test_no_process_of_ours_imports_from_the_current_folder(
    theirs: Path, words: tuple[str, ...], feed: str
) -> None:
    """Run by a console script, as pip makes one: on its own path is the script's folder, and not this one."""
    (script := theirs.parent / "mailauth").write_text(_SCRIPT.format(root=str(ROOT)))
    argv = [sys.executable, str(script), *words]
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        argv,
        cwd=theirs,
        input=feed,
        env=env,
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )
    imported = theirs.parent / "imported"
    assert not imported.exists(), imported.read_text()
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_picture_is_drawn_by_the_current_folders_settings(theirs: Path) -> None:
    """Matplotlib reads them there before it looks at its own: here it is to run latex."""
    pytest.importorskip("matplotlib")
    (theirs / "matplotlibrc").write_text("text.usetex: True\n")
    (theirs / "users").write_text("alice:{PLAIN}a-secret\n")
    (script := theirs.parent / "mailauth").write_text(_SCRIPT.format(root=str(ROOT)))
    words = ("audit", "--url", f"passwd-file:{theirs}/users", "--picture", str(theirs.parent / "a.png"))
    env = {"PATH": str(theirs), "MPLCONFIGDIR": str(theirs.parent)}
    argv = [sys.executable, str(script), *words]
    done = subprocess.run(argv, cwd=theirs, env=env, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (theirs.parent / "a.png").exists(), done.stdout + done.stderr


def test_each_python_that_we_start_is_isolated() -> None:
    """It has -I, or the current folder and the environment of who calls say what it imports."""
    for file in (ROOT / "mailauth").rglob("*.py"):
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.List | ast.Tuple) and node.elts:
                words = [ast.unparse(one) for one in node.elts]
                if words[0] == "sys.executable":
                    assert words[1] == "'-I'", f"{file.relative_to(ROOT)}:{node.lineno}"
