"""Run the command line as a person does, in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


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
