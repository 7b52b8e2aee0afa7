"""An LDAP port that takes connections and closes them: how soon is the flood found, and what ends it?

    python -m bench.flood [--write]

On 2.3.19.1 and 2.4.1, with a real slapd behind a port that drops connections.  Seconds are those of the whole
command, start-up included.  Lines a second are counted in Dovecot's log: during the flood, and after each
remedy from the moment when it has taken hold.  Raises AssertionError where a command does not name it.
bench/results/flood.json
"""

import argparse
import json
import os
import platform
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mailauth.lab import Lab
from tests.cli.running import mailauth
from tests.lab.test_stores import hashed
from tests.proofs.story import SECRET
from tests.proofs.test_log006 import Proxy, behind, ends, floods, lines

RESULT = Path(__file__).parent / "results" / "flood.json"
VERSIONS = ("2.3.19.1", "2.4.1")
BOUND = 5.0  # seconds
_WATCHED = 5.0  # seconds


def speed(lab: Lab) -> float:
    """Lines a second, as the log grows."""
    began, before = time.monotonic(), lines(lab)
    time.sleep(_WATCHED)
    return round((lines(lab) - before) / (time.monotonic() - began), 1)


def found_in(*words: str) -> float:
    began = time.monotonic()
    told = mailauth(*words)
    seconds = time.monotonic() - began
    assert "LOG006" in told.stdout, told.stdout + told.stderr
    return round(seconds, 2)


def measured(version: str, proxy: Proxy) -> dict[str, Any]:
    with Lab(version, "ldap-bind", {"alice": hashed(SECRET)}) as lab:
        to_proxy, to_server = behind(lab, proxy)
        to_proxy()
        floods(lab)
        which = ("--pid", str(lab.master_pid))
        found = {"lines a second": speed(lab)}
        found |= {
            f"seconds of {name}": found_in(*words)
            for name, words in (
                ("checkup", ("checkup", *which)),
                ("diagnose", ("diagnose", "alice", *which)),
                ("log, of the running server", ("log", *which)),
                ("log, of the file alone", ("log", "--log", str(lab.folder / "log"))),
            )
        }
        proxy.away = False
        ends(lab)
        found["lines a second, the server is there again"] = speed(lab)
        assert lab.login("alice", SECRET).ok
        proxy.away = True
        lab.restart()
        floods(lab)
        to_server()
        ends(lab)
        found["lines a second, the address is right"] = speed(lab)
        assert lab.login("alice", SECRET).ok
        return {"dovecot": version, **found}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    words.add_argument("--write", action="store_true")
    asked = words.parse_args()
    each = []
    with ExitStack() as stack:
        for version in VERSIONS:
            proxy = Proxy(0)
            stack.callback(proxy.door.close)
            threading.Thread(target=proxy.serve, daemon=True).start()
            each.append(measured(version, proxy))
            print(json.dumps(each[-1]))
    if asked.write:
        head = {
            "date": datetime.now(UTC).date().isoformat(),
            "cores": os.cpu_count(),
            "machine": platform.machine(),
            "load": round(os.getloadavg()[0], 1),
            "bound of the seconds": BOUND,
        }
        RESULT.write_text(json.dumps({**head, "each": each}, indent=2) + "\n")


if __name__ == "__main__":
    main()
