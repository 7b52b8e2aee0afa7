"""Run the command line as a person does, in a process of its own."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import missing

ROOT = Path(__file__).parent.parent.parent


ORDINARY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def for_all_users() -> None:
    """Skip or fail in one sentence where an ordinary user cannot run mailauth out of this tree."""
    words = (*ORDINARY, sys.executable, "-m", "mailauth", "--version")
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        missing(
            f"an ordinary user cannot run mailauth in {ROOT}, nor its tests: {done.stderr.splitlines()[-1:]}"
        )


def mailauth(*words: str, feed: str | bytes = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """``python -m mailauth WORDS``; never raises, never inherits our environment but PATH."""
    data = feed.encode() if isinstance(feed, str) else feed
    done = subprocess.run(
        [sys.executable, "-m", "mailauth", *words],
        input=data,
        capture_output=True,
        check=False,
        timeout=120,
        cwd=ROOT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **environment},
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
