"""Whether a service runs: one that ends at once does not, whenever it is looked at."""

import subprocess
import time

import psutil
import pytest

from mailauth.probes.host import stays
from mailauth.probes.process import running


@pytest.mark.parametrize(("seconds", "answer"), [("0.5", False), ("60", True)])
def test_a_process_that_ends_at_once_does_not_run(seconds: str, answer: bool) -> None:
    """With no memory for a start it is there for 2 to 3 ms (measured on 2.3.19.1), and may be seen."""
    with subprocess.Popen(["dovecot/auth", seconds], executable="/bin/sleep") as process:
        end = time.monotonic() + 60
        while process.pid not in running(psutil.Process(), "auth"):
            assert time.monotonic() < end
        assert stays(psutil.Process(), "auth") is answer
        process.kill()
