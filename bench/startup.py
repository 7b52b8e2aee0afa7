"""How long a person waits: commands against Python itself, diagnose against its trial, a lab's first login.

    python bench/startup.py [--write]     writes bench/results/startup.json
    python bench/startup.py --commands    only the commands against Python; --write keeps the rest

Whole commands, paired in one run; medians with their spread.  On a busy machine the ratios hold better
than the seconds.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.evidence import Trials
from mailauth.hashes import Password, generate
from mailauth.lab import Lab, builds

RESULT = Path(__file__).parent / "results" / "startup.json"
MAILAUTH = str(Path(sys.executable).with_name("mailauth"))
PASSWORD = Password.of("secret")


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def command(*words: str) -> float:
    return seconds(lambda: subprocess.run(words, capture_output=True, check=False))


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def help_against_python(rounds: int) -> dict[str, object]:
    pairs = [(command(sys.executable, "-c", "pass"), command(MAILAUTH, "--help")) for _ in range(rounds)]
    return {
        "python -c pass, s": spread([python for python, _ in pairs]),
        "mailauth --help, s": spread([ours for _, ours in pairs]),
        "ratio": spread([ours / python for python, ours in pairs]),
    }


COMMANDS = {
    "explain MEM001": ("explain", "MEM001"),
    "hash show": ("hash", "show", "{PLAIN}secret"),
    "log --help": ("log", "--help"),
    "diagnose --help": ("diagnose", "--help"),
}
BOUND = 4.0


def cpu(*words: str) -> float:
    """CPU seconds of a command, to the microsecond: a busy machine changes them least."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def commands_against_python(rounds: int) -> dict[str, object]:
    """``ratio``: of the time that each took; ``CPU``: of the medians of the CPU seconds."""
    found: dict[str, object] = {"to reach": BOUND}
    for name, words in COMMANDS.items():
        ratios, python, ours = [], [], []
        for _ in range(rounds):
            ratios.append(1 / command(sys.executable, "-c", "pass") * command(MAILAUTH, *words))
            python.append(cpu(sys.executable, "-c", "pass"))
            ours.append(cpu(MAILAUTH, *words))
        found[name] = {
            "ratio": spread(ratios),
            "CPU": round(statistics.median(ours) / statistics.median(python), 1),
        }
    return found


def diagnose_against_trial(rounds: int, version: str | None, store: str) -> dict[str, object]:
    """The whole command less the verification that its trial makes."""
    stored = generate("ARGON2ID", PASSWORD, memory=64 * 1024, time=3, lanes=1)
    with Lab(dovecot=version, store=store, users={"alice": stored}) as lab:
        facts = look(Target("alice", at_pid(lab.master_pid, None))).diagnosis.evidence
        [trials] = [fact for fact in facts if isinstance(fact, Trials)]
        words = (MAILAUTH, "diagnose", "alice", "--pid", str(lab.master_pid))
        whole = [command(*words) for _ in range(rounds)]
    return {
        "diagnose, s": spread(whole),
        "trial, s": trials.miss.seconds,
        "more than the trial, s": spread([one - trials.miss.seconds for one in whole]),
    }


def first_login(rounds: int, version: str | None, store: str) -> dict[str, float]:
    def once() -> float:
        began = time.perf_counter()
        with Lab(dovecot=version, store=store, users={"alice": "{PLAIN}secret"}) as lab:
            assert lab.login("alice", b"secret").ok
            return time.perf_counter() - began

    return spread([once() for _ in range(rounds)])


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _load() -> str:
    return Path("/proc/loadavg").read_text().split()[0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--commands", action="store_true")
    options = parser.parse_args()
    if options.commands:
        found = commands_against_python(options.rounds)
        print(json.dumps(found, indent=2))
        if options.write:  # what else was measured stays, with its own date
            told = {"commands": found | {"date": _today(), "load": _load()}}
            RESULT.write_text(json.dumps(json.loads(RESULT.read_text()) | told, indent=2) + "\n")
        return
    versions = [version for version in ("2.3.19.1", "2.4.1") if builds.available(version)]
    stores = ("passwd-file", "sqlite", "mysql", "pgsql")
    result = {
        "date": _today(),
        "python": platform.python_version(),
        "load": _load(),
        "help": help_against_python(options.rounds),
        "commands": commands_against_python(options.rounds),
        "diagnose": {
            f"{v} {s}": diagnose_against_trial(options.rounds // 3 or 1, v, s)
            for v in versions
            for s in stores
        },
        "lab, s from Lab() to the first login": {
            f"{v} {s}": first_login(options.rounds // 3 or 1, v, s) for v in versions for s in stores
        },
    }
    text = json.dumps(result, indent=2)
    print(text)
    if options.write:
        RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()
