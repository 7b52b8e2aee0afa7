"""A worker that answers nobody: what Dovecot logs after its 60 seconds, and what diagnose --login says of it.

The time is a constant of Dovecot's (AUTH_WORKER_LOOKUP_TIMEOUT_SECS, src/auth/auth-worker-server.c), too
long for the test suite: tests/proofs/test_log.py has the line that came of it.  About two minutes:
    python -m bench.lookup_timeout
"""

import psutil

from mailauth.diagnosing import Target, diagnose
from mailauth.dovecot.doveadm import at_pid
from mailauth.hashes import Password, generate
from mailauth.lab import Lab

SECRET = Password(b"correct horse")


def run(version: str) -> None:
    with Lab(version, "sqlite", {"alice": generate("SHA512-CRYPT", SECRET)}) as lab:
        assert lab.login("alice", SECRET.raw).ok
        for one in lab.processes():
            if "-w" in one.cmdline():
                psutil.Process(one.pid).suspend()
        seen = diagnose(Target("alice", at_pid(lab.master_pid, None), SECRET, login=True))
        print(f"Dovecot {version} logs: {lab.log().splitlines()[-1]}")
        for found in seen.findings:
            print(f"  {found.rule.code}, {found.severity.value}: {found.problem.says}")


if __name__ == "__main__":
    for dovecot in ("2.3.19.1", "2.4.1"):
        run(dovecot)
