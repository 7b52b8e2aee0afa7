"""What every command says of a server: of a healthy one nothing but notes, and all of it decided."""

import json
from typing import Any

from mailauth.lab import Lab
from tests.cli.running import mailauth

DIAGNOSES = (
    ("diagnose", "{user}"),
    ("diagnose", "{user}", "--password-stdin"),
    ("diagnose", "{user}", "--password-stdin", "--login"),
    ("checkup",),
)
_PATIENT = ("--timeout", "60s", "--greeting", "60s", "60s")  # a busy machine is no slow server
CHECKS = (("audit",), ("memory", "fit"), ("login", "{user}", "--password-stdin"))


def is_healthy(lab: Lab, user: str, password: str) -> None:
    """Every command that only reads, by its true command line: silent, decided, status 0.

    That a stack's own scheme is weak today (STORE006) is true, and no fault of the server.
    """
    wrong: list[str] = []
    for words in DIAGNOSES:
        told, status, errors = _diagnosed(lab, [word.format(user=user) for word in words], password)
        wrong += [
            f"{words}: found {one['code']}: {one['says']}"
            for one in told["findings"]
            if one["severity"] != "note" and one["code"] != "STORE006"
        ]
        wrong += [f"{words}: undecided {one}" for one in told["undecided"][:3]]
        if status != (1 if told["findings"] else 0):
            wrong.append(f"{words}: status {status}: {errors}")
    for words in CHECKS:
        done = mailauth(
            *(word.format(user=user) for word in words), "--pid", str(lab.master_pid), feed=password
        )
        wrong += [] if done.returncode == 0 else [f"{words}: status {done.returncode}: {done.stdout}"]
    which = ("--pid", str(lab.master_pid), "--state", str(lab.folder / "counts"))
    done = mailauth("check", *which, *_PATIENT, "server", "workers")
    wrong += [] if done.returncode == 0 else [f"check: status {done.returncode}: {done.stdout}"]
    assert not wrong, "\n".join(wrong)


def _diagnosed(lab: Lab, words: list[str], password: str) -> tuple[dict[str, Any], int, str]:
    feed = password if "--password-stdin" in words else ""
    done = mailauth(*words, "--json", "--pid", str(lab.master_pid), feed=feed)
    told = json.loads(done.stdout) if done.stdout else {"findings": [], "undecided": [done.stderr]}
    return told, done.returncode, done.stderr
