"""The incident mailauth began with, step by step, in labs: what was changed, and whether logins worked.

A hash that ``doveadm pw -s ARGON2ID -r 3`` makes (256 MiB), and the four things an administrator tries.

    python -m bench.capacity_incident         written to bench/results/incident.json
"""

import json
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.threshold import PASSWORD, VERSIONS, about
from mailauth import hashes
from mailauth.dovecot.doveadm import at_pid
from mailauth.lab import STORES, Lab, MariaDB, Postgres
from mailauth.lab.databases import Server
from mailauth.probes.fitting import FitQuestion, observe_fit

RESULTS = Path(__file__).parent / "results" / "incident.json"
LOGINS = 3


def service(name: str) -> str:
    return f"service {name} {{\n  vsz_limit = 1G\n}}\n"


STEPS = (
    ("as installed", ""),
    ("service auth = 1G", service("auth")),
    ("service auth-worker = 1G", service("auth-worker")),
    ("default_vsz_limit = 1G", "default_vsz_limit = 1G\n"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt: how the right password fared, what the log said, what ``fit`` said."""

    dovecot: str
    driver: str
    tried: str
    worked: int
    asked: int
    log: str
    fit: str
    stanza: str


def attempt(lab: Lab, tried: str, settings: str) -> Step:
    lab.configure(settings)
    lab.restart()
    before = len(lab.log())
    worked = sum(lab.login("alice", PASSWORD.raw).ok for _ in range(LOGINS))
    until = time.monotonic() + 3
    while worked < LOGINS and "ismatch" not in lab.log()[before:] and time.monotonic() < until:
        time.sleep(0.01)  # the log process may lag behind the reply
    lines = [line for line in lab.log()[before:].splitlines() if "alice" in line]
    report = observe_fit(FitQuestion(at_pid(lab.master_pid, None))).passdbs[0]
    said = lines[-1].partition(": ")[2] if lines else ""
    return Step(
        str(lab.version),
        lab.store.driver,
        tried,
        worked,
        LOGINS,
        said.rpartition(": ")[2] if worked < LOGINS else "",
        report.services[0].fits.value,
        report.stanza,
    )


def main() -> None:
    stored = hashes.generate("ARGON2ID", PASSWORD, memory=262144, time=3, lanes=1)
    steps = []
    with ExitStack() as stack:
        servers: dict[str, Server] = {
            "mysql": stack.enter_context(MariaDB()),
            "pgsql": stack.enter_context(Postgres()),
        }
        for version in VERSIONS:
            for driver in STORES:
                with Lab(version, driver, {"alice": stored}, database=servers.get(driver)) as lab:
                    for tried, settings in STEPS:
                        steps.append(attempt(lab, tried, settings))
                        print(steps[-1], flush=True)
    new = RESULTS.with_suffix(".new")
    new.write_text(json.dumps({"about": about(), "steps": [asdict(step) for step in steps]}, indent=1) + "\n")
    new.replace(RESULTS)


if __name__ == "__main__":
    main()
