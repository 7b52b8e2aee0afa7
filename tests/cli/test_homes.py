"""Root is called with the HOME of an ordinary user, as sudo and su can: its libraries take nothing of it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.cli import homes
from tests.cli.running import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root's libraries")

_UID = 40_013
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (home := tmp_path / "mallory").mkdir()
    (home / ".config/dask").mkdir(parents=True)
    (home / ".cache/matplotlib").mkdir(parents=True)
    return home


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Run:
    """mailauth, after all in that home was given to its owner."""
    (users := tmp_path / "users").write_text("alice:{PLAIN}a-secret\n")

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        for one in (home, *home.rglob("*")):
            os.lchown(one, _UID, _UID)
        argv = [sys.executable, "-m", "mailauth", *words, "--url", f"passwd-file:{users}"]
        env = {"PATH": os.environ["PATH"], **environment}
        done = subprocess.run(
            argv, cwd=ROOT, env=env, text=True, capture_output=True, check=False, timeout=120
        )
        assert "a bug" not in done.stderr, done.stderr
        return done

    return run


@pytest.mark.parametrize("name", ["HOME", "MPLCONFIGDIR", "XDG_CACHE_HOME"])
def test_no_picture_is_drawn_through_a_users_link(run: Run, home: Path, tmp_path: Path, name: str) -> None:
    """Matplotlib writes its list of fonts there, into whatever a link names."""
    matplotlib = pytest.importorskip("matplotlib.font_manager")
    (victim := tmp_path / "victim").write_text("root's\n")
    kept = home / ".cache/matplotlib"
    (kept / f"fontlist-v{matplotlib.FontManager.__version__}.json").symlink_to(victim)
    environment = {"HOME": home, "MPLCONFIGDIR": kept, "XDG_CACHE_HOME": home / ".cache"}
    done = run("audit", "--picture", str(tmp_path / "a.png"), **{name: str(environment[name])})
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "a.png").exists()
    assert victim.read_text() == "root's\n"


def test_no_module_of_a_users_settings_is_run(run: Run, home: Path, tmp_path: Path) -> None:
    """Dask's client runs the modules that its settings name, before it connects."""
    pytest.importorskip("distributed")
    (evil := home / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    (home / ".config/dask/x.yaml").write_text(f"distributed:\n  client:\n    preload: [{str(evil)!r}]\n")
    (passwords := tmp_path / "list.csv").write_text("alice,a-secret\n")
    words = ("migrate", "import", str(passwords), "--scheme", "SSHA256", "--apply")
    done = run(*words, "--dask", "tls://127.0.0.1:9", HOME=str(home))
    assert not (tmp_path / "ran").exists(), done.stderr
    assert done.returncode == 2
    assert "tls://127.0.0.1:9: Dask's settings (distributed.comm.tls) name no certificates" in done.stderr


def test_a_link_on_the_way_home_counts(run: Run, home: Path, tmp_path: Path) -> None:
    """It leads to root's folder while it is looked at, and elsewhere later."""
    (home / "root").symlink_to("/root")
    (home / ".cache/matplotlib").rmdir()
    done = run("audit", "--picture", str(tmp_path / "a.png"), HOME=f"{home}/root/..")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (home / ".cache/matplotlib").exists()


@pytest.mark.parametrize("name", ["HOME", "TMPDIR", "XDG_CONFIG_HOME"])
def test_what_only_root_can_change_stays(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """So it is with /tmp, where what is there stays; and not with what is not there yet."""
    os.lchown(home, _UID, _UID)
    kept = ["/root", str(tmp_path), *(["/tmp"] if name == "TMPDIR" else [])]  # noqa: S108 - what is asked about
    for one in (*kept, str(home), str(home / ".config"), "relative", "/tmp/mailauth-is-not-there"):  # noqa: S108
        monkeypatch.setenv(name, one)
        homes.keep_own()
        assert (os.environ.get(name) == one) == (one in kept), one
    assert name != "HOME" or os.environ["HOME"] == "/root"
