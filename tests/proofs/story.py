"""The proof: break a real Dovecot, find exactly what was broken, paste the remedy, find nothing."""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import psutil
from argon2.low_level import Type, hash_secret

from mailauth.diagnosing import Looked, Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.refusal import Refusal
from mailauth.dovecot.site import read_or_refusal, unread
from mailauth.finding import Finding, StoreChange
from mailauth.fix.plan import make
from mailauth.fix.takeback import put
from mailauth.hashes import Password
from mailauth.hashes.way_back import mended as mended_form
from mailauth.lab import STORES, Lab
from mailauth.lab.stores import share
from mailauth.probes.readers import reader_of
from mailauth.remedies import RELOAD
from tests.conftest import DOVECOTS, PROVEN
from tests.proofs import hostile

MiB = 1024 * 1024
SECRET = b"correct horse"


@cache
def argon2id(
    password: bytes = SECRET,
    *,
    memory: int,
    time: int = 1,
    lanes: int = 1,
    salt: bytes = b"0123456789abcdef",
) -> str:
    """A hash that takes ``memory`` bytes."""
    digest = hash_secret(password, salt, time, memory // 1024, lanes, 32, Type.ID)
    return "{ARGON2ID}" + digest.decode()


@dataclass(frozen=True)
class Fault:
    """What is changed to break a login: settings, stored strings, anything else, or all of them.

    ``name`` is what the confusion matrix calls it.  ``undo`` takes ``do`` back where the remedy cannot.
    """

    settings: str = ""
    users: Mapping[str, str | None] = field(default_factory=dict)
    name: str = ""
    do: Callable[[Lab], None] | None = None
    undo: Callable[[Lab], None] | None = None


@dataclass
class Proof:
    """A lab in which one story is told; ``findings`` are those of the last diagnosis."""

    lab: Lab
    user: str = "alice"
    password: bytes = SECRET
    address: str = ""  # where the client is; "": not known

    @property
    def default_scheme(self) -> str:
        """What this Dovecot takes a stored string without a prefix for; a table has it, proven elsewhere."""
        config = read_or_refusal(at_pid(self.lab.master_pid, None))
        assert not isinstance(config, Refusal)
        return config.passdbs[0].default_scheme

    def logins(self, count: int = 1) -> list[bool]:
        return [self.lab.login(self.user, self.password, address=self.address).ok for _ in range(count)]

    def write(self, name: str, text: str) -> Path:
        """A file in the lab's folder that Dovecot may read, and others may not."""
        path = self.lab.folder / name
        path.write_text(text)
        share(path, self.lab.build.group("dovecot") if os.geteuid() == 0 else None)
        return path

    def look(self, *, password: bytes | None = None, login: bool = False) -> Looked:
        given = Password(password) if password is not None else None
        dovecot = at_pid(self.lab.master_pid, None)
        looked = look(Target(self.user, dovecot, given, login=login, address=self.address))
        hostile.hold(looked.diagnosis)
        return looked

    def finds(self, codes: set[str], *, password: bytes | None = None, login: bool = False) -> list[Finding]:
        """Exactly these, and nothing undecided.  The matrix has them by the test's own name."""
        diagnosis = self.look(password=password, login=login).diagnosis
        undecided = [f"{u.rule.code}: {u.missing.reason}" for u in diagnosis.undecided]
        assert undecided == [], undecided
        assert codes == {finding.rule.code for finding in diagnosis.findings}, [
            (f.problem.says, f.problem.remedy.summary) for f in diagnosis.findings
        ]
        if codes:
            record(self.lab, "", codes)
        return list(diagnosis.findings)

    def paste(self, findings: list[Finding]) -> None:
        """Do what the remedies say as ``mailauth fix`` plans it: files, the entry, the commands.

        What it checks afterwards is the story's to see; a new password's hash is one that is quick to verify.
        """
        dovecot = at_pid(self.lab.master_pid, None)
        config = read_or_refusal(dovecot)
        plan = make(findings, unread(config) if isinstance(config, Refusal) else config, dovecot)
        for change in plan.files:
            put(dovecot, change.path, change.before, change.after, str(self.lab.config))
        if plan.store is StoreChange.NEW_PASSWORD:
            self.lab.set_password(self.user, argon2id(self.password, memory=1 * MiB))
        elif plan.store is StoreChange.MEND:
            self._mend()
        for command in plan.commands:
            if command == RELOAD:
                self.lab.reload()
            else:
                done = self.lab.run(*command)
                assert done.returncode == 0, done.stderr

    def _mend(self) -> None:
        """What ``mailauth fix`` stores instead."""
        looked = self.look()
        case = looked.cases[0]
        reader = reader_of(looked.config, case.passdb, user=self.user)
        mended = mended_form(case.record.stored, reader, Password(self.password))
        assert mended, "the remedy says that the string can be mended"
        self.lab.set_password(self.user, mended.decode("utf-8", "surrogateescape"))

    def story(
        self,
        fault: Fault,
        finds: set[str],
        *,
        answers: list[bool],
        mend: Callable[[Lab], None] | None = None,
        unasked: set[str] | None = None,
        before: set[str] | None = None,
        login: bool = False,
    ) -> list[Finding]:
        """The six steps.  ``answers``: how the logins in a row end while it is broken.

        ``unasked``: what is found without the password, if that differs; ``before``: what is found while
        nothing is broken yet, and again once it is mended, if that is not nothing.  ``login``: look with
        a real login, too.
        """
        healthy = before or set()
        assert self.logins() == [True]
        self.finds(healthy, password=self.password, login=login)
        for user, stored in fault.users.items():
            self.lab.set_password(user, stored)
        self.lab.configure(fault.settings)
        if fault.do:
            fault.do(self.lab)
        self.lab.reload()
        self.finds(finds if unasked is None else unasked)
        assert self.logins(len(answers)) == answers
        found = self.finds(finds, password=self.password, login=login)
        self.paste(found)
        for undo in (fault.undo, mend):
            if undo:
                undo(self.lab)
        assert self.logins(3) == [True] * 3
        self.finds(healthy, password=self.password, login=login)
        self.finds(healthy)
        record(self.lab, fault.name, (finding.rule.code for finding in found))
        return found


def workers(lab: Lab) -> list[int]:
    """The auth-workers that run: who verifies shows in it, since one ends long after its last request."""
    children = psutil.Process(lab.master_pid).children()
    return [one.pid for one in children if "-w" in one.cmdline()]


def record(lab: Lab, name: str, codes: Iterable[str]) -> None:
    """A line for the confusion matrix, when bench/matrix.py asks for it: a fault, and what it was called.

    Without a ``name`` the running test's own is taken, unless the test records the same with a name.
    """
    record_of(str(lab.version), lab.driver, name, codes)


def printed(lab: Lab, text: str) -> None:
    """A line for the confusion matrix of what ``mailauth diagnose`` printed."""
    record(lab, "", heads(text))


def heads(text: str) -> list[str]:
    """The codes of the findings that were printed, blanks folded or not."""
    return re.findall(r"(?:^|[ \n])(?:BLOCKS LOGIN|RISK|NOTE) +([A-Z]+\d+) ", text)


def record_of(version: str, store: str, name: str, codes: Iterable[str]) -> None:
    """As record, for a Dovecot that is no lab's."""
    folder = os.environ.get("MAILAUTH_MATRIX")
    if not folder:
        return
    line = {
        "fault": name or of_the_test(),
        "named": bool(name),
        "dovecot": version,
        "store": store,
        "found": sorted(codes),
        "test": os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0],
    }
    with (Path(folder) / f"{os.getpid()}.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def of_the_test() -> str:
    """What the running test varies beside version and store: its own name, and its own parameter."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" (")[0].rpartition("::")[2]
    kind, _, inside = test.removeprefix("test_").rstrip("]").partition("[")
    for known in (*STORES, *DOVECOTS, *PROVEN):
        inside = f"-{inside}-".replace(f"-{known}-", "-").strip("-")
    return kind.replace("_", " ") + (f", {inside}" if inside else "")
