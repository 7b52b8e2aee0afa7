"""The proof: break a real Dovecot, find exactly what was broken, paste the remedy, find nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from argon2.low_level import Type, hash_secret

from mailauth.diagnose import Looked, Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.finding import Finding
from mailauth.hashes import Password
from mailauth.lab import Lab

MiB = 1024 * 1024
SECRET = b"correct horse"


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
    """What is changed to break a login: settings, stored strings, or both."""

    settings: str = ""
    users: Mapping[str, str | None] = field(default_factory=dict)


@dataclass
class Proof:
    """A lab in which one story is told; ``findings`` are those of the last diagnosis."""

    lab: Lab
    user: str = "alice"
    password: bytes = SECRET

    def logins(self, count: int = 1) -> list[bool]:
        return [self.lab.login(self.user, self.password).ok for _ in range(count)]

    def look(self, *, password: bytes | None = None, login: bool = False) -> Looked:
        given = Password(password) if password is not None else None
        return look(Target(self.user, at_pid(self.lab.master_pid, None), given, login=login))

    def finds(self, codes: set[str], *, password: bytes | None = None, login: bool = False) -> list[Finding]:
        """Exactly these, and nothing undecided."""
        diagnosis = self.look(password=password, login=login).diagnosis
        assert [f"{u.rule.code}: {u.missing.reason}" for u in diagnosis.undecided] == []
        assert codes == {finding.rule.code for finding in diagnosis.findings}, [
            f.problem.says for f in diagnosis.findings
        ]
        return list(diagnosis.findings)

    def paste(self, findings: list[Finding]) -> None:
        """Do what the remedies say: the text at the end of the configuration, then the commands."""
        before = self.lab.settings_file.read_text()
        texts = [f.problem.remedy.config.get(self.lab.dialect, "") for f in findings]
        self.lab.configure("\n".join([before, *texts, ""]))
        commands = {command for f in findings for command in f.problem.remedy.commands}
        if "doveadm reload" in commands:
            self.lab.reload()

    def story(
        self,
        fault: Fault,
        finds: set[str],
        *,
        answers: list[bool],
        mend: Callable[[Lab], None] | None = None,
        unasked: set[str] | None = None,
    ) -> list[Finding]:
        """The six steps.  ``answers``: how the logins in a row end while it is broken.

        ``unasked``: what is found without the password, if that differs.
        """
        assert self.logins() == [True]
        self.finds(set(), password=self.password)
        for user, stored in fault.users.items():
            self.lab.set_password(user, stored)
        self.lab.configure(fault.settings)
        self.lab.reload()
        self.finds(finds if unasked is None else unasked)
        assert self.logins(len(answers)) == answers
        found = self.finds(finds, password=self.password)
        self.paste(found)
        if mend:
            mend(self.lab)
        assert self.logins(3) == [True] * 3
        self.finds(set(), password=self.password)
        self.finds(set())
        return found
